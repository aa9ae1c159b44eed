// What outlived its events goes: attempts of settled pairs are kept as long as the log has their
// event, for whoever asks what happened. Rows that still wait, and dead letters, keep theirs.
// Dropped pairs are remembered longer than their events (dropped_pairs.h), and a deleted
// destination as long as there is something to tell of it.
//
// Once a minute all lanes are gone through, in slices: between two of them the executor, whose
// thread other work waits for, does what it was asked for meanwhile. A pass looks at what has come
// since the one before it; what was kept then is looked at again every kWholePruneEvery passes.
//
// Threads: Start() on the loop it is given, Stop() any; everything else happens on `blocking`.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "deliver/dead_letter_moves.h"
#include "deliver/deleted_lane.h"
#include "log/log.h"
#include "os/clock.h"
#include "os/executor.h"
#include "store/store.h"

namespace tributary::deliver {

inline constexpr MonoNanos kPruneEvery = 60 * kNanosPerSecond;
inline constexpr std::size_t kWholePruneEvery = 60;
// Pairs that a slice looks at, each with at most kAttemptsKept rows.
inline constexpr std::size_t kPruneSlicePairs = 500;

struct PrunerWorld {
  store::Store* store = nullptr;
  log::Log* log = nullptr;
  os::Clock* clock = nullptr;
  os::Executor* blocking = nullptr;
  DeletedLanes* deleted = nullptr;
  std::function<std::vector<LaneRef>()> lanes;  // deleted ones too
};

class Pruner : public std::enable_shared_from_this<Pruner> {
 public:
  explicit Pruner(PrunerWorld world) : world_(std::move(world)) {}
  void Start(os::Executor& loop);
  // A pass that is under way ends with its slice.
  void Stop() { stopped_ = true; }

 private:
  // No lane itself: it must end on its loop, and a pass may be long.
  struct Item {
    LaneId lane = 0;
    std::shared_ptr<const DeletedLane> deleted;
  };
  void Begin();
  void Post(void (Pruner::*step)());
  void Slice();
  Result<bool> Step(const Item& item, std::size_t& left);
  Result<bool> PruneAttempts(LaneId lane, std::size_t& left);
  Result<bool> Kept(LaneId lane, Position at) const;
  Status PruneDroppedOf(LaneId lane);
  Status PruneDeleted(const DeletedLane& lane);

  const PrunerWorld world_;
  std::atomic<bool> stopped_{false};
  std::size_t passes_ = 0;
  // The pass under way: what is left of it begins here.
  std::vector<Item> items_;
  std::size_t item_ = 0;
  log::Partition partition_ = 0;
  // Attempts below were looked at since the last whole pass, and those left were to be kept.
  std::map<std::pair<LaneId, log::Partition>, log::Offset> looked_at_;
};

}  // namespace tributary::deliver
