// When to try again. Entry k is the wait before attempt k+1, so the first entry is the wait before
// the first attempt, and a schedule of n entries allows n attempts.
//
// Waits are spread by ±20 %, so that what failed together does not come back together. A receiver
// that says when (Retry-After) is obeyed, never earlier, at most 0.9 s later. One that says "at
// once" still waits the schedule's own step, of a long one about 0.75 s, or it would have the whole
// schedule used up in a moment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "os/random.h"

namespace tributary::deliver {

inline constexpr double kRetryJitter = 0.2;
inline constexpr MonoNanos kRetryAfterSpread = 900 * kNanosPerMilli;
inline constexpr MonoNanos kRetryAfterLeast = 750 * kNanosPerMilli;  // ±20 %: within the spread

// Standard Webhooks' example: 75 h 35 min 5 s in all.
std::vector<MonoNanos> StandardSchedule();

// "gave up after 3 attempts": how the reason of a dead letter says it.
std::string GaveUpAfter(std::uint32_t attempts);

class RetrySchedule {
 public:
  explicit RetrySchedule(std::vector<MonoNanos> waits) : waits_(std::move(waits)) {}
  std::size_t attempts() const { return waits_.size(); }
  // How long to wait after `made` attempts; nullopt when that was the last one.
  std::optional<MonoNanos> WaitAfter(std::uint32_t made, std::optional<MonoNanos> retry_after,
                                     os::Random& random) const;
  // No wait is longer than this.
  MonoNanos longest() const;

 private:
  std::vector<MonoNanos> waits_;
};

}  // namespace tributary::deliver
