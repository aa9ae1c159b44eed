// What waits for the writer: many threads push, the writer takes all of it at once.
//
// Bounded by the bytes that were handed over and are not yet done with, queued or being written,
// so that a slow disk turns into kUnavailable at the door and never into memory.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "log/log.h"

namespace tributary::log {

struct PendingBatch {
  std::unique_ptr<Batch> batch;
  AppendDone done;
};

class CommitQueue {
 public:
  explicit CommitQueue(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // Any thread. As Log::Append: takes the batch only on success.
  Status Push(std::unique_ptr<Batch>& batch, AppendDone done);

  // Writer. Appends everything that waits to `out`.
  void TakeAll(std::vector<PendingBatch>& out);
  // Writer: these bytes of taken batches are durable, or have failed.
  void Finished(std::uint64_t bytes);

  // Any thread. Push refuses with this error until it is taken back. `Refuse` with kExhausted does
  // not overrule a final refusal.
  void Refuse(Error error);
  void RefuseForGood(Error error);
  void AcceptAgain();
  std::optional<Error> refusal() const;

  // Writer. Blocks until something was pushed, Wake() was called, or the time has passed
  // (negative: no limit).
  void Wait(MonoNanos timeout_ns);
  void Wake();

  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<PendingBatch> waiting_;
  std::atomic<std::uint64_t> bytes_{0};
  std::optional<Error> refusal_;
  bool final_ = false;
  bool sleeping_ = false;  // the writer waits: only then is waking it worth a system call
  bool woken_ = false;
};

}  // namespace tributary::log
