// A wait that ends early: when somebody has news, or for good.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/time.h"

namespace tributary::app {

class Pause {
 public:
  // Returns false once Stop() was called; true after `span` or Wake().
  bool Wait(MonoNanos span) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(span), [this] { return awake_ || stopped_; });
    awake_ = false;
    return !stopped_;
  }
  void Wake() {
    const std::scoped_lock lock(mutex_);
    awake_ = true;
    changed_.notify_all();
  }
  void Stop() {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool awake_ = false;
  bool stopped_ = false;
};

}  // namespace tributary::app
