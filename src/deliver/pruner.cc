#include "deliver/pruner.h"

#include <algorithm>

#include "base/logging.h"
#include "deliver/dropped_pairs.h"

namespace tributary::deliver {

using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

// Groups of one lane and partition at a time; the rest a minute later.
constexpr std::size_t kDroppedPrunedMax = 10'000;
// What looking at a partition of a lane costs, in pairs, though it has nothing to prune.
constexpr std::size_t kPairsPerLook = 5;

}  // namespace

void Pruner::Start(os::Executor& loop) {
  loop.At(loop.Now() + kPruneEvery, [weak = weak_from_this(), &loop] {
    const auto self = weak.lock();
    if (self == nullptr || self->stopped_) return;
    self->Post(&Pruner::Begin);
    self->Start(loop);
  });
}

void Pruner::Post(void (Pruner::*step)()) {
  world_.blocking->Post([weak = weak_from_this(), step] {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped_) ((*self).*step)();
  });
}

void Pruner::Begin() {
  if (!items_.empty()) return;  // the pass before is not over
  // Of what was kept some has been settled since; and some lanes are gone.
  if (passes_++ % kWholePruneEvery == 0) looked_at_.clear();
  for (LaneRef& lane : world_.lanes()) items_.push_back({lane.id, std::move(lane.deleted)});
  item_ = 0;
  partition_ = 0;
  Slice();
}

void Pruner::Slice() {
  for (std::size_t left = kPruneSlicePairs; left > 0 && item_ < items_.size();) {
    const auto over = Step(items_[item_], left);
    if (!over) LogWarn("not_pruned", {{"error", over.error().ToString()}});
    if (over && !*over) continue;
    ++item_;
    partition_ = 0;
  }
  if (item_ < items_.size()) {
    Post(&Pruner::Slice);
  } else {
    items_.clear();
  }
}

// True when the lane is done with.
Result<bool> Pruner::Step(const Item& item, std::size_t& left) {
  if (partition_ == world_.log->partitions()) {
    if (item.deleted != nullptr) TRY(PruneDeleted(*item.deleted));
    return true;
  }
  TRY_ASSIGN(const bool all, PruneAttempts(item.lane, left));
  if (!all) return false;
  TRY(PruneDroppedOf(item.lane));
  left -= std::min(left, kPairsPerLook);
  ++partition_;
  return false;
}

// Of the partition, at most of so many pairs as are `left`. True when there are no more.
Result<bool> Pruner::PruneAttempts(LaneId lane, std::size_t& left) {
  log::Offset& from = looked_at_[{lane, partition_}];
  log::Offset end = world_.log->first(partition_);
  if (from >= end) return true;
  store::Batch gone;
  std::optional<log::Offset> last;
  Result<bool> keep = false;
  bool all = true;
  TRY(world_.store->Scan(Family::kOwned, keys::AttemptsAt(lane, {partition_, from}),
                         keys::AttemptsAt(lane, {partition_, end}), false,
                         [&](std::string_view key, std::string_view) {
                           const auto parsed = keys::ParseAttempt(key);
                           if (!parsed) return Visit::kContinue;
                           if (last != parsed->at.offset) {
                             if (left == 0) {
                               end = parsed->at.offset;
                               all = false;
                               return Visit::kStop;
                             }
                             --left;
                             last = parsed->at.offset;
                             keep = Kept(lane, parsed->at);
                             if (!keep) return Visit::kStop;
                           }
                           if (!*keep) gone.Delete(Family::kOwned, std::string(key));
                           return Visit::kContinue;
                         }));
  if (!keep) return std::unexpected(keep.error());
  // Needs no sync of its own: what comes back after a power cut is pruned again.
  if (!gone.empty()) TRY(world_.store->Write(gone, store::Sync::kNo));
  from = end;
  return all;
}

Result<bool> Pruner::Kept(LaneId lane, Position at) const {
  // The last one also of a pair that waits in a batch, which has no row of its own.
  for (const std::string& key :
       {keys::Waiting(lane, at), keys::DeadLetter(lane, at), keys::KeptBody(lane, at)}) {
    TRY_ASSIGN(const auto row, world_.store->Get(Family::kOwned, key));
    if (row) return true;
  }
  return false;
}

Status Pruner::PruneDroppedOf(LaneId lane) {
  TRY_ASSIGN(const store::Batch gone,
             PruneDropped(*world_.store, lane, partition_, world_.log->first(partition_),
                          world_.clock->Now(), kDroppedPrunedMax));
  return gone.empty() ? Status{} : world_.store->Write(gone, store::Sync::kNo);
}

Status Pruner::PruneDeleted(const DeletedLane& lane) {
  if (lane.Reaches(*world_.log)) return {};
  bool any = false;
  TRY(world_.store->ScanPrefix(Family::kOwned, keys::DroppedOf(lane.id()), [&](auto, auto) {
    any = true;
    return Visit::kStop;
  }));
  if (any) return {};
  world_.deleted->Remove(lane.id());
  return world_.store->Write(DeletedLanes::Forget(lane.id()), store::Sync::kNo);
}

}  // namespace tributary::deliver
