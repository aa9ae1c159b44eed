// Repeats that a run holds are never forgotten, and cost a bounded memory.
#include "dedupe/repeat_set.h"

#include <gtest/gtest.h>

namespace tributary::dedupe {
namespace {

TEST(RepeatSet, NeverForgetsARepeatAndSaysPerhapsToAllPastItsLimit) {
  std::vector<IdEntry> entries(10'000);
  const auto make = [&](std::size_t repeats) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      entries[i].id = {i, i * 2'654'435'761U};
      entries[i].place = static_cast<std::uint32_t>(i);
      if (i < repeats) entries[i].place |= IdEntry::kDuplicateBit;
    }
    return RepeatSet(entries);
  };
  EXPECT_FALSE(make(0).MayHold(entries[0].id));
  const RepeatSet some = make(1'000);
  std::size_t perhaps = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool may = some.MayHold(entries[i].id);
    if (i >= 1'000) perhaps += may;
    ASSERT_TRUE(may || i >= 1'000) << i;
  }
  EXPECT_LT(perhaps, 10u);
  EXPECT_FALSE(make(RepeatSet::kIdsMax).MayHold({1, 1}));
  const RepeatSet many = make(9'000);
  for (const IdEntry& entry : entries) EXPECT_TRUE(many.MayHold(entry.id));
  // One id again and again is one id.
  for (IdEntry& entry : entries) {
    entry.id = {7, 7};
    entry.place |= IdEntry::kDuplicateBit;
  }
  EXPECT_TRUE(RepeatSet(entries).MayHold({7, 7}));
  EXPECT_FALSE(RepeatSet(entries).MayHold({8, 8}));
}

}  // namespace
}  // namespace tributary::dedupe
