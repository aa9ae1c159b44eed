#include "dedupe/id_filter.h"

#include "dedupe/ids_kit_test.h"

namespace tributary::dedupe {
namespace {

constexpr std::uint64_t kSeed = 42;

TEST(IdFilter, NeverSaysNoneOfAnIdItHolds) {
  IdFilter filter(1 << 16, kSeed);
  const std::size_t ids = IdFilter::IdsIn(1 << 16);
  for (std::size_t i = 0; i < ids; ++i) filter.Add(Id(i), i % IdFilter::kRunsMax);
  EXPECT_LE(filter.size(), ids);
  for (std::size_t i = 0; i < ids; ++i) {
    ASSERT_NE(filter.RunsOf(Id(i)) & (1ULL << (i % IdFilter::kRunsMax)), 0u) << i;
  }
}

TEST(IdFilter, FullItNamesARunInVainForFewStrangers) {
  IdFilter filter(1 << 16, kSeed);
  for (std::size_t i = 0; filter.room() > 0; ++i) filter.Add(Id(i), 5);
  int named = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) named += filter.RunsOf(Id(1'000'000 + i)) != 0;
  EXPECT_LT(named, 1'500);
  EXPECT_GT(named, 100) << "too good: is the fingerprint looked at?";
}

TEST(IdFilter, ARunIsToldFromAnother) {
  IdFilter filter(1024, kSeed);
  filter.Add(Id(1), 0);
  filter.Add(Id(1), 63);
  filter.Add(Id(2), 7);
  EXPECT_EQ(filter.RunsOf(Id(1)), (1ULL << 63) | 1);
  EXPECT_EQ(filter.RunsOf(Id(2)), 1ULL << 7);
  EXPECT_EQ(filter.size(), 3u);
}

TEST(IdFilterDeathTest, PastItsRoomIsABug) {
  IdFilter filter(8, kSeed);
  for (std::uint64_t i = 0; filter.room() > 0; ++i) filter.Add(Id(i), 0);
  EXPECT_DEATH(filter.Add(Id(1'000), 1), "room");
}

IdEntry Entry(std::uint64_t n, std::uint32_t place, bool duplicate = false) {
  return {.id = Id(n), .place = duplicate ? place | IdEntry::kDuplicateBit : place};
}

TEST(IdTable, FindsTheLatestOriginalAndNoDuplicate) {
  IdTable table(100, kSeed);
  EXPECT_EQ(table.LatestOriginal(Id(1)), nullptr);
  table.Add(Entry(1, 0));
  table.Add(Entry(1, 1, true));
  EXPECT_EQ(table.LatestOriginal(Id(1))->relative(), 0u);
  table.Add(Entry(1, 2));
  table.Add(Entry(2, 3, true));
  EXPECT_EQ(table.LatestOriginal(Id(1))->relative(), 2u);
  EXPECT_EQ(table.LatestOriginal(Id(2)), nullptr);
}

TEST(IdTable, GrowsWithItsIdsAndIsFullAtItsLimit) {
  constexpr std::uint32_t kIds = 10'000;
  IdTable table(kIds, kSeed);
  EXPECT_EQ(table.bytes(), 0u) << "an idle program pays nothing";
  table.Add(Entry(0, 0));
  EXPECT_LT(table.bytes(), 4'096u);
  for (std::uint32_t i = 1; i < kIds; ++i) {
    ASSERT_FALSE(table.full());
    table.Add(Entry(i, i));
  }
  EXPECT_TRUE(table.full());
  EXPECT_LT(table.bytes(), kIds * 100u);
  for (std::uint32_t i = 0; i < kIds; ++i) ASSERT_EQ(table.LatestOriginal(Id(i))->relative(), i);
  EXPECT_DEATH(table.Add(Entry(kIds, kIds)), "full");
  table.Clear();
  EXPECT_EQ(table.LatestOriginal(Id(1)), nullptr);
}

}  // namespace
}  // namespace tributary::dedupe
