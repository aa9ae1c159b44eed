// How a lane goes through the log: what needs no attempt is settled in runs, the rest is sent while
// there is room.
#include <algorithm>

#include "base/logging.h"
#include "deliver/lane.h"
#include "deliver/order_key.h"

namespace tributary::deliver {
namespace {

// After so many records a lane lets the others of its loop go on.
constexpr std::size_t kRecordsPerTurn = 16'384;

}  // namespace

bool Lane::Running() const {
  // status_ is written on this thread only, so it may be read here without the lock.
  return started_ && !stopped_ && MayRun() && !ledger_->failed();
}

void Lane::Pump() {
  MaybeFinished();
  if (!Running()) return;
  const MonoNanos now = world_.loop->Now();
  ExpireHeads(now);
  if (MaySend()) SendDue(now);
  ReadAll(now);
  FlushInTime(now);
  breaker_state_.store(breaker_.state(), std::memory_order_relaxed);
  ArmTimer(now);
}

void Lane::PumpSoon() {
  if (std::exchange(pump_posted_, true)) return;
  world_.loop->Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->pump_posted_ = false;
      self->Pump();
    }
  });
}

// How many attempts may begin now.
std::size_t Lane::Room(MonoNanos now) {
  if (ledger_->congested() || limiter_.NextAt(now) > now) return 0;
  const std::size_t allowed = breaker_.Allows(window_.size(), now);
  return allowed > in_flight_.size() ? allowed - in_flight_.size() : 0;
}

void Lane::ReadAll(MonoNanos now) {
  if (now < read_again_at_) return;
  Turn turn{.records = kRecordsPerTurn};
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    while (turn.windows > 0 && turn.bytes > 0 && ReadPartition(p, turn, now)) --turn.windows;
    read_[p].store(reading_[p].next, std::memory_order_relaxed);
  }
  if (turn.records == 0 || turn.windows == 0 || turn.bytes == 0) PumpSoon();
  if (!caught_up_ && CaughtUp() && keys_.followers() > 0) PumpSoon();
}

// True when a window was passed and there may be another.
bool Lane::ReadPartition(log::Partition partition, Turn& turn, MonoNanos now) {
  if (turn.records == 0 || reading_[partition].next >= End(partition)) return false;
  const auto window = world_.windows->Get(partition, reading_[partition].next);
  if (!window) {
    LogWarn("lane_cannot_read", {{"destination", name_}, {"error", window.error().ToString()}});
    read_again_at_ = now + kReadAgainAfter;
    return false;
  }
  if (*window == nullptr) return false;
  turn.bytes -= std::min(turn.bytes, (*window)->bytes());
  return ScanWindow(**window, turn.records, now);
}

// What was taken before a restart may be taken again however many rows there are: followers wait
// until it has been.
bool Lane::MayTake(const Reading& reading, const log::RecordView& record, MonoNanos now) {
  const std::size_t perhaps_rows = in_flight_.size() - rows_in_flight_ + gathering_.members.size();
  const bool full = ledger_->rows().size() + perhaps_rows >= world_.waiting_rows_max;
  if (full && reading.next >= reading.known) return false;
  if (Batching()) {
    if (!MayGather(record.payload.size(), now)) return false;
    if (AsksPrograms({record.partition, record.offset})) return Room(now) > 0;
    return MayMix(record) || FlushIfRoom(now);
  }
  return Room(now) > 0;
}

// Settles what needs no attempt and sends what does; false when there is no room for more.
bool Lane::ScanWindow(const Window& window, std::size_t& budget, MonoNanos now) {
  const log::Partition p = window.partition();
  Reading& reading = reading_[p];
  const Progress& progress = ledger_->progress(p);
  const log::Offset end = std::min(window.end(), End(p));
  const bool dropping = replay_ && replay_->cancelled;
  std::vector<OffsetRange> lost;
  RuleHistory::InForce rule = rules_.At(p, reading.next);
  if (!dropping && PassesWhole(window, reading, rule)) return true;
  Run run{.first = reading.next, .counts = {}};
  bool room = true;
  for (const log::RecordView& record : window.From(reading.next)) {
    if (budget == 0) {
      room = false;
      break;
    }
    const log::Offset offset = record.offset;
    if (offset >= end) break;
    if (offset < reading.known && progress.Settled(offset)) {
      ledger_->SettleRun(p, run.first, offset, std::exchange(run.counts, {}));
      run.first = reading.next = offset + 1;
      continue;
    }
    if (offset >= rule.end) rule = rules_.At(p, offset);
    if (!window.IsDuplicate(offset)) {
      if (rule.matcher == nullptr || !MatchesNatively(*rule.matcher, record)) {
        if (FormsPair(rule.matcher, record.fields)) ++run.counts.filtered;
      } else if (dropping) {
        ++run.counts.dropped;
        AddToRuns(lost, offset, offset + 1);
      } else if (instant_ && !rule.asks_program) {
        ++run.counts.delivered;
      } else {
        if (!MayTake(reading, record, now)) {
          room = false;
          break;
        }
        ledger_->SettleRun(p, run.first, offset, std::exchange(run.counts, {}));
        run.first = offset + 1;
        Take(record, now);
      }
    }
    reading.next = offset + 1;
    --budget;
  }
  if (room) reading.next = end;
  ledger_->SettleRun(p, run.first, reading.next, run.counts);
  ledger_->NoteDropped(p, DropRule::kReplayCancelled, world_.clock->Now(), lost);
  return room;
}

