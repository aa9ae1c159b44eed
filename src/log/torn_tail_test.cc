// What recovery makes of a tail that is not whole, at every byte where it may end.
#include "base/bytes.h"
#include "log/recovery.h"
#include "log/scan.h"
#include "sim/log_rig.h"
#include "support/scaled.h"

namespace tributary::log {
namespace {

using sim::LogRig;

constexpr const char* kFirstSegment = "data/log/p0/00000000000000000000.seg";

// A closed log of one full 64 KiB segment; groups of one to four records.
struct Written {
  std::string bytes;
  std::map<Offset, std::string> records;
  std::vector<std::uint64_t> record_ends;  // byte behind each record
};

Written WriteSegment(LogRig& rig) {
  rig.options.first_segment_bytes = rig.options.segment_bytes = 64 * 1024;
  EXPECT_TRUE(rig.Open());
  Written written;
  for (int i = 0; rig.log().segments(0).size() == 1; ++i) {
    std::vector<std::string> group;
    for (int j = 0; j <= i % 4; ++j) {
      group.push_back(std::to_string(i) + "/" + std::to_string(j) + std::string(i * 37 % 500, 'x'));
    }
    if (rig.fs().Bytes(kFirstSegment).find_last_not_of('\0') > 60'000) break;
    const Offset first = *rig.Put(group);
    for (std::size_t j = 0; j < group.size(); ++j) written.records[first + j] = group[j];
  }
  rig.Idle();
  rig.Drop();
  written.bytes = rig.fs().Bytes(kFirstSegment);
  rig.fs().ForgetHistory();
  const auto file = rig.fs().Open(kFirstSegment, os::OpenMode::kRead);
  const SegmentHeader header = ReadSegmentHeader(**file)->header;
  SegmentScan scan(**file, {kSegmentHeaderBytes, written.bytes.size(), 0}, header.seed(), 0);
  for (;;) {
    const ScanItem item = *scan.Next();
    if (item.kind == ScanItem::Kind::kEnd) break;
    EXPECT_NE(item.kind, ScanItem::Kind::kDamage);
    if (item.kind == ScanItem::Kind::kRecord) {
      written.record_ends.push_back(item.position + item.bytes);
    }
  }
  EXPECT_EQ(written.record_ends.size(), written.records.size());
  return written;
}

TEST(TornTail, FileCutAtEveryByteKeepsExactlyTheWholeRecordsBefore) {
  LogRig rig;
  const Written written = WriteSegment(rig);
  ASSERT_GT(written.records.size(), 100u);
  for (std::size_t cut = kSegmentHeaderBytes; cut <= written.bytes.size(); cut += test::Stride(1)) {
    rig.fs().SetBytes(kFirstSegment, written.bytes.substr(0, cut));
    ASSERT_TRUE(rig.Open()) << "cut at " << cut;
    const auto whole = std::ranges::upper_bound(written.record_ends, cut);
    const auto expected = static_cast<Offset>(whole - written.record_ends.begin());
    ASSERT_EQ(rig.log().committed(0), expected) << "cut at " << cut;
    ASSERT_TRUE(rig.log().damage().empty()) << "cut at " << cut;
    if (expected > 0) {
      ASSERT_EQ(rig.log().ReadOne(0, expected - 1)->record.payload,
                written.records.at(expected - 1));
    }
    if (cut % 509 == 0) {
      ASSERT_EQ(rig.ReadAll().size(), expected);
      ASSERT_EQ(*rig.Put("after"), expected);
    }
    rig.Drop();
    for (const std::string& name : rig.SegmentFiles()) {
      if (rig.PathOf(name) == kFirstSegment) continue;
      ASSERT_TRUE(rig.fs().Remove(rig.PathOf(name)));
    }
  }
}

TEST(TornTail, GarbageBehindTheLastMarkIsCutAndNeverWrittenOver) {
  LogRig rig;
  const Written written = WriteSegment(rig);
  std::string bytes = written.bytes;
  const std::uint64_t end = bytes.find_last_not_of('\0') + 1;
  bytes.replace(AlignUp(end, kSectorBytes) + 512, 5, "trash");
  rig.fs().SetBytes(kFirstSegment, bytes);
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll(), written.records);
  const Offset next = written.records.rbegin()->first + 1;
  EXPECT_EQ(*rig.Put("after"), next);
  EXPECT_EQ(rig.log().segments(0).back().first, next) << "a cut segment takes no more frames";
  EXPECT_EQ(rig.fs().Bytes(kFirstSegment).find("trash"), std::string::npos);
}

TEST(TornTail, GroupWithAHoleIsCutAtTheHole) {
  LogRig rig;
  rig.options.first_segment_bytes = 64 * 1024;
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("synced"));
  rig.Idle();
  const std::string before = rig.fs().Bytes(kFirstSegment);
  ASSERT_TRUE(rig.Put({std::string(600, 'a'), std::string(600, 'b'), std::string(600, 'c')}));
  rig.Drop();
  // As after a power cut in the middle of the second group: the sector with the end of `a` and the
  // head of `b` was lost, what follows arrived.
  std::string bytes = rig.fs().Bytes(kFirstSegment);
  const std::size_t hole = bytes.find("aaaa") / 512 * 512 + 512;
  bytes.replace(hole, 512, std::string(512, '\0'));
  rig.fs().SetBytes(kFirstSegment, bytes);
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.log().committed(0), 1u);
  EXPECT_TRUE(rig.log().damage().empty()) << "never acknowledged, so nothing is lost";
  EXPECT_EQ(*rig.Put("again"), 1u);
}

