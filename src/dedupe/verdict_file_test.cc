#include "dedupe/verdict_file.h"

#include "base/bytes.h"
#include "sim/sim_fs.h"
#include "support/scaled.h"

namespace tributary::dedupe {
namespace {

const VerdictSegment kSegment = {.partition = 2, .first = 700, .path = "d/s.dup"};

bool Bit(std::uint64_t i) {
  return i * 2'654'435'761u % 7 == 0;
}

class VerdictFile : public testing::Test {
 protected:
  VerdictFile() { EXPECT_TRUE(fs_.CreateDir("d")); }

  void Add(VerdictWriter& writer, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) writer.Add(Bit(writer.decided()));
  }
  std::vector<VerdictPage> Load() {
    auto pages = LoadVerdicts(fs_, kSegment, false);
    EXPECT_TRUE(pages) << pages.error().ToString();
    return *pages;
  }
  void ExpectFirst(std::uint64_t count) {
    const auto pages = Load();
    ASSERT_EQ(DecidedWithoutGap(pages), count);
    for (std::uint64_t i = 0; i < count; ++i) {
      ASSERT_EQ(pages[i / kVerdictsPerPage].bit(i % kVerdictsPerPage), Bit(i)) << i;
    }
  }

  sim::SimFs fs_;
};

TEST_F(VerdictFile, WhatWasSyncedIsReadBack) {
  VerdictWriter writer(fs_, kSegment, {});
  for (const std::uint64_t count : {1u, 1u, 3'965u, 1u, 1u, 10'000u, 100'000u}) {
    Add(writer, count);
    ASSERT_TRUE(writer.Sync());
    ExpectFirst(writer.decided());
  }
}

TEST_F(VerdictFile, AWriterGoesOnWhereTheFileEnds) {
  for (int round = 0; round < 5; ++round) {
    const bool there = fs_.Exists(kSegment.path);
    VerdictWriter writer(fs_, kSegment, there ? Load() : std::vector<VerdictPage>());
    Add(writer, 1'500);
    ASSERT_TRUE(writer.Sync());
  }
  ExpectFirst(7'500);
}

TEST_F(VerdictFile, APowerCutNeverTakesWhatWasSynced) {
  for (std::uint64_t seed = 0; seed < test::Scaled(500); ++seed) {
    sim::SimFs fs;
    ASSERT_TRUE(fs.CreateDir("d"));
    ASSERT_TRUE(fs.SyncDir("."));
    VerdictWriter writer(fs, kSegment, {});
    std::uint64_t synced = 0;
    fs.PowerOffAfter(seed % 40);
    while (fs.powered()) {
      Add(writer, 1 + seed * 37 % 3'000);
      if (writer.Sync()) synced = writer.decided();
    }
    fs.Crash(seed);
    auto pages = LoadVerdicts(fs, kSegment, true);
    const std::uint64_t found = pages ? DecidedWithoutGap(*pages) : 0;
    ASSERT_GE(found, synced) << "seed " << seed;
    for (std::uint64_t i = 0; i < found; ++i) {
      ASSERT_EQ((*pages)[i / kVerdictsPerPage].bit(i % kVerdictsPerPage), Bit(i))
          << "seed " << seed;
    }
  }
}

// The planted bug: with one place per page instead of two, a torn write of the page takes what was
// synced in it. Sequence numbers of the wrong parity bring the write to the same place again.
TEST_F(VerdictFile, AWriteTriedAgainDoesNotReachTheDurablePlace) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    sim::SimFs fs;
    ASSERT_TRUE(fs.CreateDir("d"));
    ASSERT_TRUE(fs.SyncDir("."));
    VerdictWriter writer(fs, kSegment, {});
    Add(writer, 100);
    ASSERT_TRUE(writer.Sync());
    Add(writer, 100);
    fs.FailCall(sim::Call::kWrite, 0, ErrorCode::kExhausted);
    ASSERT_FALSE(writer.Sync());
    fs.PowerOffAfter(1);  // the write is done, its sync is not
    ASSERT_FALSE(writer.Sync());
    fs.Crash(seed);
    const auto pages = LoadVerdicts(fs, kSegment, true);
    ASSERT_TRUE(pages);
    ASSERT_GE(DecidedWithoutGap(*pages), 100u) << "seed " << seed;
  }
}

TEST_F(VerdictFile, EveryFlippedBitOfAPageIsDetected) {
  VerdictWriter writer(fs_, kSegment, {});
  Add(writer, kVerdictsPerPage);
  ASSERT_TRUE(writer.Sync());  // sequence 1: the second place of the pair
  fs_.ForgetHistory();
  for (std::uint64_t bit = 0; bit < kVerdictSectorBytes * 8; ++bit) {
    fs_.FlipBit(kSegment.path, kVerdictSectorBytes * 8 + bit);
    ASSERT_EQ(DecidedWithoutGap(Load()), 0u) << "bit " << bit;
    fs_.FlipBit(kSegment.path, kVerdictSectorBytes * 8 + bit);
  }
  ExpectFirst(kVerdictsPerPage);
}

TEST_F(VerdictFile, AFileOfAnotherSegmentIsNotBelieved) {
  VerdictWriter writer(fs_, kSegment, {});
  Add(writer, 10);
  ASSERT_TRUE(writer.Sync());
  VerdictSegment other = kSegment;
  other.first = 701;
  EXPECT_EQ(DecidedWithoutGap(*LoadVerdicts(fs_, other, false)), 0u);
}

TEST_F(VerdictFile, WrittenWholeItReadsTheSameAndCanBeContinued) {
  std::vector<bool> bits;
  for (std::uint64_t i = 0; i < 5'000; ++i) bits.push_back(Bit(i));
  ASSERT_TRUE(os::WriteFileAtomic(fs_, kSegment.path, EncodeVerdicts(kSegment, bits)));
  ExpectFirst(5'000);
  VerdictWriter writer(fs_, kSegment, Load());
  Add(writer, 5'000);
  ASSERT_TRUE(writer.Sync());
  ExpectFirst(10'000);
}

TEST_F(VerdictFile, NoSpaceLeavesWhatIsDurableAndPasses) {
  VerdictWriter writer(fs_, kSegment, {});
  Add(writer, 10);
  ASSERT_TRUE(writer.Sync());
  fs_.SetCapacity(fs_.Bytes(kSegment.path).size());
  Add(writer, 200'000);
  EXPECT_EQ(writer.Sync().error().code(), ErrorCode::kExhausted);
  ExpectFirst(10);
  fs_.SetCapacity(1 << 30);
  ASSERT_TRUE(writer.Sync());
  ExpectFirst(200'010);
}

// The bytes that FORMAT.md shows.
TEST_F(VerdictFile, IsWrittenAsDocumented) {
  const VerdictSegment segment = {.partition = 0, .first = 0, .path = "d/x.dup"};
  VerdictWriter writer(fs_, segment, {});
  for (const bool duplicate : {false, true, false, true}) writer.Add(duplicate);
  ASSERT_TRUE(writer.Sync());
  const std::string bytes = fs_.Bytes(segment.path).substr(0x200, 32);
  EXPECT_EQ(ToHex(bytes),
            "e08c9f5f010000000000000004000000" + std::string("0a") + std::string(30, '0'));
}

TEST_F(VerdictFile, TakesLittle) {
  VerdictWriter writer(fs_, kSegment, {});
  Add(writer, 1'000'000);
  ASSERT_TRUE(writer.Sync());
  EXPECT_LT(fs_.Bytes(kSegment.path).size(), 1'000'000u / 3);
}

}  // namespace
}  // namespace tributary::dedupe
