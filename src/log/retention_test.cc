// What goes and what stays: age, size, holders, and the order that makes a deletion safe.
#include "base/logging.h"
#include "sim/log_rig.h"

namespace tributary::log {
namespace {

using sim::LogRig;

class Lane final : public Holder {
 public:
  std::string name() const override { return "lane"; }
  Offset synced_cursor(Partition) const override { return cursor; }
  void ReleaseBelow(Partition, Offset end) override { released = std::max(released, end); }
  Offset cursor = 0;
  Offset released = 0;
};

class RetentionTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogging(LogLevel::kError, LogFormat::kText);
    rig.options.first_segment_bytes = rig.options.segment_bytes = 8192;
    rig.options.recompress = false;
    rig.options.retention.age_us = 10 * kMicrosPerSecond;
    rig.options.retention.hold_us = 20 * kMicrosPerSecond;
  }
  void TearDown() override { SetLogging(LogLevel::kInfo, LogFormat::kText); }

  void Open() {
    ASSERT_TRUE(rig.Open());
    rig.log().AddHolder(lane);
  }
  // Appends until `segments` are there.
  void Fill(std::size_t segments) {
    for (int i = 0; i < 10'000 && rig.log().segments(0).size() < segments; ++i) {
      ASSERT_TRUE(rig.Put(std::string(400, 'x')));
      rig.log().MaintainStep();
    }
  }
  void Pass(std::int64_t seconds) {
    rig.clock.Advance(seconds * kNanosPerSecond);
    rig.Settle();
  }

  LogRig rig;
  std::shared_ptr<Lane> lane = std::make_shared<Lane>();
};

TEST_F(RetentionTest, AgedSegmentsGoOnceTheLaneHasPassedThem) {
  Open();
  Fill(5);
  Pass(11);
  EXPECT_EQ(rig.log().first(0), 0u) << "the lane still needs it";
  EXPECT_EQ(lane->released, 0u);
  const auto segments = rig.log().segments(0);
  lane->cursor = segments[1].end - 1;
  rig.Settle();
  EXPECT_EQ(rig.log().first(0), segments[1].first) << "one record short of the second";
  lane->cursor = segments[1].end;
  rig.Settle();
  EXPECT_EQ(rig.log().first(0), segments[2].first);
  const std::string beside = segments[2].path_stem + ".dup";
  rig.fs().SetBytes(beside, "");
  lane->cursor = rig.log().committed(0);
  rig.Settle();
  EXPECT_TRUE(rig.fs().Exists(beside)) << "not ours to delete";
}

TEST_F(RetentionTest, NothingGoesBeforeItsAge) {
  Open();
  Fill(5);
  lane->cursor = rig.log().committed(0);
  Pass(9);
  EXPECT_EQ(rig.log().first(0), 0u);
}

TEST_F(RetentionTest, LaneIsToldToLetGoWhenItsHoldIsOverAndOnlyThenIsAnythingDeleted) {
  Open();
  Fill(3);
  const auto segments = rig.log().segments(0);
  Pass(19);
  EXPECT_EQ(lane->released, 0u);
  Pass(2);
  EXPECT_EQ(lane->released, segments[0].end);
  EXPECT_EQ(rig.log().first(0), 0u) << "it counts and syncs first";
  lane->cursor = lane->released;
  rig.Settle();
  EXPECT_EQ(rig.log().first(0), segments[1].first);
  EXPECT_EQ(lane->released, segments[1].end);
}

TEST_F(RetentionTest, EveryHolderIsAsked) {
  Open();
  const auto slow = std::make_shared<Lane>();
  rig.log().AddHolder(slow);
  Fill(3);
  lane->cursor = rig.log().committed(0);
  Pass(11);
  EXPECT_EQ(rig.log().first(0), 0u);
  rig.log().RemoveHolder(slow.get());
  rig.Settle();
  EXPECT_GT(rig.log().first(0), 0u);
}

