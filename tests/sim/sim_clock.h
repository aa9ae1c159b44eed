// Time that passes when the test says so. Thread-safe.
#pragma once

#include <atomic>

#include "os/clock.h"

namespace tributary::sim {

class SimClock final : public os::Clock {
 public:
  static constexpr UnixMicros kStart = 1'790'000'000LL * kMicrosPerSecond;

  UnixMicros Now() const override { return wall_offset_us_.load() + Monotonic() / 1'000; }
  MonoNanos Monotonic() const override { return now_ns_.load(); }

  void Advance(MonoNanos by_ns) { now_ns_ += by_ns; }
  // To a later point; an earlier one changes nothing.
  void AdvanceTo(MonoNanos when_ns) {
    if (when_ns > now_ns_.load()) now_ns_.store(when_ns);
  }
  // A jump of the wall clock alone.
  void JumpWall(UnixMicros by_us) { wall_offset_us_ += by_us; }

 private:
  std::atomic<MonoNanos> now_ns_{kNanosPerSecond};
  std::atomic<UnixMicros> wall_offset_us_{kStart};
};

}  // namespace tributary::sim
