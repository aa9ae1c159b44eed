// Stops calling a destination that only fails. Opens at ≥ 20 attempts in 10 s of which ≥ 90 %
// failed; after 1 s one attempt is let through (half-open): success closes it, failure opens it
// again for twice as long, up to 30 s. A failure is one that would be retried: a receiver that
// refuses events for good is alive.
//
// Times are monotonic nanoseconds given by the caller. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace tributary::deliver {

inline constexpr std::uint32_t kBreakerAttemptsMin = 20;
inline constexpr std::uint32_t kBreakerFailedPercent = 90;
inline constexpr MonoNanos kBreakerWindow = 10 * kNanosPerSecond;
inline constexpr MonoNanos kBreakerOpenMin = 1 * kNanosPerSecond;
inline constexpr MonoNanos kBreakerOpenMax = 30 * kNanosPerSecond;

class Breaker {
 public:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };

  // How many attempts may be in flight now, given the configured window: all, one, or none.
  std::size_t Allows(std::size_t window, MonoNanos now);
  // Of every attempt that ended. True when this one changed the state.
  bool Record(bool failed, MonoNanos now);
  // When Allows() will be more than none; 0 when it is now.
  MonoNanos opens_until() const { return state_ == State::kOpen ? open_until_ : 0; }
  State state() const { return state_; }

 private:
  struct Second {
    std::int64_t number = -1;
    std::uint32_t attempts = 0;
    std::uint32_t failed = 0;
  };
  bool TooManyFailed(MonoNanos now) const;
  void Open(MonoNanos now);

  State state_ = State::kClosed;
  MonoNanos open_until_ = 0;
  MonoNanos open_for_ = kBreakerOpenMin;
  std::array<Second, kBreakerWindow / kNanosPerSecond> seconds_;
};

std::string_view BreakerStateName(Breaker::State state);

}  // namespace tributary::deliver
