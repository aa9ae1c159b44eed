// Gives memory back when the program rests: what start-up and bursts of work have freed stays with
// the allocator otherwise, and would be counted as ours for as long as we run.
//
// Never while there is work, and never for little: pages given back cost a fault each when they are
// wanted again. One thread (maintenance).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/time.h"

namespace tributary::app {

class RestTrim {
 public:
  // So long without work is a rest.
  static constexpr MonoNanos kRest = kNanosPerSecond;
  // After the first time: what must have come on top of what was left then.
  static constexpr std::uint64_t kGrownBytes = 1ULL << 20;

  struct World {
    std::function<std::uint64_t()> resident_bytes;
    std::function<void()> after_start;  // once, at the first rest
    std::function<void()> trim;
  };
  explicit RestTrim(World world) : world_(std::move(world)) {}

  // Each round of maintenance, with whether there was work since the last one.
  void Round(bool work, MonoNanos now) {
    if (work || !resting_since_) {
      resting_since_ = now;
      done_ = work ? false : done_;
      return;
    }
    if (done_ || now - *resting_since_ < kRest) return;
    done_ = true;
    if (!left_) {
      world_.after_start();
    } else if (world_.resident_bytes() < *left_ + kGrownBytes) {
      return;
    }
    world_.trim();
    left_ = world_.resident_bytes();
  }

 private:
  const World world_;
  std::optional<MonoNanos> resting_since_;
  bool done_ = false;                  // in this rest
  std::optional<std::uint64_t> left_;  // resident after the last time
};

}  // namespace tributary::app
