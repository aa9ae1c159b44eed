// The batches of a lane that were composed and have not ended: fresh ones that wait for room in the
// window, and those that wait for their next attempt. Each is one durable row (StoredBatch) for all
// its members. Not thread-safe.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "deliver/stored.h"
#include "deliver/waiting_rows.h"

namespace tributary::deliver {

class BatchRows {
 public:
  struct Batch {
    StoredBatch stored;
    WaitingRows::Times times;
    std::string body;  // of the first attempt, while that is to come; later ones make it anew
    bool in_flight = false;
    bool fresh() const { return stored.attempts == stored.base; }
  };
  // A batch whose row is not durable yet must not be sent: it is armed when it is.
  void Put(Batch batch);
  void Arm(BatchId id);
  // Another attempt later: due from then on.
  void PutBack(BatchId id, const StoredBatch& stored, WaitingRows::Times times);
  void Erase(BatchId id);
  Batch* Find(BatchId id);
  const Batch* Find(BatchId id) const;
  // The next to send; it is in flight from then on.
  std::optional<BatchId> TakeFresh();
  std::optional<BatchId> TakeDue(MonoNanos now);
  std::optional<MonoNanos> NextDue();
  const std::map<BatchId, Batch>& all() const { return batches_; }
  // Members of batches that have failed at least once.
  std::size_t retrying() const { return retrying_; }
  // Which batch waits until this one has ended (StoredBatch::after); 0: none.
  BatchId NextAfter(BatchId id) const;
  void SetAfter(BatchId id, BatchId after);
  // Bodies are made anew: the mapping has changed.
  void ForgetBodies();

 private:
  struct Due {
    MonoNanos when;
    BatchId id;
    bool operator>(const Due& other) const {
      return when != other.when ? when > other.when : id > other.id;
    }
  };
  void Count(const Batch& batch, bool more);
  void DropStale();

  std::map<BatchId, Batch> batches_;
  std::map<BatchId, BatchId> next_after_;
  std::size_t retrying_ = 0;
  std::deque<BatchId> fresh_;
  std::vector<Due> due_;  // a heap; an entry whose batch is gone, or due at another time, is stale
};

}  // namespace tributary::deliver
