// Success rate and latency of the attempts of the last ten minutes, minute by minute.
// Thread-safe: the lane records, anybody reads; one short lock.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

#include "base/time.h"

namespace tributary::deliver {

class AttemptWindow {
 public:
  void Record(bool success, MonoNanos duration, MonoNanos now);
  struct Summary {
    double success_rate = 1;  // 1 when there was none
    double p50_ms = 0;
    double p95_ms = 0;
  };
  Summary Read(MonoNanos now) const;

 private:
  // Four buckets per doubling from 16 µs to 2 min: quantiles are at most 19 % off.
  static constexpr std::size_t kBuckets = 96;
  static constexpr std::size_t kMinutes = 10;
  static std::size_t BucketOf(MonoNanos duration);
  static double UpperMillis(std::size_t bucket);

  struct Minute {
    std::int64_t number = -1;
    std::uint64_t successes = 0;
    std::uint64_t attempts = 0;
    std::array<std::uint32_t, kBuckets> buckets{};
  };
  mutable std::mutex mutex_;
  std::array<Minute, kMinutes> minutes_;
};

}  // namespace tributary::deliver
