#include "deliver/breaker.h"

#include <algorithm>

namespace tributary::deliver {

std::string_view BreakerStateName(Breaker::State state) {
  switch (state) {
    case Breaker::State::kClosed:
      return "closed";
    case Breaker::State::kOpen:
      return "open";
    case Breaker::State::kHalfOpen:
      return "half_open";
  }
  return "closed";
}

std::size_t Breaker::Allows(std::size_t window, MonoNanos now) {
  if (state_ == State::kOpen && now >= open_until_) state_ = State::kHalfOpen;
  switch (state_) {
    case State::kClosed:
      return window;
    case State::kOpen:
      return 0;
    case State::kHalfOpen:
      return std::min<std::size_t>(window, 1);
  }
  return 0;
}

bool Breaker::Record(bool failed, MonoNanos now) {
  const std::int64_t number = now / kNanosPerSecond;
  Second& second = seconds_[static_cast<std::size_t>(number) % seconds_.size()];
  if (second.number != number) second = {.number = number};
  ++second.attempts;
  if (failed) ++second.failed;

  switch (state_) {
    case State::kClosed:
      if (!failed || !TooManyFailed(now)) return false;
      open_for_ = kBreakerOpenMin;
      Open(now);
      return true;
    case State::kOpen:
      return false;  // it was under way when the breaker opened
    case State::kHalfOpen:
      if (failed) {
        open_for_ = std::min(open_for_ * 2, kBreakerOpenMax);
        Open(now);
      } else {
        state_ = State::kClosed;
        seconds_.fill({});  // what failed before it healed must not open it again
      }
      return true;
  }
  return false;
}

bool Breaker::TooManyFailed(MonoNanos now) const {
  const std::int64_t oldest = now / kNanosPerSecond - static_cast<std::int64_t>(seconds_.size());
  std::uint64_t attempts = 0;
  std::uint64_t failed = 0;
  for (const Second& second : seconds_) {
    if (second.number <= oldest) continue;
    attempts += second.attempts;
    failed += second.failed;
  }
  return attempts >= kBreakerAttemptsMin && failed * 100 >= attempts * kBreakerFailedPercent;
}

void Breaker::Open(MonoNanos now) {
  state_ = State::kOpen;
  open_until_ = now + open_for_;
}

}  // namespace tributary::deliver
