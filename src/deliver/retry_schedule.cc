#include "deliver/retry_schedule.h"

#include <algorithm>

#include "deliver/outcome.h"

namespace tributary::deliver {
namespace {

MonoNanos Scaled(MonoNanos span, double factor) {
  return static_cast<MonoNanos>(static_cast<double>(span) * factor);
}

}  // namespace

std::vector<MonoNanos> StandardSchedule() {
  constexpr MonoNanos kSecond = kNanosPerSecond;
  constexpr MonoNanos kMinute = 60 * kSecond;
  constexpr MonoNanos kHour = 60 * kMinute;
  return {0,         5 * kSecond, 5 * kMinute, 30 * kMinute, 2 * kHour,
          5 * kHour, 10 * kHour,  14 * kHour,  20 * kHour,   24 * kHour};
}

std::string GaveUpAfter(std::uint32_t attempts) {
  return "gave up after " + std::to_string(attempts) + (attempts == 1 ? " attempt" : " attempts");
}

std::optional<MonoNanos> RetrySchedule::WaitAfter(std::uint32_t made,
                                                  std::optional<MonoNanos> retry_after,
                                                  os::Random& random) const {
  if (made >= waits_.size()) return std::nullopt;
  const double share = 1 - kRetryJitter + 2 * kRetryJitter * random.NextUnit();
  if (!retry_after) return Scaled(waits_[made], share);
  const MonoNanos asked = std::clamp<MonoNanos>(*retry_after, 0, kRetryAfterMax);
  const MonoNanos spread = std::min(Scaled(asked, kRetryJitter), kRetryAfterSpread);
  const MonoNanos least = Scaled(std::min(waits_[made], kRetryAfterLeast), share);
  return std::max(asked + Scaled(spread, random.NextUnit()), least);
}

MonoNanos RetrySchedule::longest() const {
  const auto top = std::ranges::max_element(waits_);
  const MonoNanos wait = top == waits_.end() ? 0 : Scaled(*top, 1 + kRetryJitter);
  return std::max(wait, kRetryAfterMax + kRetryAfterSpread);
}

}  // namespace tributary::deliver
