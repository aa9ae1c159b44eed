// `order: key`: of each key at most one pair is on its way. What comes later becomes a follower, a
// durable row, and goes when it is the first of its key that is left.
//
// After a restart the records that were on their way are read again; until they have been, nobody
// may pass them, so no follower goes before the lane has caught up with what it had settled.
#include <algorithm>

#include "deliver/lane.h"
#include "deliver/order_key.h"

namespace tributary::deliver {
namespace {

// Read ahead, because many dead letters are often redriven at once; their events are in memory.
constexpr std::size_t kKeysAskedMax = 64;

}  // namespace

void Lane::LoadKeys() {
  for (const auto& [at, row] : ledger_->rows().all()) {
    if (row.kind == WaitingRows::Kind::kFollower || row.stored.key == 0) continue;
    keys_.Hold(row.stored.key);
    if (!row.fresh()) heads_.insert({row.times.since, at});
  }
  for (const auto& [id, batch] : ledger_->batches().all()) {
    const StoredBatch::Member& first = batch.stored.members.front();
    if (!batch.fresh() && first.key != 0) heads_.insert({batch.times.since, first.at});
  }
  for (const auto& [at, row] : ledger_->rows().all()) {
    if (row.kind == WaitingRows::Kind::kFollower) keys_.Follow(row.stored.key, at);
  }
}

bool Lane::CaughtUp() {
  caught_up_ = caught_up_ || std::ranges::all_of(reading_, [](const Reading& reading) {
                 return reading.next >= reading.known;
               });
  return caught_up_;
}

void Lane::Follow(const log::RecordView& record, KeyQueues::Key key, MonoNanos now) {
  const Position at{record.partition, record.offset};
  // A first wait counts from here, not from when those before it are done.
  const MonoNanos wait = settings_.schedule.front() == 0
                             ? 0
                             : schedule_.WaitAfter(0, std::nullopt, *world_.random).value_or(0);
  KeepIfReleased(at);
  ledger_->SettleFollower(
      at, {.due_us = wait == 0 ? 0 : world_.clock->Now() + wait / 1000, .key = key}, now + wait);
  keys_.Follow(key, at);
  if (const auto head = keys_.TakeOverdue(key)) GiveUpHead(*head, now);
}

// Sends the next record that has nobody before it any more. When order was switched off, that is
// every follower. False when there is none.
bool Lane::SendFollower(MonoNanos now) {
  if (keys_.followers() == 0 || !CaughtUp() || asking_keys_) return false;
  const auto next = keys_.TakeReady(!settings_.ordered);
  if (!next) return false;
  const auto& [key_of_row, at] = *next;
  const KeyQueues::Key key = settings_.ordered ? key_of_row : 0;
  if (key != 0) keys_.Hold(key);
  const WaitingRows::Row& row = *ledger_->rows().Find(at);
  if (row.times.due > now) {
    ledger_->SettleWaiting(at, {.due_us = row.stored.due_us, .key = key}, {.due = row.times.due});
    return true;
  }
  ledger_->rows().SetInFlight(at);
  if (Batching()) {
    GatherFollower(at, key, now);
  } else {
    SendRow(at, key, now);
  }
  return true;
}

// The key of a row whose turn has come, held by it. A row without one was redriven, or waited
// before there was an order: it queues as any pair of its key (nullopt), in its place by offset.
std::optional<KeyQueues::Key> Lane::ClaimKey(Position at) {
  const KeyQueues::Key held = ledger_->rows().Find(at)->stored.key;
  if (!settings_.ordered || held != 0) return held;
  KeyQueues::Key key = 0;
  if (const auto known = known_keys_.find(at); known != known_keys_.end()) {
    key = known->second;
  } else {
    const auto found = world_.log->ReadOne(at.partition, at.offset);
    const MonoNanos now = world_.loop->Now();
    if (!found && CannotReadNow(found.error(), now)) {
      PutRowBack(at, 0, now);
      return std::nullopt;
    }
    if (!found) {
      AskKeys(at, now);
      return std::nullopt;
    }
    key = OrderKey(found->record, settings_.order_path);
  }
  if (keys_.Taken(key)) {
    ledger_->rows().SetInFlight(at, false);
    keys_.Follow(key, at);
    return std::nullopt;
  }
  keys_.Hold(key);
  return key;
}

// Only the copies beside the rows know the keys of `first` and of what is due after it. Reading
// them may block; until they are known no row and no follower may pass them.
void Lane::AskKeys(Position first, MonoNanos now) {
  auto asked = std::make_shared<Assembly>();
  asked->places.push_back(first);
  while (asked->places.size() < kKeysAskedMax) {
    const auto next = ledger_->rows().TakeDue(now);
    if (!next) break;
    const WaitingRows::Row row = *ledger_->rows().Find(*next);
    const auto found = world_.log->ReadOne(next->partition, next->offset);
    if (row.stored.key != 0 || found || CannotReadNow(found.error(), now)) {
      ledger_->rows().Put(*next, row.stored, row.times);
      break;
    }
    asked->places.push_back(*next);
  }
  asked->kept.resize(asked->places.size());
  asking_keys_ = true;
  ReadKept(asked, [](Lane& lane, const Assembly& read) { lane.KeysRead(read); });
}

// The rows are due again, and now their keys are known.
void Lane::KeysRead(const Assembly& asked) {
  asking_keys_ = false;
  known_keys_.clear();
  if (stopped_) return;
  const MonoNanos now = world_.loop->Now();
  const bool later = !asked.read && CannotReadNow(asked.read.error(), now);
  for (std::size_t i = 0; i < asked.places.size(); ++i) {
    const Position at = asked.places[i];
    if (ledger_->rows().Find(at) == nullptr) continue;  // its replay was cancelled
    const WaitingRows::Row row = *ledger_->rows().Find(at);
    const auto record = DecodeKept(at, asked.kept[i]);
    if (later) {
      PutRowBack(at, 0, now);
    } else if (record) {
      known_keys_[at] = OrderKey(*record, settings_.order_path);
      ledger_->rows().Put(at, row.stored, row.times);
    } else {
      LoseRow(at, 0, row.times.since);
    }
  }
  Pump();
}

// Whether one on its way to its first attempt, which holds this key, was let join others of it that
// are not where it is now; `joins`: what gathers is.
bool Lane::HeldElsewhere(KeyQueues::Key key, bool joins) const {
  if (key == 0) return false;
  const auto gathered = gathering_.held.find(key);
  const bool together = joins && gathered != gathering_.held.end();
  return keys_.held(key) > 1 + (together ? gathered->second : 0);
}

// It was to join those of its key that gathered, and they went without it: it follows them.
void Lane::FollowInstead(Position at, KeyQueues::Key key, MonoNanos now) {
  if (ledger_->rows().Find(at) != nullptr) {
    PutRowBack(at, key, now);
  } else {
    KeepIfReleased(at);
    ledger_->SettleFollower(at, {.key = key}, now);
    keys_.Free(key);
    keys_.Follow(key, at);
  }
  if (const auto head = keys_.TakeOverdue(key)) GiveUpHead(*head, now);
}

bool Lane::HoldsUpOthers(KeyQueues::Key key, MonoNanos since, MonoNanos now) const {
  return key != 0 && settings_.order_wait_ns != 0 && now - since >= settings_.order_wait_ns &&
         keys_.HasFollowers(key);
}

// A pair that holds a key waits for its next attempt.
void Lane::WatchHead(Position at, KeyQueues::Key key, MonoNanos since, MonoNanos now) {
  if (key == 0) return;
  if (settings_.order_wait_ns != 0 && now - since >= settings_.order_wait_ns) {
    keys_.SetOverdue(key, at);  // nobody waits behind it yet
  } else {
    heads_.insert({since, at});
  }
}

void Lane::ExpireHeads(MonoNanos now) {
  if (settings_.order_wait_ns == 0) return;
  while (!heads_.empty() && now - heads_.begin()->first >= settings_.order_wait_ns) {
    const auto [since, at] = *heads_.begin();
    heads_.erase(heads_.begin());
    const WaitingRows::Row* row = ledger_->rows().Find(at);
    if (row == nullptr) continue;
    if (row->kind == WaitingRows::Kind::kMember || keys_.HasFollowers(row->stored.key)) {
      GiveUpHead(at, now);
    } else {
      keys_.SetOverdue(row->stored.key, at);
    }
  }
}

// Unless an attempt is under way or owed to it (the lane was paused, or its breaker open): that
// decides then.
void Lane::GiveUpHead(Position at, MonoNanos now) {
  const WaitingRows::Row* row = ledger_->rows().Find(at);
  if (row != nullptr && row->kind == WaitingRows::Kind::kMember) {
    ExpireBatch(row->batch, now);
    return;
  }
  if (row == nullptr || row->in_flight || row->fresh() || row->times.due <= now) return;
  if (!HoldsUpOthers(row->stored.key, row->times.since, now)) {
    WatchHead(at, row->stored.key, row->times.since, now);  // order_wait has grown meanwhile
    return;
  }
  GiveUp(at, "order_wait is over: others of its key wait behind it; gave up");
  PumpSoon();
}

// The pair has ended, whatever became of it.
void Lane::EndPair(Position at, KeyQueues::Key key, MonoNanos since) {
  if (key == 0) return;
  heads_.erase({since, at});
  keys_.Free(key);
}

void Lane::ForgetKeys() {
  keys_ = {};
  heads_.clear();
  known_keys_.clear();
}

}  // namespace tributary::deliver
