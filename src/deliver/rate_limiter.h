// At most so many attempts per second, evenly spread, with a burst of a tenth of a second's worth
// (at least one). The generic cell rate algorithm: one number of state. Not thread-safe.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace tributary::deliver {

class RateLimiter {
 public:
  explicit RateLimiter(double per_second = 0)  // 0: no limit
      : spacing_(per_second > 0
                     ? std::max<MonoNanos>(static_cast<MonoNanos>(kNanosPerSecond / per_second), 1)
                     : 0),
        slack_(std::max<MonoNanos>(kNanosPerSecond / 10 - spacing_, 0)) {}

  // When the next attempt may begin; at or before `now` when at once.
  MonoNanos NextAt(MonoNanos now) const { return spacing_ == 0 ? now : next_ - slack_; }
  void Take(MonoNanos now) {
    if (spacing_ != 0) next_ = std::max(next_, now) + spacing_;
  }
  // The attempt was not made after all.
  void GiveBack() { next_ -= spacing_; }

 private:
  MonoNanos spacing_;
  MonoNanos slack_;
  MonoNanos next_ = 0;
};

}  // namespace tributary::deliver
