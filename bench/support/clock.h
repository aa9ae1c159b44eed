#pragma once

// Time for measuring (monotonic, nanoseconds) and for stamping events (wall clock, ISO 8601).

#include <ctime>

#include <cstdint>
#include <cstdio>
#include <string_view>

namespace tributary::bench {

constexpr int64_t kNsPerSecond = 1'000'000'000;

inline int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

// Writes the wall clock as `2026-11-21T09:33:48.440Z`; formats only when the millisecond changed,
// because a generator stamps 100,000 events in a second.
class WallStamp {
 public:
  static constexpr size_t kBytes = 24;

  std::string_view Now() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t now_ms = now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
    if (now_ms != text_is_of_ms_) Format(now_ms);
    return {text_, kBytes};
  }

 private:
  void Format(int64_t now_ms) {
    text_is_of_ms_ = now_ms;
    const time_t seconds = now_ms / 1000;
    tm utc{};
    gmtime_r(&seconds, &utc);
    char date[32];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(text_, sizeof text_, "%.19s.%03uZ", date, static_cast<unsigned>(now_ms % 1000));
  }

  int64_t text_is_of_ms_ = -1;
  char text_[32] = {};
};

}  // namespace tributary::bench
