// Sealed segments shrink, and nobody notices but the disk.
#include "log/recompress.h"

#include "base/logging.h"
#include "sim/log_rig.h"

namespace tributary::log {
namespace {

using sim::LogRig;

std::string Payload(int i) {
  return "{\"messageId\":\"" + std::to_string(i * 7919) + "\",\"event\":\"Order Completed\"," +
         std::string(i % 400, 'x') + "}";
}

class RecompressTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogging(LogLevel::kError, LogFormat::kText);
    rig.options.tail_window_bytes = 0;
  }
  void TearDown() override { SetLogging(LogLevel::kInfo, LogFormat::kText); }
  std::map<Offset, std::string> Fill(std::size_t segments) {
    std::map<Offset, std::string> records;
    for (int i = 0; rig.log().segments(0).size() < segments; ++i) {
      records[*rig.Put(Payload(i))] = Payload(i);
    }
    return records;
  }
  std::size_t Count(std::string_view suffix) {
    std::size_t count = 0;
    for (const std::string& path : rig.fs().Files()) count += path.ends_with(suffix) ? 1 : 0;
    return count;
  }
  LogRig rig;
};

TEST_F(RecompressTest, SealedSegmentsShrinkAndReadTheSame) {
  ASSERT_TRUE(rig.Open());
  const auto records = Fill(6);
  const std::uint64_t before = rig.log().stats().bytes_on_disk;
  rig.Settle();
  EXPECT_EQ(Count(".zseg"), 5u);
  EXPECT_EQ(Count(".seg"), 1u) << "only the active one is raw";
  EXPECT_LT(rig.log().stats().bytes_on_disk, before / 3);
  EXPECT_EQ(rig.ReadAll(), records);
  EXPECT_EQ(rig.log().ReadOne(0, 3)->record.payload, records.at(3));
  const UnixMicros at = rig.log().ReadOne(0, 100)->record.fields.received_at_us;
  EXPECT_LE(*rig.log().OffsetAtTime(0, at), 100u);
  rig.Drop();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll(), records);
  EXPECT_TRUE(rig.log().damage().empty());
  EXPECT_TRUE(VerifyLog(rig.fs(), LogRig::kDir)->damage.empty());
  EXPECT_EQ(VerifyLog(rig.fs(), LogRig::kDir)->records, records.size());
}

TEST_F(RecompressTest, BothWaysStandSideBySide) {
  rig.options.codec = BlockCodec::kZstd;
  ASSERT_TRUE(rig.Open());
  std::map<Offset, std::string> records = Fill(4);
  rig.Settle();
  ASSERT_EQ(Count(".zseg"), 3u);
  rig.CloseCleanly();
  rig.options.codec = BlockCodec::kLz4;
  ASSERT_TRUE(rig.Open());
  for (int i = 0; rig.log().segments(0).size() < 7; ++i) records[*rig.Put(Payload(i))] = Payload(i);
  rig.Settle();
  ASSERT_EQ(Count(".zseg"), 6u);
  std::map<int, int> versions;
  for (const std::string& name : rig.SegmentFiles()) {
    if (name.ends_with(".zseg")) ++versions[rig.fs().Bytes(rig.PathOf(name))[8]];
  }
  EXPECT_EQ(versions, (std::map<int, int>{{1, 3}, {2, 3}})) << "older programs read zstd only";
  EXPECT_EQ(rig.ReadAll(), records);
  rig.Drop();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll(), records);
  EXPECT_TRUE(VerifyLog(rig.fs(), LogRig::kDir)->damage.empty());
}

TEST_F(RecompressTest, FileOfARecompressedSegmentIsUsedAgainAndItsOldBytesNeverParse) {
  rig.options.first_segment_bytes = rig.options.segment_bytes = 64 * 1024;
  ASSERT_TRUE(rig.Open());
  std::map<Offset, std::string> records;
  std::uint64_t created = 0;
  for (int i = 0; i < 3'000; ++i) {
    records[*rig.Put(Payload(i))] = Payload(i);
    if (rig.log().segments(0).size() == 3 && created == 0) {
      created = rig.fs().calls(sim::Call::kOpen);
    }
    rig.log().MaintainStep();
  }
  EXPECT_EQ(rig.ReadAll(), records);
  bool recycled = false;
  for (const std::string& name : rig.SegmentFiles()) {
    recycled = recycled || (rig.fs().Bytes(rig.PathOf(name))[10] & 1) != 0;
  }
  EXPECT_TRUE(recycled);
  rig.Drop();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll(), records);
  EXPECT_TRUE(rig.log().damage().empty());
  EXPECT_TRUE(VerifyLog(rig.fs(), LogRig::kDir)->damage.empty());
}

