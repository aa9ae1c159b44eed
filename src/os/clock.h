// The two clocks. Wall time is for stamps people see; every timer uses the monotonic clock, so that
// a jump of the wall clock neither stops nor stampedes retries.
#pragma once

#include "base/time.h"

namespace tributary::os {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixMicros Now() const = 0;
  virtual MonoNanos Monotonic() const = 0;
};

// The machine's clocks. Thread-safe, lives for ever.
Clock& SystemClock();

}  // namespace tributary::os
