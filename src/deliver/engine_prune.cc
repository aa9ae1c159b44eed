// Attempts of settled pairs are kept as long as the log keeps their event, for whoever asks what
// happened; once a minute those that outlived it go. Rows that still wait, and dead letters, keep
// theirs. Dropped pairs are remembered longer than their events (dropped_pairs.h), and a deleted
// destination as long as there is something to tell of it.
#include "base/logging.h"
#include "deliver/dropped_pairs.h"
#include "deliver/engine_impl.h"
#include "deliver/engine_replay.h"

namespace tributary::deliver {

using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

constexpr MonoNanos kPruneEvery = 60 * kNanosPerSecond;
// Of one lane and partition at a time; the rest a minute later.
constexpr std::size_t kPrunedMax = 10'000;

}  // namespace

void EngineImpl::PruneLater() {
  os::Executor* loop = loops_.front()->loop.executor;
  loop->At(loop->Now() + kPruneEvery, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    world_.blocking->Post([this, alive] {
      if (!alive.expired()) Prune();
    });
    PruneLater();
  });
}

// On the blocking executor, so that no outcome waits for it.
void EngineImpl::Prune() {
  for (const LaneRef& lane : AllLaneRefs()) {
    Status pruned;
    for (log::Partition p = 0; pruned && p < world_.log->partitions(); ++p) {
      pruned = PruneLane(lane.id, p, world_.log->first(p));
      if (pruned) pruned = PruneDroppedOf(lane.id, p);
    }
    if (pruned && lane.deleted != nullptr) pruned = PruneDeleted(*lane.deleted);
    if (!pruned) LogWarn("not_pruned", {{"error", pruned.error().ToString()}});
  }
}

Status EngineImpl::PruneDroppedOf(LaneId lane, log::Partition partition) {
  TRY_ASSIGN(const store::Batch gone,
             PruneDropped(*world_.store, lane, partition, world_.log->first(partition),
                          world_.clock->Now(), kPrunedMax));
  return gone.empty() ? Status{} : world_.store->Write(gone, store::Sync::kNo);
}

Status EngineImpl::PruneDeleted(const DeletedLane& lane) {
  if (lane.Reaches(*world_.log)) return {};
  bool any = false;
  TRY(world_.store->ScanPrefix(Family::kOwned, keys::DroppedOf(lane.id()), [&](auto, auto) {
    any = true;
    return Visit::kStop;
  }));
  if (any) return {};
  deleted_lanes_.Remove(lane.id());
  return world_.store->Write(DeletedLanes::Forget(lane.id()), store::Sync::kNo);
}

Status EngineImpl::PruneLane(LaneId lane, log::Partition partition, log::Offset end) {
  store::Batch gone;
  std::optional<log::Offset> last;
  bool keep = false;
  Status failed;
  TRY(world_.store->Scan(
      Family::kOwned, keys::AttemptsAt(lane, {partition, 0}),
      keys::AttemptsAt(lane, {partition, end}), false, [&](std::string_view key, std::string_view) {
        const auto parsed = keys::ParseAttempt(key);
        if (!parsed) return Visit::kContinue;
        if (last != parsed->at.offset) {
          const auto waiting = world_.store->Get(Family::kOwned, keys::Waiting(lane, parsed->at));
          const auto dead = world_.store->Get(Family::kOwned, keys::DeadLetter(lane, parsed->at));
          // Of a pair that waits in a batch, which has no row of its own.
          const auto kept = world_.store->Get(Family::kOwned, keys::KeptBody(lane, parsed->at));
          if (!waiting) failed = Fail(waiting.error());
          if (!dead) failed = Fail(dead.error());
          if (!kept) failed = Fail(kept.error());
          if (!failed) return Visit::kStop;
          keep = waiting->has_value() || dead->has_value() || kept->has_value();
          last = parsed->at.offset;
        }
        if (!keep) gone.Delete(Family::kOwned, std::string(key));
        return gone.ops().size() < kPrunedMax ? Visit::kContinue : Visit::kStop;
      }));
  TRY(failed);
  // Needs no sync of its own: what comes back after a power cut is pruned again.
  return gone.empty() ? Status{} : world_.store->Write(gone, store::Sync::kNo);
}

}  // namespace tributary::deliver