// A power cut can leave both, of a segment that retention took.
TEST_F(RecompressTest, BothFormsOfASegmentThatIsGoneDoNotStopTheStart) {
  const std::string raw = rig.PathOf("00000000000000000000.seg");
  const std::string compressed = rig.PathOf("00000000000000000000.zseg");
  rig.options.recompress = false;
  ASSERT_TRUE(rig.Open());
  Fill(3);
  const std::string raw_bytes = rig.fs().Bytes(raw);
  rig.CloseCleanly();
  rig.options.recompress = true;
  rig.options.retention.age_us = kMicrosPerSecond;
  ASSERT_TRUE(rig.Open());
  for (int i = 0; i < 1'000 && !rig.fs().Exists(compressed); ++i) rig.log().MaintainStep();
  const std::string compressed_bytes = rig.fs().Bytes(compressed);
  rig.clock.Advance(2 * kNanosPerSecond);
  rig.Settle();
  ASSERT_GT(rig.log().first(0), 0u);
  rig.Drop();
  rig.fs().SetBytes(raw, raw_bytes);
  rig.fs().SetBytes(compressed, compressed_bytes);
  const Status opened = rig.Open();
  ASSERT_TRUE(opened) << opened.error().ToString();
  EXPECT_FALSE(rig.fs().Exists(raw));
  EXPECT_FALSE(rig.fs().Exists(compressed));
}

TEST_F(RecompressTest, OneBigRecordMakesABlockOfItsOwn) {
  rig.options.segment_bytes = 1 << 20;
  ASSERT_TRUE(rig.Open());
  std::map<Offset, std::string> records;
  for (const std::size_t size : {10u, 300'000u, 20u, 65'000u, 66'000u, 400'000u, 500'000u}) {
    const std::string payload(size, static_cast<char>('a' + size % 26));
    records[*rig.Put(payload)] = payload;
  }
  rig.Settle();
  EXPECT_GE(Count(".zseg"), 2u);
  EXPECT_EQ(rig.ReadAll(), records);
}

TEST_F(RecompressTest, DamagedSegmentStaysAsItIs) {
  rig.options.recompress = false;
  ASSERT_TRUE(rig.Open());
  const auto records = Fill(3);
  rig.Idle();
  rig.Drop();
  const std::string bytes = rig.fs().Bytes("data/log/p0/00000000000000000000.seg");
  rig.fs().FlipBit("data/log/p0/00000000000000000000.seg", bytes.find("Completed", 5'000) * 8);
  rig.options.recompress = true;
  ASSERT_TRUE(rig.Open());
  for (int i = 0; i < 5; ++i) {
    rig.clock.Advance(20 * kNanosPerSecond);
    rig.Settle();
  }
  EXPECT_TRUE(rig.fs().Exists("data/log/p0/00000000000000000000.seg"));
  EXPECT_EQ(Count(".zseg"), 1u);
  EXPECT_EQ(rig.log().damage().size(), 1u);
  EXPECT_EQ(rig.ReadAll().size(), records.size() - 1);
}

TEST_F(RecompressTest, CutShortAtAnyCallNothingIsLost) {
  ASSERT_TRUE(rig.Open());
  const auto records = Fill(3);
  rig.Idle();
  rig.Drop();
  rig.fs().Reboot();
  const auto before = rig.fs().Clone();
  for (std::uint64_t calls = 0; calls < 60; ++calls) {
    const auto fs = before->Clone();
    LogRig again(*fs, calls + 1);
    again.options = rig.options;
    ASSERT_TRUE(again.Open());
    fs->PowerOffAfter(calls);
    for (int i = 0; i < 20; ++i) again.log().MaintainStep();
    again.Drop();
    fs->Crash(calls);
    ASSERT_TRUE(again.Open()) << calls;
    ASSERT_EQ(again.ReadAll(), records) << calls;
    ASSERT_TRUE(again.log().damage().empty()) << calls;
  }
}

TEST_F(RecompressTest, WaitsWhileRecordsComeInFast) {
  rig.options.segment_bytes = rig.options.first_segment_bytes = 4 << 20;
  ASSERT_TRUE(rig.Open());
  const std::string big(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) {
    rig.clock.Advance(100 * kNanosPerMilli);  // 10 MiB a second
    ASSERT_TRUE(rig.Put(big));
    rig.log().MaintainStep();
  }
  EXPECT_EQ(Count(".zseg"), 0u);
  rig.clock.Advance(5 * kNanosPerSecond);
  rig.Settle();
  EXPECT_GT(Count(".zseg"), 0u);
}

}  // namespace
}  // namespace tributary::log
