#include "log/commit_queue.h"

#include <chrono>

namespace tributary::log {

Status CommitQueue::Push(std::unique_ptr<Batch>& batch, AppendDone done) {
  if (batch == nullptr || batch->empty()) return Fail(ErrorCode::kInvalid, "the batch is empty");
  const std::uint64_t bytes = batch->bytes();
  if (bytes > bytes_max_) {
    return Fail(ErrorCode::kTooLarge, "the batch has " + std::to_string(bytes) +
                                          " bytes, the log's queue holds " +
                                          std::to_string(bytes_max_));
  }
  std::unique_lock lock(mutex_);
  if (refusal_) return Fail(*refusal_);
  if (bytes_.load(std::memory_order_relaxed) + bytes > bytes_max_) {
    return Fail(ErrorCode::kUnavailable, "the log's writer is behind");
  }
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  waiting_.push_back({std::move(batch), std::move(done)});
  const bool sleeping = sleeping_;
  lock.unlock();  // or the writer wakes to find it locked, and sleeps again
  if (sleeping) wake_.notify_one();
  return {};
}

void CommitQueue::TakeAll(std::vector<PendingBatch>& out) {
  const std::lock_guard lock(mutex_);
  if (out.empty()) {
    out.swap(waiting_);  // keeps the capacity of both going round
    return;
  }
  std::ranges::move(waiting_, std::back_inserter(out));
  waiting_.clear();
}

void CommitQueue::Finished(std::uint64_t bytes) {
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

void CommitQueue::Refuse(Error error) {
  const std::lock_guard lock(mutex_);
  if (!final_) refusal_ = std::move(error);
}

void CommitQueue::RefuseForGood(Error error) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(error);
  final_ = true;
}

void CommitQueue::AcceptAgain() {
  const std::lock_guard lock(mutex_);
  if (!final_) refusal_.reset();
}

std::optional<Error> CommitQueue::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

void CommitQueue::Wait(MonoNanos timeout_ns) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return !waiting_.empty() || woken_; };
  sleeping_ = true;
  if (timeout_ns < 0) {
    wake_.wait(lock, ready);
  } else {
    wake_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), ready);
  }
  sleeping_ = false;
  woken_ = false;
}

void CommitQueue::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

}  // namespace tributary::log
