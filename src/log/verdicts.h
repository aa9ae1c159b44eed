// What the dedupe stage tells those who read after it: lanes, processors, the lake.
//
// decided() is how far the verdicts are known (in memory); a reader may act on those at once. Its
// *durable* cursor must not pass synced(): after a crash a verdict that was only in memory could
// come out the other way. RequestSync asks for the rest to be made durable soon (≤ 50 ms).
// Threads: all calls from any thread; listeners are called on the dedupe thread and must only wake.
#pragma once

#include <functional>
#include <vector>

#include "log/record.h"

namespace tributary::log {

class Verdicts {
 public:
  virtual ~Verdicts() = default;
  virtual Offset decided(Partition partition) const = 0;
  virtual Offset synced(Partition partition) const = 0;
  // True for an event that repeats an earlier one. Only for offsets below decided(). Records whose
  // verdict went with its segment (retention) count as no duplicate.
  virtual bool IsDuplicate(Partition partition, Offset offset) const = 0;
  // Bit i: IsDuplicate(first + i), for [first, end); one lock for a whole window.
  virtual std::vector<bool> Duplicates(Partition partition, Offset first, Offset end) const = 0;
  virtual void RequestSync() = 0;
  using Listener = std::function<void()>;  // decided() or synced() moved
  virtual void OnProgress(Listener listener) = 0;
};

}  // namespace tributary::log