TEST(TornTail, DamageBelowTheSyncedMarkIsNamedAndWhatFollowsIsKept) {
  LogRig rig;
  const Written written = WriteSegment(rig);
  std::string bytes = written.bytes;
  const std::uint64_t at = written.record_ends[50] - 1;
  bytes[at - 8] = static_cast<char>(bytes[at - 8] ^ 1);
  rig.fs().SetBytes(kFirstSegment, bytes);
  ASSERT_TRUE(rig.Open());
  auto expected = written.records;
  expected.erase(50);
  EXPECT_EQ(rig.ReadAll(), expected);
  ASSERT_EQ(rig.log().damage().size(), 1u);
  const Damage damage = rig.log().damage().front();
  EXPECT_EQ(damage.segment, "00000000000000000000.seg");
  EXPECT_EQ(damage.first, 50u);
  EXPECT_EQ(damage.end, 51u);
  EXPECT_EQ(rig.log().health().damaged_records, 1u);
  EXPECT_TRUE(rig.log().health().writable);
  EXPECT_EQ(rig.log().ReadOne(0, 50).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(*rig.Put("after"), written.records.size());
  EXPECT_EQ(rig.log().damage().size(), 1u) << "named once";
}

TEST(TornTail, WhatOnlyRecoveryFoundIsSyncedBeforeItIsServed) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("x"));
  rig.Drop();
  rig.fs().FailCall(sim::Call::kSync, 0, ErrorCode::kIo);
  EXPECT_FALSE(rig.Open()) << "a tail that cannot be synced is not trusted";
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll().size(), 1u);
}

TEST(TornTail, LeftOversAreCleanedAway) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("x"));
  rig.Settle();  // leaves a segment made ready
  rig.Drop();
  rig.fs().SetBytes(rig.PathOf("00000000000000000000.zseg.tmp"), "half");
  rig.fs().SetBytes(rig.PathOf("00000000000000000000.seg.deleted"), "gone");
  rig.fs().SetBytes(rig.PathOf("00000000000000000000.dup"), "somebody else's");
  ASSERT_TRUE(rig.Open());
  const std::vector<std::string> expected{"data/log/p0/00000000000000000000.dup", kFirstSegment};
  EXPECT_EQ(rig.fs().Files(), expected);
  EXPECT_EQ(rig.ReadAll().size(), 1u);
}

}  // namespace
}  // namespace tributary::log
