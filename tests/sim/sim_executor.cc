#include "sim/sim_executor.h"

namespace tributary::sim {

void SimExecutor::Post(os::Task task) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(task));
}

SimExecutor::TimerId SimExecutor::At(MonoNanos when, os::Task task) {
  const std::lock_guard lock(mutex_);
  const TimerId id = next_id_++;
  timers_.emplace(std::pair(when, id), std::move(task));
  due_.emplace(id, when);
  return id;
}

void SimExecutor::Cancel(TimerId id) {
  const std::lock_guard lock(mutex_);
  const auto due = due_.find(id);
  if (due == due_.end()) return;
  timers_.erase({due->second, id});
  due_.erase(due);
}

MonoNanos SimExecutor::Now() const {
  return scheduler_.clock().Monotonic();
}

bool SimExecutor::TakeReady(os::Task& task) {
  const std::lock_guard lock(mutex_);
  // Timers that are due become posted tasks first, in the order of their times.
  while (!timers_.empty() && timers_.begin()->first.first <= Now()) {
    due_.erase(timers_.begin()->first.second);
    posted_.push_back(std::move(timers_.begin()->second));
    timers_.erase(timers_.begin());
  }
  if (posted_.empty()) return false;
  task = std::move(posted_.front());
  posted_.pop_front();
  return true;
}

SimExecutor& SimScheduler::NewExecutor() {
  executors_.push_back(std::unique_ptr<SimExecutor>(new SimExecutor(*this)));
  return *executors_.back();
}

bool SimScheduler::RunOne() {
  if (executors_.empty()) return false;
  const std::size_t start = random_.Below(executors_.size());
  for (std::size_t i = 0; i < executors_.size(); ++i) {
    os::Task task;
    if (!executors_[(start + i) % executors_.size()]->TakeReady(task)) continue;
    task();
    return true;
  }
  return false;
}

MonoNanos SimScheduler::NextTimer() const {
  MonoNanos next = -1;
  for (const auto& executor : executors_) {
    const std::lock_guard lock(executor->mutex_);
    if (executor->timers_.empty()) continue;
    const MonoNanos due = executor->timers_.begin()->first.first;
    next = next < 0 ? due : std::min(next, due);
  }
  return next;
}

bool SimScheduler::Step() {
  if (RunOne()) return true;
  const MonoNanos next = NextTimer();
  if (next < 0) return false;
  clock_.AdvanceTo(next);
  return RunOne();
}

void SimScheduler::RunReady() {
  while (RunOne()) {
  }
}

void SimScheduler::RunUntil(MonoNanos until) {
  for (;;) {
    RunReady();
    const MonoNanos next = NextTimer();
    if (next < 0 || next > until) break;
    clock_.AdvanceTo(next);
  }
  clock_.AdvanceTo(until);
}

}  // namespace tributary::sim
