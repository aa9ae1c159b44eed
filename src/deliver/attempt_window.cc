#include "deliver/attempt_window.h"

#include <algorithm>
#include <cmath>

namespace tributary::deliver {
namespace {

constexpr MonoNanos kMinute = 60 * kNanosPerSecond;
constexpr double kSmallestNanos = 16'000;
constexpr double kPerDoubling = 4;

}  // namespace

std::size_t AttemptWindow::BucketOf(MonoNanos duration) {
  const double times = static_cast<double>(duration) / kSmallestNanos;
  if (times <= 1) return 0;
  const auto bucket = static_cast<std::size_t>(std::ceil(std::log2(times) * kPerDoubling));
  return std::min(bucket, kBuckets - 1);
}

double AttemptWindow::UpperMillis(std::size_t bucket) {
  return kSmallestNanos * std::exp2(static_cast<double>(bucket) / kPerDoubling) /
         static_cast<double>(kNanosPerMilli);
}

void AttemptWindow::Record(bool success, MonoNanos duration, MonoNanos now) {
  const std::size_t bucket = BucketOf(duration);
  const std::int64_t number = now / kMinute;
  const std::lock_guard lock(mutex_);
  Minute& minute = minutes_[static_cast<std::size_t>(number) % kMinutes];
  if (minute.number != number) minute = {.number = number};
  ++minute.attempts;
  if (success) ++minute.successes;
  ++minute.buckets[bucket];
}

AttemptWindow::Summary AttemptWindow::Read(MonoNanos now) const {
  const std::int64_t oldest = now / kMinute - static_cast<std::int64_t>(kMinutes);
  std::array<std::uint64_t, kBuckets> buckets{};
  std::uint64_t attempts = 0;
  std::uint64_t successes = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const Minute& minute : minutes_) {
      if (minute.number <= oldest) continue;
      attempts += minute.attempts;
      successes += minute.successes;
      for (std::size_t i = 0; i < kBuckets; ++i) buckets[i] += minute.buckets[i];
    }
  }
  if (attempts == 0) return {};
  const auto quantile = [&](double q) {
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(attempts)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets[i];
      if (seen >= rank) return UpperMillis(i);
    }
    return UpperMillis(kBuckets - 1);
  };
  return {.success_rate = static_cast<double>(successes) / static_cast<double>(attempts),
          .p50_ms = quantile(0.5),
          .p95_ms = quantile(0.95)};
}

}  // namespace tributary::deliver
