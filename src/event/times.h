// When did it happen? The rules of collection-api.md section 9, "Times"; a pure function.
#pragma once

#include <optional>

#include "base/time.h"

namespace tributary::event {

// A result outside of these is not a time an event can have had (a clock that was never set, a
// spoofed one, a zero date): the time of receipt is taken instead.
inline constexpr UnixMicros kOldestEventTimeUs = 0;  // 1970-01-01
inline constexpr std::int64_t kFutureSlackUs = 24LL * 3600 * kMicrosPerSecond;

struct SentTimes {
  std::optional<UnixMicros> timestamp_us;  // what the client calls `timestamp`
  std::optional<UnixMicros> original_us;   // `originalTimestamp`, as RudderStack's SDKs send
  std::optional<UnixMicros> sent_us;       // `sentAt` of the event, else of its batch
  UnixMicros received_us = 0;
};

// timestamp = receivedAt − (sentAt − originalTimestamp), whole milliseconds. Where the client sends
// both `timestamp` and `originalTimestamp`, somebody corrected it before us: it is kept. Without
// `sentAt` the original time counts as it is; without any time, the time of receipt.
UnixMicros CorrectedTime(const SentTimes& times);

}  // namespace tributary::event
