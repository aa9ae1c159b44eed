// Disks that fail and disks that are full: what was not durable is never acknowledged, and running
// out of space heals by itself.
#include "base/crc32c.h"
#include "base/logging.h"
#include "sim/log_rig.h"

namespace tributary::log {
namespace {

using sim::Call;
using sim::LogRig;

class Faults : public testing::Test {
 protected:
  void SetUp() override { SetLogging(LogLevel::kError, LogFormat::kText); }
  void TearDown() override { SetLogging(LogLevel::kInfo, LogFormat::kText); }
};

void ExpectPoisoned(LogRig& rig, Call call, const std::string& reason) {
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("before"));
  const auto first = rig.Append({"in the failed group"});
  const auto second = rig.Append({"also in it"});
  rig.fs().FailCall(call, 0, ErrorCode::kIo);
  rig.log().WriterStep();
  for (const auto& outcome : {first, second}) {
    ASSERT_TRUE(outcome->answered);
    EXPECT_EQ(outcome->result.error().code(), ErrorCode::kUnavailable);
  }
  EXPECT_EQ(rig.log().committed(0), 1u);
  EXPECT_TRUE(rig.log().health().poisoned);
  EXPECT_FALSE(rig.log().health().writable);
  EXPECT_THAT(rig.log().health().reason, testing::HasSubstr(reason));
  EXPECT_EQ(rig.Append({"later"}), nullptr);
  EXPECT_EQ(rig.refusal.error().code(), ErrorCode::kUnavailable);
  // A second sync that succeeds proves nothing: none is asked for on this file.
  const std::uint64_t syncs = rig.fs().calls(Call::kSync);
  const std::uint64_t writes = rig.fs().calls(Call::kWrite);
  rig.clock.Advance(kNanosPerSecond);
  for (int i = 0; i < 10; ++i) rig.log().WriterStep();
  EXPECT_EQ(rig.fs().calls(Call::kSync), syncs);
  EXPECT_EQ(rig.fs().calls(Call::kWrite), writes);
  EXPECT_EQ(rig.ReadAll().size(), 1u) << "reading goes on";
  rig.log().Close();
  for (int i = 0; i < 10; ++i) rig.log().WriterStep();
  EXPECT_TRUE(rig.log().closed());
  rig.Drop();
  rig.fs().Crash(5);
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll().begin()->second, "before");
  EXPECT_TRUE(rig.Put("after")) << "a restart is all it takes";
}

TEST_F(Faults, FailedSyncPoisonsTheLogAndAcknowledgesNothing) {
  LogRig rig;
  ExpectPoisoned(rig, Call::kSync, "log poisoned: fdatasync data/log/p0/");
}

TEST_F(Faults, FailedWritePoisonsTheLogAndAcknowledgesNothing) {
  LogRig rig;
  ExpectPoisoned(rig, Call::kWrite, "log poisoned: write data/log/p0/");
}

TEST_F(Faults, EveryCallFailingOnceOrForEverNeverMakesAFalseAcknowledgement) {
  for (const Call call : {Call::kOpen, Call::kRead, Call::kWrite, Call::kSync, Call::kTruncate,
                          Call::kSyncDir, Call::kRename, Call::kRemove, Call::kCreateDir}) {
    for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kExhausted}) {
      for (const std::uint64_t times : {std::uint64_t{1}, ~std::uint64_t{0}}) {
        for (std::uint64_t nth = 0; nth < 1'000; ++nth) {
          LogRig rig(nth + 1);
          rig.options.first_segment_bytes = rig.options.segment_bytes = 4096;
          rig.options.retention.age_us = 3 * kMicrosPerSecond;
          rig.fs().FailCall(call, nth, code, times);
          std::map<Offset, std::string> acknowledged;
          UnixMicros newest = 0;
          if (rig.Open()) {
            for (int i = 0; i < 40; ++i) {
              const std::string payload = std::to_string(i) + std::string(300, 'x');
              const auto first = rig.Put(payload);
              if (first) acknowledged[*first] = payload;
              rig.clock.Advance(200 * kNanosPerMilli);
              rig.log().MaintainStep();
              rig.log().WriterStep();
              rig.ReadAll();
            }
          }
          newest = rig.clock.Now();
          const bool reached = rig.fs().calls(call) > nth;
          rig.Drop();
          rig.fs().ClearFaults();
          rig.fs().Crash(nth);
          ASSERT_TRUE(rig.Open());
          const auto found = rig.ReadAll();
          const Offset first = rig.log().first(0);
          for (const auto& [offset, payload] : acknowledged) {
            if (offset < first) continue;  // its age was over
            ASSERT_TRUE(found.contains(offset))
                << "call " << static_cast<int>(call) << " nth " << nth << " offset " << offset;
            ASSERT_EQ(found.at(offset), payload);
          }
          ASSERT_LE(rig.log().first(0), acknowledged.size());
          ASSERT_GT(newest, 0);
          if (!reached) break;  // every call of this kind has had its turn
        }
      }
    }
  }
}

