#include "event/times.h"

namespace tributary::event {
namespace {

// Down to the millisecond that the payload shows, so that header and payload say the same.
UnixMicros WholeMillis(UnixMicros at) {
  constexpr std::int64_t kMicrosPerMilli = 1000;
  const std::int64_t rest = at % kMicrosPerMilli;
  return at - rest - (rest < 0 ? kMicrosPerMilli : 0);
}

UnixMicros Uncut(const SentTimes& times) {
  if (times.timestamp_us && times.original_us) return *times.timestamp_us;
  const auto original = times.original_us ? times.original_us : times.timestamp_us;
  if (!original) return times.received_us;
  if (!times.sent_us) return *original;
  return times.received_us - (*times.sent_us - *original);
}

}  // namespace

UnixMicros CorrectedTime(const SentTimes& times) {
  const UnixMicros at = Uncut(times);
  const bool absurd = at < kOldestEventTimeUs || at > times.received_us + kFutureSlackUs;
  return WholeMillis(absurd ? times.received_us : at);
}

}  // namespace tributary::event
