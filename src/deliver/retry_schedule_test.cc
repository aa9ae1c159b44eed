#include "deliver/retry_schedule.h"

#include <gtest/gtest.h>

#include <array>

#include "deliver/outcome.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

TEST(RetrySchedule, StandardScheduleIsTheOneOfTheSpecification) {
  MonoNanos all = 0;
  for (const MonoNanos wait : StandardSchedule()) all += wait;
  EXPECT_EQ(all, (75 * 3600 + 35 * 60 + 5) * kS);
  EXPECT_EQ(StandardSchedule().size(), 10U);
}

TEST(RetrySchedule, EndsAfterAsManyAttemptsAsEntries) {
  SeededRandom random(1);
  const RetrySchedule schedule({0, kS});
  EXPECT_TRUE(schedule.WaitAfter(1, std::nullopt, random).has_value());
  EXPECT_FALSE(schedule.WaitAfter(2, std::nullopt, random).has_value());
  // Nor does a receiver that says when get another one.
  EXPECT_FALSE(schedule.WaitAfter(2, kS, random).has_value());
}

TEST(RetrySchedule, OneAttemptIsNotSeveral) {
  EXPECT_EQ(GaveUpAfter(1), "gave up after 1 attempt");
  EXPECT_EQ(GaveUpAfter(10), "gave up after 10 attempts");
}

TEST(RetrySchedule, WaitsAreSpreadEvenlyOverTwentyPercent) {
  SeededRandom random(2);
  const RetrySchedule schedule({0, 100 * kS});
  std::array<double, 20> bins{};
  constexpr int kDraws = 10'000;
  for (int i = 0; i < kDraws; ++i) {
    const MonoNanos wait = *schedule.WaitAfter(1, std::nullopt, random);
    ASSERT_GE(wait, 80 * kS);
    ASSERT_LE(wait, 120 * kS);
    ++bins[std::min<std::size_t>(static_cast<std::size_t>((wait - 80 * kS) / (2 * kS)), 19)];
  }
  double chi2 = 0;
  const double expected = kDraws / 20.0;
  for (const double n : bins) chi2 += (n - expected) * (n - expected) / expected;
  EXPECT_LT(chi2, 43.8);  // 19 degrees of freedom, p = 0.001
}

TEST(RetrySchedule, RetryAfterIsKeptWithinASecondAndCappedAtADay) {
  SeededRandom random(3);
  const RetrySchedule schedule({0, 300 * kS});
  for (int i = 0; i < 1'000; ++i) {
    const MonoNanos wait = *schedule.WaitAfter(1, 7 * kS, random);
    ASSERT_GE(wait, 7 * kS);
    ASSERT_LE(wait, 8 * kS);
    ASSERT_LE(*schedule.WaitAfter(1, 900 * 24 * 3600 * kS, random), kRetryAfterMax + kS);
  }
}

TEST(RetrySchedule, ARetryAfterOfNothingDoesNotUseUpTheScheduleAtOnce) {
  SeededRandom random(4);
  const RetrySchedule slow({0, 300 * kS});
  const RetrySchedule quick({0, kS / 10});
  for (int i = 0; i < 1'000; ++i) {
    for (const MonoNanos asked : {MonoNanos{0}, -5 * kS, kS / 4}) {
      const MonoNanos wait = *slow.WaitAfter(1, asked, random);
      ASSERT_GE(wait, kS * 6 / 10) << asked;
      ASSERT_LE(wait, kS * 9 / 10) << asked;
    }
    ASSERT_GE(*quick.WaitAfter(1, 0, random), kS * 8 / 100);
    ASSERT_LE(*quick.WaitAfter(1, 0, random), kS * 12 / 100);
  }
  EXPECT_EQ(*RetrySchedule({0, 0}).WaitAfter(1, 0, random), 0);
}

}  // namespace
}  // namespace tributary::deliver
