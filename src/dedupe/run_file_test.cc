#include "dedupe/run_file.h"

#include <set>

#include "dedupe/ids_kit_test.h"
#include "sim/sim_fs.h"

namespace tributary::dedupe {
namespace {

// testing::Test has a member of the name Run.
using IndexRun = Run;

class RunFile : public testing::Test {
 protected:
  RunFile() { EXPECT_TRUE(fs_.CreateDir("d")); }

  static IdEntry Entry(std::uint64_t id, std::uint32_t place, bool duplicate = false) {
    return {.id = Id(id),
            .place = duplicate ? place | IdEntry::kDuplicateBit : place,
            .received_s = place / 10};
  }
  std::shared_ptr<const IndexRun> Write(std::vector<IdEntry> entries) {
    const RunInfo info = {.first = 1'000,
                          .end = 1'000 + entries.size(),
                          .base_s = 5'000,
                          .newest_s = 5'100,
                          .ids_before = 77};
    auto run = IndexRun::Write(files_, "d", info, entries);
    EXPECT_TRUE(run) << run.error().ToString();
    return *run;
  }

  sim::SimFs fs_;
  OpenFiles files_{fs_};
};

TEST_F(RunFile, EveryIdIsFoundAndNoOther) {
  for (const std::size_t count : {0u, 1u, 169u, 170u, 171u, 5'000u}) {
    std::vector<IdEntry> entries;
    for (std::uint32_t i = 0; i < count; ++i) entries.push_back(Entry(i, i));
    const auto written = Write(entries);
    const auto run = IndexRun::Open(files_, written->path());
    ASSERT_TRUE(run) << run.error().ToString();
    EXPECT_EQ((*run)->info().entries, count);
    EXPECT_EQ((*run)->info().ids_end(), 77 + count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto found = (*run)->LatestOriginal(Id(i));
      ASSERT_TRUE(found && found->has_value()) << i << " of " << count;
      ASSERT_EQ((*run)->OffsetOf(**found), 1'000u + i);
      ASSERT_EQ((*run)->ReceivedAt(**found), 5'000 + i / 10);
      ASSERT_FALSE((*run)->LatestOriginal(Id(1'000'000 + i))->has_value());
    }
    EXPECT_EQ((*run)->ReadAll()->size(), count);
  }
}

// Also where those of one id fill more than a block.
TEST_F(RunFile, AllOriginalsOfManyIdsAreFoundAsOneByOne) {
  std::vector<IdEntry> entries;
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    const std::uint64_t id = i % 10 == 0 ? 7 : i / 3;
    entries.push_back(Entry(id, i, i % 3 == 1));
  }
  const auto run = Write(entries);
  for (const std::uint64_t step : {1U, 5U, 400U}) {
    std::vector<Hash128> ids;
    std::set<log::Offset> expected;
    for (std::uint64_t id = step == 5 ? 2 : 0; id < 2'000; id += step) {
      ids.push_back(Id(id));
      const auto all = run->AllOf(Id(id), 5'000);
      ASSERT_TRUE(all);
      for (const IdEntry& entry : *all) {
        if (!entry.duplicate()) expected.insert(run->OffsetOf(entry));
      }
    }
    std::ranges::sort(ids);
    std::set<log::Offset> found;
    const auto originals = run->OriginalsOf(ids);
    ASSERT_TRUE(originals);
    for (const IdEntry& entry : *originals) found.insert(run->OffsetOf(entry));
    EXPECT_EQ(found.size(), originals->size());
    EXPECT_EQ(found, expected) << step;
  }
}

TEST_F(RunFile, TheLatestOfManyIdsIsFoundAsOneByOne) {
  std::vector<IdEntry> entries;
  for (std::uint32_t i = 0; i < 5'000; ++i) entries.push_back(Entry(i / 3, i, i % 3 == 1));
  const auto run = Write(entries);
  for (const std::uint64_t step : {1U, 7U, 400U, 5'000U}) {
    for (const std::uint64_t from : {0U, 13U, 1'600U, 9'999U}) {
      std::vector<Hash128> ids;
      std::optional<log::Offset> expected;
      for (std::uint64_t n = from; n < from + 20'000 && ids.size() < 2'000; n += step) {
        ids.push_back(Id(n));
        const auto one = run->LatestOriginal(ids.back());
        if (*one) expected = std::max(expected.value_or(0), run->OffsetOf(**one));
      }
      std::ranges::sort(ids);
      const auto found = run->LatestOriginalOf(ids);
      ASSERT_TRUE(found.has_value());
      EXPECT_EQ(*found ? std::optional(run->OffsetOf(**found)) : std::nullopt, expected);
    }
  }
}

TEST_F(RunFile, TakesAtMost25BytesPerId) {
  std::vector<IdEntry> entries;
  for (std::uint32_t i = 0; i < kRunIdsMax; ++i) entries.push_back(Entry(i, i));
  EXPECT_LE(fs_.Bytes(Write(entries)->path()).size(), kRunIdsMax * 25u);
}

// A client that sends one id over and over makes one long stretch of equal entries.
TEST_F(RunFile, ManyRepeatsOfOneIdHideNeitherItNorTheOthers) {
  std::vector<IdEntry> entries;
  for (std::uint32_t i = 0; i < 20'000; ++i)
    entries.push_back(Entry(i % 4 == 0 ? i : 7, i, i % 4 != 0));
  entries.push_back(Entry(7, 20'000));
  const auto run = Write(entries);
  EXPECT_EQ((*run->LatestOriginal(Id(7)))->relative(), 20'000u);
  for (std::uint32_t i = 0; i < 20'000; i += 4) {
    ASSERT_EQ((*run->LatestOriginal(Id(i)))->relative(), i);
  }
  const auto all = run->AllOf(Id(7), 100);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 101u);
  EXPECT_FALSE((*all)[0].duplicate());
  EXPECT_TRUE((*all)[1].duplicate());
  EXPECT_EQ((*all)[1].relative(), 19'999u);
}

TEST_F(RunFile, OnlyDuplicatesOfAnIdAreNoOriginal) {
  const auto run = Write({Entry(1, 0), Entry(2, 1, true)});
  EXPECT_FALSE(run->LatestOriginal(Id(2))->has_value());
  EXPECT_EQ(run->AllOf(Id(2), 10)->size(), 1u);
}

TEST_F(RunFile, EveryFlippedBitIsDetected) {
  std::vector<IdEntry> entries;
  for (std::uint32_t i = 0; i < 200; ++i) entries.push_back(Entry(i, i));
  const std::string path = Write(entries)->path();
  const std::string good = fs_.Bytes(path);
  fs_.ForgetHistory();
  for (std::uint64_t bit = 0; bit < good.size() * 8; bit += 3) {
    if (bit / 8 >= 64 && bit / 8 < IndexRun::kBlockBytes) continue;  // zeros after the header
    fs_.FlipBit(path, bit);
    files_.Forget(path);
    const auto run = IndexRun::Open(files_, path);
    const bool noticed = !run || !(*run)->ReadAll();
    ASSERT_TRUE(noticed) << "bit " << bit;
    fs_.FlipBit(path, bit);
  }
}

TEST_F(RunFile, CutShortOrRenamedIsDetected) {
  const std::string path = Write({Entry(1, 0), Entry(2, 1)})->path();
  const std::string good = fs_.Bytes(path);
  fs_.SetBytes(path, good.substr(0, good.size() - 1));
  files_.Forget(path);
  EXPECT_EQ(IndexRun::Open(files_, path).error().code(), ErrorCode::kCorrupt);
  const std::string other = "d/" + IndexRun::FileName(1'000, 1'003);
  fs_.SetBytes(other, good);
  EXPECT_EQ(IndexRun::Open(files_, other).error().code(), ErrorCode::kCorrupt);
}

TEST_F(RunFile, NamesAreParsedBack) {
  const auto range = IndexRun::ParseFileName(IndexRun::FileName(5, ~0ULL));
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5u);
  EXPECT_EQ(range->end, ~0ULL);
  EXPECT_FALSE(IndexRun::ParseFileName(IndexRun::FileName(5, 6) + ".tmp"));
  EXPECT_FALSE(IndexRun::ParseFileName("x"));
}

TEST_F(RunFile, OpenFilesAreBounded) {
  for (std::size_t i = 0; i < OpenFiles::kFilesMax + 10; ++i) {
    const std::string path = "d/f" + std::to_string(i);
    fs_.SetBytes(path, "x");
    ASSERT_TRUE(files_.Get(path));
  }
  EXPECT_EQ(files_.size(), OpenFiles::kFilesMax);
}

}  // namespace
}  // namespace tributary::dedupe
