#include "deliver/committer.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tributary::deliver {

void Committer::Submit(Submission submission) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    lock.unlock();
    return submission.done(Fail(ErrorCode::kUnavailable, "delivery is shutting down"));
  }
  incoming_.push_back(std::move(submission));
  moved_ = true;
  lock.unlock();  // or the committer wakes to find it locked, and sleeps again
  wake_.notify_one();
}

bool Committer::Post(os::Task task) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  tasks_.push_back(std::move(task));
  moved_ = true;
  wake_.notify_one();
  return true;
}

void Committer::Wake() {
  if (verdicts_ == nullptr || !any_held_.load(std::memory_order_acquire)) return;
  const std::uint64_t synced = SyncedInAll();
  if (woken_for_.exchange(synced) == synced) return;  // only decided: nothing held can go
  {
    const std::lock_guard lock(mutex_);
    moved_ = true;
  }
  wake_.notify_one();
}

std::uint64_t Committer::SyncedInAll() const {
  std::uint64_t sum = 0;
  for (log::Partition p = 0; p < partitions_.load(); ++p) sum += verdicts_->synced(p);
  return sum;
}

void Committer::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  moved_ = true;
  wake_.notify_all();
}

bool Committer::WaitForWork() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return moved_ || closed_; });
  return !closed_ || moved_ || !incoming_.empty() || !tasks_.empty() || !held_.empty();
}

bool Committer::GateOpen(const Submission& submission) const {
  if (verdicts_ == nullptr) return true;
  for (log::Partition p = 0; p < submission.high.size(); ++p) {
    if (verdicts_->synced(p) < submission.high[p]) return false;
  }
  return true;
}

std::vector<Committer::Submission> Committer::TakeReady() {
  const auto shut = std::ranges::stable_partition(
      held_, [&](const Submission& submission) { return GateOpen(submission); });
  std::vector<Submission> ready(std::make_move_iterator(held_.begin()),
                                std::make_move_iterator(shut.begin()));
  held_.erase(held_.begin(), shut.begin());
  return ready;
}

void Committer::WriteAll(std::vector<Submission> ready) {
  store::Batch all;
  for (Submission& submission : ready) all.Append(std::move(submission.batch));
  const Status written = all.empty() ? Status{} : store_.Write(all, store::Sync::kYes);
  for (Submission& submission : ready) submission.done(written);
}

bool Committer::Step() {
  std::vector<os::Task> tasks;
  bool closed = false;
  // Announced before the gate is looked at, so that verdicts that move in between wake us.
  any_held_.store(true, std::memory_order_release);
  {
    const std::lock_guard lock(mutex_);
    moved_ = false;
    closed = closed_;
    tasks.swap(tasks_);
    std::ranges::move(incoming_, std::back_inserter(held_));
    incoming_.clear();
  }
  for (os::Task& task : tasks) task();
  for (const Submission& submission : held_) {
    const auto partitions = static_cast<log::Partition>(submission.high.size());
    if (partitions > partitions_.load()) partitions_.store(partitions);
  }
  std::vector<Submission> ready = TakeReady();
  const bool worked = !tasks.empty() || !ready.empty();
  if (!ready.empty()) WriteAll(std::move(ready));
  any_held_.store(!held_.empty(), std::memory_order_release);
  if (closed) {
    for (Submission& submission : std::exchange(held_, {})) {
      submission.done(Fail(ErrorCode::kUnavailable, "delivery is shutting down"));
    }
  } else if (!held_.empty()) {
    verdicts_->RequestSync();
  }
  return worked;
}

}  // namespace tributary::deliver
