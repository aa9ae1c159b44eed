#include "os/clock.h"

#include <ctime>

namespace tributary::os {
namespace {

std::int64_t Nanos(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * kNanosPerSecond + t.tv_nsec;
}

class PosixClock final : public Clock {
 public:
  UnixMicros Now() const override { return Nanos(CLOCK_REALTIME) / 1000; }
  MonoNanos Monotonic() const override { return Nanos(CLOCK_MONOTONIC); }
};

}  // namespace

Clock& SystemClock() {
  static PosixClock clock;
  return clock;
}

}  // namespace tributary::os
