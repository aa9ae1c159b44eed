// Bits that flip, files that are swapped, copied, lost or restored: all named, none served.
#include "base/logging.h"
#include "log/block.h"
#include "log/segment_header.h"
#include "sim/log_rig.h"
#include "support/scaled.h"

namespace tributary::log {
namespace {

using sim::LogRig;
using sim::SimFs;

constexpr const char* kFirstRaw = "data/log/p0/00000000000000000000.seg";
constexpr const char* kFirstCompressed = "data/log/p0/00000000000000000000.zseg";

// Warnings by the hundred thousand would be all that one sees.
class Damages : public testing::Test {
 protected:
  void SetUp() override { SetLogging(LogLevel::kError, LogFormat::kText); }
  void TearDown() override { SetLogging(LogLevel::kInfo, LogFormat::kText); }

  // A sealed first segment of 64 KiB, and an active one behind it.
  std::map<Offset, std::string> WriteSealed(LogRig& rig, std::size_t payload_bytes = 600) {
    rig.options.first_segment_bytes = rig.options.segment_bytes = 64 * 1024;
    EXPECT_TRUE(rig.Open());
    std::map<Offset, std::string> records;
    for (int i = 0; rig.log().segments(0).size() < 2; ++i) {
      std::string payload = std::to_string(i) + "/";
      while (payload.size() < payload_bytes) payload += static_cast<char>(rig.random.Draw());
      records[*rig.Put(payload)] = payload;
    }
    rig.Idle();
    rig.Drop();
    rig.fs().ForgetHistory();
    return records;
  }
};

TEST_F(Damages, EveryFlippedBitOfARawSegmentIsNamedAndCostsAtMostOneRecord) {
  LogRig rig;
  rig.options.recompress = false;
  const auto records = WriteSealed(rig);
  // The active segment is not what is looked at here; half a million times it would add up.
  const std::string active = rig.PathOf(rig.SegmentFiles().back());
  rig.fs().SetBytes(active, rig.fs().Bytes(active).substr(0, 4096));
  const std::uint64_t bits = rig.fs().Bytes(kFirstRaw).size() * 8;
  ASSERT_EQ(bits, 524'288u);
  ASSERT_TRUE(VerifyLog(rig.fs(), LogRig::kDir)->damage.empty());
  for (std::uint64_t bit = 0; bit < bits; bit += test::Stride(1)) {
    rig.fs().FlipBit(kFirstRaw, bit);
    const auto report = VerifyLog(rig.fs(), LogRig::kDir);
    ASSERT_TRUE(report);
    ASSERT_FALSE(report->damage.empty()) << "bit " << bit;
    ASSERT_EQ(report->damage.front().segment, "00000000000000000000.seg");
    ASSERT_GE(report->records + 1, records.size()) << "bit " << bit;
    rig.fs().FlipBit(kFirstRaw, bit);
  }
}

TEST_F(Damages, ReadersSkipWhatAFlippedBitCostAndReadTheRest) {
  LogRig rig;
  rig.options.recompress = false;
  const auto records = WriteSealed(rig);
  const std::uint64_t bits = rig.fs().Bytes(kFirstRaw).size() * 8;
  for (std::uint64_t bit = 1; bit < bits; bit += 211) {
    rig.fs().FlipBit(kFirstRaw, bit);
    ASSERT_TRUE(rig.Open());
    const auto found = rig.ReadAll();
    ASSERT_GE(found.size() + 1, records.size()) << "bit " << bit;
    for (const auto& [offset, payload] : found) ASSERT_EQ(payload, records.at(offset));
    if (found.size() < records.size()) {
      ASSERT_EQ(rig.log().health().damaged_records, 1u);
      ASSERT_EQ(rig.log().damage().size(), 1u);
    }
    rig.Drop();
    rig.fs().FlipBit(kFirstRaw, bit);
  }
}

TEST_F(Damages, EveryFlippedBitOfTheActiveSegmentCostsAtMostOneRecord) {
  LogRig rig;
  const auto records = WriteSealed(rig);
  const std::string active = rig.PathOf(rig.SegmentFiles().back());
  const Offset base = ParseSegmentName(rig.SegmentFiles().back())->base;
  auto image = rig.fs().Bytes(active);
  const std::uint64_t bits = (image.find_last_not_of('\0') + 1) * 8;
  for (std::uint64_t bit = 0; bit < bits; bit += test::Stride(1)) {
    rig.fs().FlipBit(active, bit);
    ASSERT_TRUE(rig.Open());
    const auto found = rig.ReadAll(base);
    ASSERT_GE(found.size() + 1, records.size() - base) << "bit " << bit;
    const auto next = rig.Put("after");
    ASSERT_TRUE(next);
    ASSERT_GE(*next, records.size()) << "no offset is given out twice";
    rig.Drop();
    for (const std::string& name : rig.SegmentFiles()) {
      if (ParseSegmentName(name)->base <= base) continue;
      ASSERT_TRUE(rig.fs().Remove(rig.PathOf(name)));
    }
    rig.fs().SetBytes(active, image);
  }
}

// How many records the fullest block of the file has, and how many blocks there are.
std::pair<std::uint64_t, std::size_t> FullestBlock(SimFs& fs, const std::string& path) {
  const auto file = fs.Open(path, os::OpenMode::kRead);
  EXPECT_TRUE(file);
  const auto header = ReadSegmentHeader(**file);
  EXPECT_TRUE(header);
  const auto index = ReadBlockIndex(**file, header->header.seed());
  EXPECT_TRUE(index);
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < index->entries.size(); ++i) {
    const bool last = i + 1 == index->entries.size();
    const Offset end = last ? index->trailer.end : index->entries[i + 1].offset;
    most = std::max(most, end - index->entries[i].offset);
  }
  return {most, index->entries.size()};
}

class DamagedBlocks : public Damages, public testing::WithParamInterface<BlockCodec> {};

TEST_P(DamagedBlocks, AFlippedBitOfACompressedSegmentCostsAtMostOneBlock) {
  LogRig rig;
  rig.options.codec = GetParam();
  rig.options.first_segment_bytes = rig.options.segment_bytes = 256 * 1024;
  ASSERT_TRUE(rig.Open());
  std::uint64_t records = 0;
  while (rig.log().segments(0).size() < 2) {
    std::vector<std::string> payloads(8);  // so that little of the file is padding
    for (std::string& payload : payloads) {
      payload = std::to_string(records++) + "/";
      while (payload.size() < 100) payload += static_cast<char>(rig.random.Draw());
      payload += std::string(500, 'x');
    }
    ASSERT_TRUE(rig.Put(payloads));
  }
  rig.Settle();
  rig.Drop();
  rig.fs().ForgetHistory();
  const auto [most, blocks] = FullestBlock(rig.fs(), kFirstCompressed);
  ASSERT_GE(blocks, 4u);
  ASSERT_LT(most, records / 3);
  const std::uint64_t bits = rig.fs().Bytes(kFirstCompressed).size() * 8;
  ASSERT_TRUE(VerifyLog(rig.fs(), LogRig::kDir)->damage.empty());
  std::uint64_t worst = 0;
  for (std::uint64_t bit = 0; bit < bits; bit += test::Stride(29)) {
    rig.fs().FlipBit(kFirstCompressed, bit);
    const auto report = VerifyLog(rig.fs(), LogRig::kDir);
    ASSERT_TRUE(report);
    ASSERT_FALSE(report->damage.empty()) << "bit " << bit;
    ASSERT_GE(report->records + most, records) << "bit " << bit;
    worst = std::max(worst, records - report->records);
    rig.fs().FlipBit(kFirstCompressed, bit);
  }
  EXPECT_GT(worst, most / 2) << "no block was hit, so the bound says nothing";
}

INSTANTIATE_TEST_SUITE_P(BothWays, DamagedBlocks,
                         testing::Values(BlockCodec::kLz4, BlockCodec::kZstd));

TEST_F(Damages, ReadersSkipADamagedBlockAndADamagedIndex) {
  LogRig rig;
  rig.options.segment_bytes = rig.options.first_segment_bytes = 512 * 1024;
  ASSERT_TRUE(rig.Open());
  std::map<Offset, std::string> records;
  for (int i = 0; rig.log().segments(0).size() < 2; ++i) {
    std::string payload = std::to_string(i);
    while (payload.size() < 900) payload += static_cast<char>(rig.random.Draw());
    records[*rig.Put(payload)] = payload;
  }
  rig.Settle();
  rig.Drop();
  rig.fs().ForgetHistory();
  const std::uint64_t bits = rig.fs().Bytes(kFirstCompressed).size() * 8;
  int lossless = 0;
  for (std::uint64_t bit = 5; bit < bits; bit += 9'973) {
    rig.fs().FlipBit(kFirstCompressed, bit);
    ASSERT_TRUE(rig.Open());
    const auto found = rig.ReadAll();
    ASSERT_GE(found.size() + 66, records.size());
    for (const auto& [offset, payload] : found) ASSERT_EQ(payload, records.at(offset));
    ASSERT_EQ(records.size() - found.size(), rig.log().health().damaged_records);
    lossless += found.size() == records.size() ? 1 : 0;
    rig.Drop();
    rig.fs().FlipBit(kFirstCompressed, bit);
  }
  // The index is a small part of the file; hit it on purpose.
  rig.fs().FlipBit(kFirstCompressed, bits - 70 * 8);
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.ReadAll(), records) << "the index is rebuilt from the blocks";
  EXPECT_EQ(rig.log().damage().size(), 1u);
}

TEST_F(Damages, SectorThatCannotBeReadCostsOnlyItsRecords) {
  LogRig rig;
  rig.options.recompress = false;
  const auto records = WriteSealed(rig);
  rig.fs().BreakRange(kFirstRaw, 20'480, 512);
  ASSERT_TRUE(rig.Open());
  const auto found = rig.ReadAll();
  EXPECT_LT(found.size(), records.size());
  EXPECT_GT(found.size() + 10, records.size());
  for (const auto& [offset, payload] : found) EXPECT_EQ(payload, records.at(offset));
  EXPECT_EQ(rig.log().health().damaged_records, records.size() - found.size());
}

TEST_F(Damages, ReadThatFailsOnceIsTriedAgainAndNothingIsLost) {
  LogRig rig;
  rig.options.recompress = false;
  const auto records = WriteSealed(rig);
  ASSERT_TRUE(rig.Open());
  rig.fs().FailCall(sim::Call::kRead, 0, ErrorCode::kIo);
  EXPECT_EQ(rig.ReadAll(), records);
  EXPECT_TRUE(rig.log().damage().empty());
}

// ---- Files in the wrong place

class Misplaced : public Damages {
 protected:
  // Five sealed segments, alternately compressed, and an active one.
  void SetUp() override {
    Damages::SetUp();
    rig_.options.first_segment_bytes = rig_.options.segment_bytes = 8192;
    rig_.options.recompress = false;
    EXPECT_TRUE(rig_.Open());
    for (int i = 0; rig_.log().segments(0).size() < 6; ++i) {
      const std::string payload = std::to_string(i) + std::string(300, 'p');
      records_[*rig_.Put(payload)] = payload;
    }
    rig_.Idle();
    rig_.Drop();
    rig_.fs().ForgetHistory();
    pristine_ = rig_.fs().Clone();
    names_ = rig_.SegmentFiles();
  }

  // What is served is right, what is not served is named, and no offset is used again.
  void ExpectNamed(SimFs& fs, const std::string& what) {
    const auto report = VerifyLog(fs, LogRig::kDir);
    ASSERT_TRUE(report) << what;
    EXPECT_FALSE(report->damage.empty()) << what << ": verify did not notice";
    LogRig rig(fs, 99);
    rig.options = rig_.options;
    const Status opened = rig.Open();
    ASSERT_TRUE(opened) << what << ": " << opened.error().ToString();
    for (const auto& [offset, payload] : rig.ReadAll()) {
      const auto right = records_.find(offset);
      ASSERT_NE(right, records_.end()) << what;
      ASSERT_EQ(payload, right->second) << what << ": served as good";
    }
    EXPECT_FALSE(rig.log().damage().empty()) << what << ": not named";
    const auto next = rig.Put("after");
    ASSERT_TRUE(next) << what;
    EXPECT_GE(*next, records_.size()) << what << ": an offset was used again";
  }

  LogRig rig_;
  std::map<Offset, std::string> records_;
  std::unique_ptr<SimFs> pristine_;
  std::vector<std::string> names_;
};

TEST_F(Misplaced, SwappedSegmentsAreNamedAndNeverServed) {
  for (std::size_t a = 0; a < names_.size(); ++a) {
    for (std::size_t b = a + 1; b < names_.size(); ++b) {
      const auto fs = pristine_->Clone();
      const std::string pa = rig_.PathOf(names_[a]);
      const std::string pb = rig_.PathOf(names_[b]);
      const std::string bytes = fs->Bytes(pa);
      fs->SetBytes(pa, fs->Bytes(pb));
      fs->SetBytes(pb, bytes);
      ExpectNamed(*fs, "swapped " + names_[a] + " " + names_[b]);
    }
  }
}

TEST_F(Misplaced, DuplicatedSegmentsAreNamedAndNeverServed) {
  for (const std::string& from : names_) {
    for (const std::string& to : names_) {
      if (from == to) continue;
      const auto fs = pristine_->Clone();
      fs->SetBytes(rig_.PathOf(to), fs->Bytes(rig_.PathOf(from)));
      ExpectNamed(*fs, from + " copied over " + to);
    }
    const auto fs = pristine_->Clone();
    fs->SetBytes(rig_.PathOf(SegmentStem(1'000'000) + ".seg"), fs->Bytes(rig_.PathOf(from)));
    ExpectNamed(*fs, from + " copied to a name of its own");
  }
}

TEST_F(Misplaced, DeletedSegmentsAreNamed) {
  for (const std::string& name : names_) {
    const auto fs = pristine_->Clone();
    ASSERT_TRUE(fs->Remove(rig_.PathOf(name)));
    ExpectNamed(*fs, "deleted " + name);
  }
}

TEST_F(Misplaced, SegmentsOfAnotherTimeAreNamedAndNeverServed) {
  // Another log, written later with the same sizes: its segments have the same names.
  LogRig other(7);
  other.options = rig_.options;
  ASSERT_TRUE(other.Open());
  for (int i = 0; other.log().segments(0).size() < 6; ++i) {
    ASSERT_TRUE(other.Put(std::to_string(i) + std::string(300, 'q')));
  }
  other.Idle();
  other.Drop();
  for (std::size_t i = 1; i + 1 < names_.size(); ++i) {
    const auto fs = pristine_->Clone();
    fs->SetBytes(rig_.PathOf(names_[i]), other.fs().Bytes(rig_.PathOf(names_[i])));
    ExpectNamed(*fs, "a stranger in place of " + names_[i]);
  }
}

TEST_F(Misplaced, ShorterCopyOfASegmentIsNamed) {
  for (std::size_t i = 0; i + 1 < names_.size(); ++i) {
    const auto fs = pristine_->Clone();
    std::string bytes = fs->Bytes(rig_.PathOf(names_[i]));
    const std::string half = bytes.substr(0, bytes.size() / 2);
    fs->SetBytes(rig_.PathOf(names_[i]), half);
    const auto report = VerifyLog(*fs, LogRig::kDir);
    EXPECT_FALSE(report->damage.empty());
    LogRig rig(*fs, 5);
    rig.options = rig_.options;
    ASSERT_TRUE(rig.Open());
    const auto found = rig.ReadAll();
    EXPECT_LT(found.size(), records_.size());
    EXPECT_EQ(rig.log().health().damaged_records, records_.size() - found.size());
  }
}

TEST_F(Misplaced, ZeroedBlocksAreNamed) {
  for (const std::string& name : names_) {
    const bool active = name == names_.back();
    const std::string path = rig_.PathOf(name);
    for (std::uint64_t at = 0; at < pristine_->Bytes(path).size(); at += 4096) {
      const auto fs = pristine_->Clone();
      std::string bytes = fs->Bytes(path);
      const std::string before = bytes;
      bytes.replace(at, 4096, std::string(4096, '\0'));
      if (bytes == before) continue;
      fs->SetBytes(path, bytes);
      // The last group of an active segment can be zeroed so that it looks never written.
      if (active && at > 0) continue;
      ExpectNamed(*fs, name + " zeroed at " + std::to_string(at));
    }
  }
}

TEST_F(Misplaced, ExpiredSegmentThatIsPutBackIsNamedByVerifyAndNeverServed) {
  ASSERT_TRUE(rig_.Open());
  rig_.Drop();
  rig_.options.retention.age_us = kMicrosPerSecond;
  rig_.clock.Advance(10 * kNanosPerSecond);
  ASSERT_TRUE(rig_.Open());
  rig_.Settle();
  const Offset first = rig_.log().first(0);
  ASSERT_GT(first, 0u);
  rig_.Drop();
  rig_.fs().SetBytes(kFirstRaw, pristine_->Bytes(kFirstRaw));
  EXPECT_FALSE(VerifyLog(rig_.fs(), LogRig::kDir)->damage.empty());
  ASSERT_TRUE(rig_.Open());
  EXPECT_EQ(rig_.log().first(0), first);
  EXPECT_FALSE(rig_.fs().Exists(kFirstRaw));
}

}  // namespace
}  // namespace tributary::log