TEST_F(Faults, FullDiskRefusesAndTakesAgainWithinTenSecondsOfSpaceReturning) {
  LogRig rig;
  rig.options.segment_bytes = rig.options.first_segment_bytes = 16 * 1024;
  rig.options.reserve_bytes = 8 * 1024;
  rig.options.recompress = false;
  rig.fs().SetCapacity(100 * 1024);
  ASSERT_TRUE(rig.Open());
  std::map<Offset, std::string> acknowledged;
  for (int cycle = 0; cycle < 20; ++cycle) {
    Result<Offset> put = Offset{0};
    for (int i = 0; i < 1'000; ++i) {
      const std::string payload = std::to_string(i) + std::string(200, 'x');
      put = rig.Put(payload);
      if (!put) break;
      acknowledged[*put] = payload;
      rig.log().MaintainStep();
    }
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code(), ErrorCode::kExhausted) << put.error().ToString();
    EXPECT_FALSE(rig.log().health().writable);
    EXPECT_FALSE(rig.log().health().poisoned);
    EXPECT_THAT(rig.log().health().reason, testing::HasSubstr("no space for the next segment"));
    EXPECT_GE(*rig.fs().FreeBytes("data"), rig.options.reserve_bytes) << "kept for cursors";
    EXPECT_EQ(rig.ReadAll(), acknowledged) << "reading and so deliveries go on";
    rig.fs().SetCapacity((100 + static_cast<std::uint64_t>(cycle + 1) * 32) * 1024);
    int waited_ms = 0;
    for (; waited_ms < 10'000 && !rig.log().health().writable; waited_ms += 100) {
      rig.clock.Advance(100 * kNanosPerMilli);
      rig.Settle();
    }
    ASSERT_LT(waited_ms, 10'000);
  }
  rig.Drop();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll(), acknowledged);
}

TEST_F(Faults, StartOnAFullDiskStillReadsAndRefuses) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("x"));
  rig.Drop();
  // A torn tail, so that a new segment would be needed, and no room for it.
  std::string bytes = rig.fs().Bytes("data/log/p0/00000000000000000000.seg");
  bytes[5'000] = 'x';
  rig.fs().SetBytes("data/log/p0/00000000000000000000.seg", bytes);
  rig.fs().SetCapacity(bytes.size());
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll().size(), 1u);
  EXPECT_EQ(rig.Put("y").error().code(), ErrorCode::kExhausted);
  rig.fs().SetCapacity(1 << 20);
  rig.clock.Advance(2 * kNanosPerSecond);
  rig.Settle();
  EXPECT_EQ(*rig.Put("y"), 1u);
}

std::string OfVersion(std::string bytes, char version) {
  for (const std::size_t copy : {0u, 256u}) {
    bytes[copy + 8] = version;
    const std::uint32_t crc = Crc32c(std::string_view(bytes).substr(copy, 252));
    std::memcpy(bytes.data() + copy + 252, &crc, sizeof crc);
  }
  return bytes;
}

TEST_F(Faults, UnknownVersionOfACompressedSegmentIsRefusedWithASentence) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  while (rig.log().segments(0).size() < 2) ASSERT_TRUE(rig.Put(std::string(1'000, 'x')));
  rig.Settle();
  rig.CloseCleanly();
  const std::string path = "data/log/p0/00000000000000000000.zseg";
  const std::string bytes = OfVersion(rig.fs().Bytes(path), 3);
  rig.fs().SetBytes(path, bytes);
  const Status opened = rig.Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(opened.error().message(),
            "00000000000000000000.zseg: the segment is of version 3, this program knows version "
            "1 to 2");
  EXPECT_EQ(rig.fs().Bytes(path), bytes) << "nothing was changed";
}

TEST_F(Faults, UnknownVersionOfASegmentIsRefusedWithASentence) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("x"));
  rig.CloseCleanly();
  const std::string path = "data/log/p0/00000000000000000000.seg";
  const std::string bytes = OfVersion(rig.fs().Bytes(path), 2);
  rig.fs().SetBytes(path, bytes);
  const Status opened = rig.Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(opened.error().message(),
            "00000000000000000000.seg: the segment is of version 2, this program knows version 1");
  EXPECT_EQ(rig.fs().Bytes(path), bytes) << "nothing was changed";
  EXPECT_EQ(VerifyLog(rig.fs(), LogRig::kDir).error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace tributary::log
