#include "event/times.h"

namespace tributary::event {
namespace {

UnixMicros At(std::string_view text) {
  return ParseIso8601(text).value();
}
const UnixMicros kReceived = At("2026-11-21T19:49:24.424Z");

TEST(Times, ClientClockIsCorrectedByTheServersReceipt) {
  const auto at = CorrectedTime({.timestamp_us = At("2026-11-21T19:49:24.086Z"),
                                 .sent_us = At("2026-11-21T19:49:24.090Z"),
                                 .received_us = kReceived});
  EXPECT_EQ(FormatIso8601(at), "2026-11-21T19:49:24.420Z");
}

TEST(Times, RudderStacksNameForTheOriginalTimeCountsAlike) {
  const auto at = CorrectedTime({.original_us = At("2026-11-21T19:49:24.086Z"),
                                 .sent_us = At("2026-11-21T19:49:24.090Z"),
                                 .received_us = kReceived});
  EXPECT_EQ(FormatIso8601(at), "2026-11-21T19:49:24.420Z");
}

TEST(Times, ATimestampCorrectedBySomebodyElseIsKept) {
  const auto at = CorrectedTime({.timestamp_us = At("2026-11-21T10:00:00Z"),
                                 .original_us = At("2026-11-21T09:00:00Z"),
                                 .sent_us = At("2026-11-21T09:00:01Z"),
                                 .received_us = kReceived});
  EXPECT_EQ(FormatIso8601(at), "2026-11-21T10:00:00.000Z");
}

TEST(Times, WithoutSentAtTheOriginalTimeStands) {
  EXPECT_EQ(CorrectedTime({.timestamp_us = At("2020-01-02"), .received_us = kReceived}),
            At("2020-01-02"));
}

TEST(Times, WithoutAnyTimeTheReceiptCounts) {
  EXPECT_EQ(CorrectedTime({.received_us = kReceived}), kReceived);
  EXPECT_EQ(CorrectedTime({.sent_us = At("2001-01-01"), .received_us = kReceived}), kReceived);
}

TEST(Times, AnImportedPastTimeSurvivesTheCorrection) {
  const auto at = CorrectedTime({.timestamp_us = At("2020-01-02T03:04:05.000+02:00"),
                                 .sent_us = At("2026-11-21T19:49:24.400Z"),
                                 .received_us = kReceived});
  EXPECT_EQ(FormatIso8601(at), "2020-01-02T01:04:05.024Z");
}

TEST(Times, AbsurdTimesBecomeTheReceipt) {
  EXPECT_EQ(CorrectedTime({.timestamp_us = At("9999-12-31"), .received_us = kReceived}), kReceived);
  EXPECT_EQ(CorrectedTime({.timestamp_us = At("0001-01-01"), .received_us = kReceived}), kReceived);
  EXPECT_EQ(CorrectedTime({.timestamp_us = At("2026-11-21"),
                           .sent_us = At("9999-01-01"),
                           .received_us = kReceived}),
            kReceived);
}

TEST(Times, TheLimitsOfAbsurdAreInclusive) {
  const UnixMicros last = kReceived + kFutureSlackUs;
  EXPECT_EQ(CorrectedTime({.timestamp_us = last, .received_us = kReceived}), last);
  EXPECT_EQ(CorrectedTime({.timestamp_us = last + 1, .received_us = kReceived}), kReceived);
  EXPECT_EQ(CorrectedTime({.timestamp_us = kOldestEventTimeUs, .received_us = kReceived}),
            kOldestEventTimeUs);
  EXPECT_EQ(CorrectedTime({.timestamp_us = kOldestEventTimeUs - 1, .received_us = kReceived}),
            kReceived);
}

TEST(Times, ResultsAreWholeMilliseconds) {
  EXPECT_EQ(
      CorrectedTime({.timestamp_us = At("2026-11-21T10:00:00.123999Z"), .received_us = kReceived}),
      At("2026-11-21T10:00:00.123Z"));
}

}  // namespace
}  // namespace tributary::event
