#include "deliver/breaker.h"

#include <gtest/gtest.h>

#include "deliver/rate_limiter.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

void Fail(Breaker& breaker, int times, MonoNanos now) {
  for (int i = 0; i < times; ++i) breaker.Record(true, now);
}

TEST(Breaker, OpensAtTwentyAttemptsOfWhichNinetyPercentFailed) {
  Breaker nineteen;
  Fail(nineteen, 19, 100 * kS);
  EXPECT_EQ(nineteen.Allows(16, 100 * kS), 16U);
  Fail(nineteen, 1, 100 * kS);
  EXPECT_EQ(nineteen.Allows(16, 100 * kS), 0U);

  Breaker mixed;  // 17 of 20 is 85 %
  for (int i = 0; i < 3; ++i) mixed.Record(false, 100 * kS);
  Fail(mixed, 17, 100 * kS);
  EXPECT_EQ(mixed.state(), Breaker::State::kClosed);
  Fail(mixed, 10, 100 * kS);  // 27 of 30
  EXPECT_EQ(mixed.state(), Breaker::State::kOpen);
}

TEST(Breaker, FailuresOfMoreThanTenSecondsAgoDoNotCount) {
  Breaker breaker;
  Fail(breaker, 19, 100 * kS);
  Fail(breaker, 10, 110 * kS);
  EXPECT_EQ(breaker.state(), Breaker::State::kClosed);
}

TEST(Breaker, HalfOpenLetsOneThroughAndDoublesItsWaitUpToThirtySeconds) {
  Breaker breaker;
  MonoNanos now = 100 * kS;
  Fail(breaker, 20, now);
  for (const int seconds : {1, 2, 4, 8, 16, 30, 30}) {
    EXPECT_EQ(breaker.Allows(16, now + seconds * kS - 1), 0U) << seconds;
    now += seconds * kS;
    EXPECT_EQ(breaker.Allows(16, now), 1U) << seconds;
    EXPECT_TRUE(breaker.Record(true, now));
  }
  now += 30 * kS;
  EXPECT_EQ(breaker.Allows(16, now), 1U);
  EXPECT_TRUE(breaker.Record(false, now));
  EXPECT_EQ(breaker.Allows(16, now), 16U);
  // A single failure after healing does not open it again.
  EXPECT_FALSE(breaker.Record(true, now));
  EXPECT_EQ(breaker.state(), Breaker::State::kClosed);
}

TEST(RateLimiter, HoldsTheRateAndBoundsTheBurst) {
  RateLimiter limiter(100);
  MonoNanos now = 5 * kS;
  int sent = 0;
  const auto send_all = [&] {
    while (limiter.NextAt(now) <= now) {
      limiter.Take(now);
      ++sent;
    }
  };
  send_all();
  EXPECT_LE(sent, 11);  // a tenth of a second's worth
  for (int ms = 0; ms < 10'000; ++ms) {
    now += kNanosPerMilli;
    send_all();
  }
  EXPECT_NEAR(sent, 1'000, 12);
}

TEST(RateLimiter, ZeroIsNoLimitAndSlowRatesHaveNoBurst) {
  RateLimiter none(0);
  EXPECT_LE(none.NextAt(7), 7);
  RateLimiter slow(0.5);
  slow.Take(kS);
  EXPECT_EQ(slow.NextAt(kS), 3 * kS);
}

}  // namespace
}  // namespace tributary::deliver
