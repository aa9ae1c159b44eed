#include "app/rest_trim.h"

#include <gtest/gtest.h>

namespace tributary::app {
namespace {

class RestTrimTest : public testing::Test {
 protected:
  RestTrim trim_{{.resident_bytes = [this] { return resident_; },
                  .after_start = [this] { ++starts_; },
                  .trim = [this] { ++trims_; }}};
  std::uint64_t resident_ = 20 << 20;
  int starts_ = 0;
  int trims_ = 0;
};

TEST_F(RestTrimTest, GivesBackOnceAfterStart) {
  for (MonoNanos now = 0; now <= 10 * RestTrim::kRest; now += RestTrim::kRest / 5) {
    trim_.Round(false, now);
  }
  EXPECT_EQ(starts_, 1);
  EXPECT_EQ(trims_, 1);
}

TEST_F(RestTrimTest, NotBeforeItHasRested) {
  trim_.Round(true, 0);
  trim_.Round(false, RestTrim::kRest - 1);
  EXPECT_EQ(trims_, 0);
  trim_.Round(false, RestTrim::kRest);
  EXPECT_EQ(trims_, 1);
}

TEST_F(RestTrimTest, NeverWhileThereIsWork) {
  for (int round = 0; round < 100; ++round) trim_.Round(true, round * RestTrim::kRest);
  EXPECT_EQ(trims_, 0);
}

TEST_F(RestTrimTest, NotForLittle) {
  trim_.Round(false, 0);
  trim_.Round(false, RestTrim::kRest);
  ASSERT_EQ(trims_, 1);
  MonoNanos now = 10 * RestTrim::kRest;
  const auto burst = [&](std::uint64_t bytes) {
    resident_ += bytes;
    trim_.Round(true, now);
    trim_.Round(false, now + RestTrim::kRest);
    now += 10 * RestTrim::kRest;
  };
  burst(RestTrim::kGrownBytes - 1);
  EXPECT_EQ(trims_, 1);
  burst(1);
  EXPECT_EQ(trims_, 2);
  EXPECT_EQ(starts_, 1);
}

}  // namespace
}  // namespace tributary::app
