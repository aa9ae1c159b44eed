// An executor that runs only when the test says so, on the test's thread, with a clock of its own.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "os/executor.h"

namespace tributary::test {

class ManualExecutor final : public os::Executor {
 public:
  void Post(os::Task task) override {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(task));
  }
  TimerId At(MonoNanos when, os::Task task) override {
    timers_.emplace(std::pair(when, ++last_id_), std::move(task));
    return last_id_;
  }
  void Cancel(TimerId id) override {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  MonoNanos Now() const override { return now_; }

  // Runs what was posted, and what that posts, until nothing is left. How many tasks ran.
  std::size_t Run() {
    std::size_t ran = 0;
    for (;; ++ran) {
      os::Task task;
      {
        const std::scoped_lock lock(mutex_);
        if (posted_.empty()) return ran;
        task = std::move(posted_.front());
        posted_.pop_front();
      }
      task();
    }
  }
  // Moves the clock on; timers that fall due run in order, each followed by what it posts.
  void Advance(MonoNanos by) {
    const MonoNanos until = now_ + by;
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      auto node = timers_.extract(timers_.begin());
      now_ = std::max(now_, node.key().first);
      node.mapped()();
      Run();
    }
    now_ = until;
  }
  std::size_t waiting() const {
    const std::scoped_lock lock(mutex_);
    return posted_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::deque<os::Task> posted_;
  std::map<std::pair<MonoNanos, TimerId>, os::Task> timers_;
  TimerId last_id_ = 0;
  MonoNanos now_ = 1;
};

}  // namespace tributary::test
