// What a lane does when the log needs room: it counts what it never got to as dropped (also what a
// jq condition might have filtered: there is no time to ask it), copies the
// events of its rows beside them, and only then lets its durable cursor pass.
#include <algorithm>

#include "base/logging.h"
#include "deliver/lane.h"
#include "deliver/notice.h"

namespace tributary::deliver {

void Lane::ReleaseBelow(log::Partition partition, log::Offset end) {
  log::Offset asked = release_asked_[partition].load();
  while (asked < end && !release_asked_[partition].compare_exchange_weak(asked, end)) {
  }
  if (asked >= end) return;  // already on its way
  world_.loop->Post([weak = weak_from_this(), partition] {
    if (const auto self = weak.lock()) self->ReleaseStep(partition);
  });
}

void Lane::ReleaseStep(log::Partition partition) {
  Reading& reading = reading_[partition];
  const log::Offset end = release_asked_[partition].load();
  if (!started_ || stopped_ || reading.releasing || reading.release >= end) return;
  reading.release = end;
  reading.releasing = true;
  reading.released = std::min(ledger_->synced_cursor(partition), reading.next);
  ledger_->BeginRelease(partition, end);
  ReleaseOn(partition);
}

// One window per turn; when much has gathered for the store, after the next commit.
void Lane::ReleaseOn(log::Partition partition) {
  Reading& reading = reading_[partition];
  if (stopped_) return;
  if (reading.released >= reading.release) {
    FinishRelease(partition);
    return;
  }
  const auto window = world_.windows->Get(partition, reading.released);
  const MonoNanos now = world_.loop->Now();
  if (!window && CannotReadNow(window.error(), now)) {
    // What is not known cannot be counted: the log is held until it can be read.
    world_.loop->At(now + kReadAgainAfter, [weak = weak_from_this(), partition] {
      if (const auto self = weak.lock()) self->ReleaseOn(partition);
    });
    return;
  }
  if (window && *window != nullptr && (*window)->first() < reading.release) {
    ReleaseWindow(**window, reading.release);
    reading.released = std::min((*window)->end(), reading.release);
  } else {
    reading.released = reading.release;  // damaged: nothing there can be read
  }
  const auto next = [weak = weak_from_this(), partition] {
    if (const auto self = weak.lock()) self->ReleaseOn(partition);
  };
  if (ledger_->congested()) {
    ledger_->Commit({}, [next](const Status& status) {
      if (status) next();
    });
  } else {
    world_.loop->Post(next);
  }
}

void Lane::ReleaseWindow(const Window& window, log::Offset end) {
  const log::Partition p = window.partition();
  Reading& reading = reading_[p];
  end = std::min(end, End(p));
  Run run{.first = reading.next, .counts = {}};
  std::vector<OffsetRange> dropped;
  for (const log::RecordView& record : window.From(reading.released)) {
    if (record.offset >= end) break;
    const Position at{p, record.offset};
    if (ledger_->rows().Find(at) != nullptr || ledger_->IsDead(at)) {
      if (at.offset >= ledger_->released(p)) ledger_->KeepBody(record);
      continue;
    }
    if (at.offset < reading.next || ledger_->progress(p).Settled(at.offset)) continue;
    if (window.IsDuplicate(at.offset)) continue;
    const Matcher* matcher = rules_.At(p, at.offset).matcher;
    if (matcher != nullptr && MatchesNatively(*matcher, record)) {
      ++run.counts.dropped;
      if (IsNotice(record.fields)) ++reading.notices;
      AddToRuns(dropped, at.offset, at.offset + 1);
      if (dropped.size() == kRunsPerRowMax) {
        ledger_->NoteDropped(p, DropRule::kRetention, world_.clock->Now(),
                             std::exchange(dropped, {}));
      }
    } else if (FormsPair(matcher, record.fields)) {
      ++run.counts.filtered;
    }
  }
  ledger_->NoteDropped(p, DropRule::kRetention, world_.clock->Now(), dropped);
  const log::Offset passed = std::min(window.end(), end);
  if (passed <= reading.next) return;
  reading.dropped += run.counts.dropped;
  ledger_->SettleRun(p, run.first, passed, run.counts);
  reading.next = passed;
  read_[p].store(passed, std::memory_order_relaxed);
}

void Lane::FinishRelease(log::Partition partition) {
  Reading& reading = reading_[partition];
  reading.releasing = false;
  const std::uint64_t notices = std::exchange(reading.notices, 0);
  if (reading.dropped > notices) {
    Note(MetaEvent::kRetentionLoss, "retention", reading.dropped - notices);
  }
  if (reading.dropped > 0) {
    LogWarn("retention_dropped", {{"destination", name_},
                                  {"partition", partition},
                                  {"below", reading.release},
                                  {"events", std::exchange(reading.dropped, 0)}});
  }
  if (reading.next < reading.release) {
    ledger_->SettleRun(partition, reading.next, reading.release, {});
    reading.next = reading.release;
  }
  ledger_->SetReleased(partition, reading.release);
  ledger_->Commit({}, [](const Status&) {});
  ReleaseStep(partition);  // the log may have asked for more meanwhile
}

// A row for a record that the log was told it may forget needs a copy of the event at once. Rows
// that exist already have one, or get it from the release under way.
void Lane::KeepIfReleased(Position at) {
  const Reading& reading = reading_[at.partition];
  if (at.offset >= std::max(reading.release, ledger_->released(at.partition))) return;
  const auto found = world_.log->ReadOne(at.partition, at.offset);
  if (found) ledger_->KeepBody(found->record);
}

}  // namespace tributary::deliver
