// How dead letters leave a lane: redriven they wait again, or a rule drops them; and what an audit
// is told.
#include <algorithm>

#include "deliver/lane.h"

namespace tributary::deliver {

void Lane::MoveDead(DeadMove move, std::move_only_function<store::Batch(std::size_t)> changes,
                    Moved done) {
  if (stopped_ || ledger_->failed()) {
    done(Fail(ErrorCode::kUnavailable, "the destination takes no changes now"));
    return;
  }
  const DeadMoved moved = move.drop ? DropAll(move.letters, *move.drop) : RedriveAll(move.letters);
  // Row by row and progress of the whole are one batch: a crash loses both or neither.
  ledger_->Commit(changes(moved.count),
                  [moved, done = std::move(done)](const Status& status) mutable {
                    done(status ? Result<DeadMoved>(moved) : std::unexpected(status.error()));
                  });
  Pump();
}

LaneSnapshot Lane::Snapshot() const {
  LaneSnapshot snapshot{.at_us = world_.clock->Now(), .rules = rules_};
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    snapshot.cursors.push_back(ledger_->cursor(p));
    snapshot.ends.push_back(End(p));
    snapshot.dead.push_back(ledger_->dead(p));
    const std::vector<Position> waiting = ledger_->rows().In(p);
    snapshot.waiting.insert(snapshot.waiting.end(), waiting.begin(), waiting.end());
  }
  return snapshot;
}

void Lane::WhenDurable(std::move_only_function<void()> then) {
  if (ledger_->idle() || ledger_->failed()) return then();
  ledger_->Commit({}, [then = std::move(then)](const Status&) mutable { then(); });
}

Lane::DeadMoved Lane::RedriveAll(const std::vector<DeadEntry>& letters) {
  const UnixMicros now_us = world_.clock->Now();
  const MonoNanos now = world_.loop->Now();
  DeadMoved moved;
  for (const DeadEntry& entry : letters) {
    moved.full = ledger_->rows().size() >= world_.waiting_rows_max;
    if (moved.full) break;
    moved.count += ledger_->Redrive(entry, now_us, now) ? 1 : 0;
  }
  return moved;
}

Lane::DeadMoved Lane::DropAll(const std::vector<DeadEntry>& letters, DropRule rule) {
  std::vector<Position> gone;
  for (const DeadEntry& entry : letters) {
    if (ledger_->DropDead(entry)) gone.push_back(entry.at);
  }
  std::ranges::sort(gone);
  const UnixMicros now_us = world_.clock->Now();
  std::vector<OffsetRange> runs;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    AddToRuns(runs, gone[i].offset, gone[i].offset + 1);
    const bool last = i + 1 == gone.size() || gone[i + 1].partition != gone[i].partition;
    if (last || runs.size() == kRunsPerRowMax) {
      ledger_->NoteDropped(gone[i].partition, rule, now_us, std::exchange(runs, {}));
    }
  }
  return {.count = gone.size()};
}

}  // namespace tributary::deliver