TEST_F(RetentionTest, AtTheSizeLimitRejectRefusesAndNamesTheOption) {
  rig.options.retention.size_bytes_max = 8 * 8192;
  Open();
  Result<Offset> put = Offset{0};
  for (int i = 0; i < 1'000 && put; ++i) {
    put = rig.Put(std::string(400, 'x'));
    rig.log().MaintainStep();
    ASSERT_LE(rig.log().stats().bytes_on_disk, rig.options.retention.size_bytes_max);
  }
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), ErrorCode::kExhausted);
  EXPECT_THAT(put.error().message(), testing::HasSubstr("retention.size"));
  EXPECT_THAT(rig.log().health().reason, testing::HasSubstr("retention.size"));
  EXPECT_EQ(lane->released, 0u);
  EXPECT_EQ(rig.log().first(0), 0u);
  lane->cursor = rig.log().segments(0)[1].end;
  Pass(2);
  EXPECT_TRUE(rig.Put("again")) << "passed segments make room, aged or not";
  EXPECT_GT(rig.log().first(0), 0u);
}

TEST_F(RetentionTest, AtTheSizeLimitDropOldestAsksTheLaneAndGoesOn) {
  rig.options.retention.size_bytes_max = 8 * 8192;
  rig.options.retention.on_full = OnFull::kDropOldest;
  Open();
  Offset last = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto put = rig.Put(std::string(400, 'x'));
    if (put) last = *put;
    lane->cursor = std::max(lane->cursor, lane->released);
    Pass(put ? 0 : 2);
    ASSERT_LE(rig.log().stats().bytes_on_disk, rig.options.retention.size_bytes_max);
  }
  EXPECT_GT(last, 900u);
  EXPECT_GT(lane->released, 500u);
  EXPECT_GE(rig.log().first(0), 500u);
}

TEST_F(RetentionTest, ShareOfOneHolderIsBounded) {
  rig.options.retention.size_bytes_max = 8 * 8192;
  rig.options.retention.hold_bytes_max = 4 * 8192;
  Open();
  for (int i = 0; i < 200; ++i) {
    rig.Put(std::string(400, 'x'));
    Pass(0);
  }
  EXPECT_GT(lane->released, 0u);
}

TEST_F(RetentionTest, IdleActiveSegmentIsSealedSoThatItsRecordsCanGo) {
  Open();
  ASSERT_TRUE(rig.Put("old"));
  lane->cursor = 1;
  Pass(11);
  Pass(1);
  EXPECT_EQ(rig.log().first(0), 1u);
  EXPECT_TRUE(rig.ReadAll().empty());
  EXPECT_EQ(*rig.Put("new"), 1u);
}

TEST_F(RetentionTest, ReaderThatIsBehindGoesOnWithTheOldestThatIsThere) {
  Open();
  Fill(4);
  lane->cursor = rig.log().segments(0)[1].end;
  Pass(11);
  const Offset first = rig.log().first(0);
  ASSERT_GT(first, 0u);
  rig.Drop();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll(0).begin()->first, first);
  EXPECT_EQ(rig.log().ReadOne(0, 0).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(rig.log().damage().empty()) << "retained away is not damaged";
}

TEST_F(RetentionTest, DeletionCutShortAtAnyCallIsFinishedAtTheNextStart) {
  Open();
  Fill(4);
  lane->cursor = rig.log().segments(0)[1].end;
  const Offset kept_from = rig.log().segments(0)[2].first;
  const auto kept = rig.ReadAll(kept_from);
  rig.Idle();
  rig.Drop();
  rig.fs().Reboot();
  const auto before = rig.fs().Clone();
  for (std::uint64_t calls = 0; calls < 40; ++calls) {
    const auto fs = before->Clone();
    LogRig again(*fs, calls + 1);
    again.options = rig.options;
    again.clock.Advance(100 * kNanosPerSecond);
    ASSERT_TRUE(again.Open());
    again.log().AddHolder(lane);
    fs->PowerOffAfter(calls);
    for (int i = 0; i < 20; ++i) again.log().MaintainStep();
    again.Drop();
    fs->Crash(calls);
    ASSERT_TRUE(again.Open());
    ASSERT_EQ(again.ReadAll(kept_from), kept) << calls;
    ASSERT_TRUE(again.log().damage().empty()) << again.log().damage().front().what;
    for (const std::string& path : fs->Files()) ASSERT_FALSE(path.ends_with(".deleted"));
  }
}

}  // namespace
}  // namespace tributary::log
