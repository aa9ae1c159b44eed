// Points in time and spans. Wall-clock times are microseconds since 1970 UTC (`_us`), spans that
// drive timers are monotonic nanoseconds (`_ns`). The two are different types by name only; the
// clock that makes them is os/clock.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tributary {

using UnixMicros = std::int64_t;  // wall clock, UTC
using MonoNanos = std::int64_t;   // monotonic clock, arbitrary start

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kNanosPerMilli = 1'000'000;
inline constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

// "2026-11-21T09:33:48.440Z": milliseconds, always UTC (what the Segment specification shows).
std::string FormatIso8601(UnixMicros at);
// Same text into a caller's buffer of 24 bytes, for the hot path. Years outside 0..9999 are
// clamped.
inline constexpr std::size_t kIso8601Bytes = 24;
void FormatIso8601(UnixMicros at, char* out);

// ISO 8601 / RFC 3339 as SDKs send it: date only, or date and time ('T' or space) with 0 to 9
// fractional digits and `Z`, `±hh:mm`, `±hhmm`, `±hh` or nothing (taken as UTC). Digits below a
// microsecond are cut. nullopt when it is no such time, or the day does not exist.
std::optional<UnixMicros> ParseIso8601(std::string_view text);

// Spans written by people: "250ms", "5s", "10m", "2h", "7d", and "0". Errors name the text.
Result<MonoNanos> ParseDuration(std::string_view text);
std::string FormatDuration(MonoNanos span);  // the shortest of the same forms

// Sizes written by people: "512", "64KiB", "10GiB", "500KB" (1000s). Errors name the text.
Result<std::uint64_t> ParseBytes(std::string_view text);

}  // namespace tributary