// A window of which the rule wants nothing is settled at once.
bool Lane::PassesWhole(const Window& window, Reading& reading, const RuleHistory::InForce& rule) {
  const log::Partition p = window.partition();
  const bool whole = reading.next == window.first() && window.end() <= End(p) &&
                     window.end() <= rule.end && reading.known <= window.first();
  const WindowSummary* const summary = whole ? world_.windows->SummaryOf(window) : nullptr;
  if (summary == nullptr ||
      memo_.WantsAny(summary->classes, world_.windows->classes(), rule.matcher, rule.revision)) {
    return false;
  }
  const log::Kind kind = rule.matcher == nullptr ? log::Kind::kEvent : rule.matcher->kind();
  const std::uint64_t filtered = summary->of_kind[static_cast<std::size_t>(kind)];
  ledger_->SettleRun(p, window.first(), window.end(), {.filtered = filtered});
  reading.next = window.end();
  return true;
}

void Lane::Take(const log::RecordView& record, MonoNanos now) {
  const Position at{record.partition, record.offset};
  KeyQueues::Key key = 0;
  if (settings_.ordered) {
    key = OrderKey(record, settings_.order_path);
    if (keys_.Taken(key) && !MayJoin(key)) {
      Follow(record, key, now);
      return;
    }
    keys_.Hold(key);
  }
  if (settings_.schedule.front() != 0) {
    TakeWaiting(at, key, now);
  } else if (Batching() && !AsksPrograms(at)) {
    Gather(record, record.payload, key, now);
  } else {
    Send(BeginAttempt(at, key, nullptr, now), record);
  }
}

// The first wait of the schedule is before the first attempt.
void Lane::TakeWaiting(Position at, KeyQueues::Key key, MonoNanos now) {
  const MonoNanos wait = schedule_.WaitAfter(0, std::nullopt, *world_.random).value_or(0);
  KeepIfReleased(at);
  ledger_->SettleWaiting(at, {.due_us = world_.clock->Now() + wait / 1000, .key = key},
                         {.due = now + wait});
}

// One timer for the next thing that time alone will allow. What waits for room in the window or for
// a commit is woken by those.
void Lane::ArmTimer(MonoNanos now) {
  constexpr MonoNanos kNever = ~(MonoNanos{1} << 63);
  const MonoNanos allowed =
      std::max({breaker_.opens_until(), limiter_.NextAt(now), read_again_at_});
  MonoNanos wake = kNever;
  if (const auto due = ledger_->rows().NextDue()) wake = std::max(*due, allowed);
  if (const auto due = ledger_->batches().NextDue()) {
    wake = std::min(wake, std::max(*due, allowed));
  }
  if (!gathering_.members.empty()) {
    wake = std::min(wake, std::max(gathering_.began_ns + settings_.batch.wait_ns, allowed));
  }
  if (allowed > now) wake = std::min(wake, allowed);  // fresh events wait for it too
  if (!heads_.empty() && settings_.order_wait_ns != 0) {
    wake = std::min(wake, heads_.begin()->first + settings_.order_wait_ns);
  }
  if (wake <= now) return;
  if (timer_ != 0 && timer_at_ <= wake && timer_at_ > now) return;
  if (timer_ != 0) world_.loop->Cancel(std::exchange(timer_, 0));
  if (wake == kNever) return;
  timer_at_ = wake;
  timer_ = world_.loop->At(wake, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->timer_ = 0;
      self->Pump();
    }
  });
}

}  // namespace tributary::deliver
