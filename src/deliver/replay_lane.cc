// What a lane does differently when it is a replay's (replay_part.h).
#include <algorithm>

#include "deliver/lane.h"

namespace tributary::deliver {

log::Offset Lane::End(log::Partition partition) const {
  return replay_ ? replay_->ends[partition] : ~log::Offset{0};
}

// A replay that came to its end holds nothing of the log but what its rows need.
log::Offset Lane::synced_cursor(log::Partition partition) const {
  const log::Offset cursor = ledger_->synced_cursor(partition);
  return cursor >= End(partition) ? ~log::Offset{0} : cursor;
}

bool Lane::MayRun() const {
  return (replay_ && replay_->cancelled) || MaySend();  // dropping needs no receiver
}

// A cancelled one that was paused is not paused any more: its dead letters may be redriven.
bool Lane::MaySend() const {
  const bool own = status_.status == LaneStatus::kActive || (replay_ && replay_->cancelled);
  if (!settings_.enabled || !own) return false;
  if (!replay_) return true;
  const bool orphan = replay_->orphan || replay_->live == nullptr;  // there is nobody to send to
  return !orphan && replay_->live->status_.status == LaneStatus::kActive;
}

void Lane::MaybeFinished() {
  if (!replay_ || !replay_->finished || !started_ || stopped_) return;
  if (!in_flight_.empty() || ledger_->rows().size() > 0 || !ledger_->idle()) return;
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    if (ledger_->progress(p).cursor() < End(p)) return;
  }
  bool left = false;
  for (log::Partition p = 0; p < reading_.size(); ++p) left = left || !ledger_->dead(p).empty();
  if (left && std::exchange(replay_->told, true)) return;
  auto finished = left ? replay_->finished : std::exchange(replay_->finished, nullptr);
  // Not from inside this call: who is told may let go of this lane.
  world_.loop->Post([finished = std::move(finished), left] { finished(left); });
}

void Lane::WakeReplays() {
  std::erase_if(replays_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : std::vector(replays_)) {
    if (const auto replay = weak.lock()) replay->Pump();
  }
}

// Taken, without an outcome and without a row.
void Lane::DropUnsent(Position at) {
  ledger_->SettleRun(at.partition, at.offset, at.offset + 1, {.dropped = 1});
  ledger_->NoteDropped(at.partition, DropRule::kReplayCancelled, world_.clock->Now(),
                       {{at.offset, at.offset + 1}});
}

void Lane::OrphanReplay(store::Batch changes, std::function<void(bool)> finished) {
  replay_->orphan = true;
  replay_->finished = std::move(finished);
  ledger_->DropAllDead(world_.clock->Now());
  CancelReplay(nullptr, std::move(changes), [](const Status&) {});
}

void Lane::CancelReplay(std::shared_ptr<Destination> fresh, store::Batch changes, Persisted done) {
  replay_->cancelled = true;
  for (const auto& [token, attempt] : in_flight_) {
    const Position at = attempt.at;
    if (!attempt.row && attempt.batch == 0) DropUnsent(at);
  }
  for (const Position at : GatheredWithoutRow()) DropUnsent(at);
  gathering_ = {};
  CancelInFlight();
  // Its requests go with it; perhaps it is in the middle of a call.
  world_.loop->Post([old = std::exchange(settings_.destination, std::move(fresh))] {});
  ForgetKeys();
  ledger_->DropRows(world_.clock->Now());
  ledger_->Commit(std::move(changes), std::move(done));
  Pump();
}

}  // namespace tributary::deliver
