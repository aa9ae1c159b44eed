#include "deliver/concurrency_window.h"

#include <gtest/gtest.h>

namespace tributary::deliver {
namespace {

TEST(ConcurrencyWindow, HalvesAtAnOverloadAndNeverGoesBelowOne) {
  ConcurrencyWindow window(16);
  EXPECT_EQ(window.size(), 16U);
  MonoNanos now = 10;
  for (const std::size_t expected : {8U, 4U, 2U, 1U, 1U, 1U}) {
    window.OnOverload(now, now + 1);
    EXPECT_EQ(window.size(), expected);
    now += 10;
  }
}

TEST(ConcurrencyWindow, AnswersToWhatWasUnderWayAlreadyCountOnce) {
  ConcurrencyWindow window(16);
  for (int i = 0; i < 16; ++i) window.OnOverload(5, 10);
  EXPECT_EQ(window.size(), 8U);
  window.OnOverload(10, 20);
  EXPECT_EQ(window.size(), 4U);
}

TEST(ConcurrencyWindow, GrowsByOnePerWindowOfSuccessesUpToTheConfiguredNumber) {
  ConcurrencyWindow window(8);
  window.OnOverload(1, 2);
  EXPECT_EQ(window.size(), 4U);
  for (int i = 0; i < 5; ++i) window.OnSuccess();
  EXPECT_EQ(window.size(), 5U);
  for (int i = 0; i < 1'000; ++i) window.OnSuccess();
  EXPECT_EQ(window.size(), 8U);
  window.OnOverload(3, 4);
  EXPECT_EQ(window.size(), 4U);  // what it grew beyond is not remembered
}

TEST(ConcurrencyWindow, AnOddWindowHalvesDown) {
  ConcurrencyWindow window(3);
  window.OnOverload(1, 2);
  EXPECT_EQ(window.size(), 1U);
}

}  // namespace
}  // namespace tributary::deliver
