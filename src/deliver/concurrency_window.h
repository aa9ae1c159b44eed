// How many requests may be in flight: the configured number, and fewer after a receiver has said
// that it is overloaded (429, 503). Halved at each such answer, at most once per request's life,
// since what was under way already says nothing new; then one more per window of successes. Never
// below one, never above the configured number (Chiu and Jain, 1989, says why additive increase and
// multiplicative decrease share fairly). Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/time.h"

namespace tributary::deliver {

class ConcurrencyWindow {
 public:
  explicit ConcurrencyWindow(std::size_t most = 1) : most_(static_cast<double>(most)) {}

  std::size_t size() const { return static_cast<std::size_t>(size_ < most_ ? size_ : most_); }
  // The request that was answered so began at `began`.
  void OnOverload(MonoNanos began, MonoNanos now) {
    if (began < shrunk_at_) return;
    shrunk_at_ = now;
    size_ = std::max(static_cast<double>(size()) / 2, 1.0);
  }
  void OnSuccess() {
    if (size_ < most_) size_ += 1 / size_;
  }

 private:
  static constexpr double kFull = 1e9;
  double most_;
  double size_ = kFull;
  MonoNanos shrunk_at_ = 0;
};

// Statuses that say "less, please".
inline bool IsOverload(int status) {
  return status == 429 || status == 503;
}

}  // namespace tributary::deliver
