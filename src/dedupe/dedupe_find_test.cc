// What is known of an id, and how little is read to say so.
#include "dedupe/dedupe.h"

#include <set>

#include "sim/dedupe_rig.h"

namespace tributary::dedupe {
namespace {

using sim::DedupeRig;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<log::Offset> Offsets(const Result<std::vector<Match>>& matches) {
  EXPECT_TRUE(matches) << matches.error().ToString();
  std::vector<log::Offset> out;
  for (const Match& match : *matches) out.push_back(match.offset);
  return out;
}

// A trace looks for one id among any number of index files, and opens those that have it.
TEST(Dedupe, AnIdIsFoundWithoutLookingIntoEveryIndexFile) {
  DedupeRig rig(100);
  rig.MustOpen();
  std::vector<log::Offset> sent;
  for (int i = 0; i < 40; ++i) {
    if (i == 3 || i == 20 || i == 31) sent.push_back(rig.Put(0, 1, "a"));
    rig.PutOthers(0, 99);
    rig.Sync();
  }
  rig.Settle();
  ASSERT_GE(rig.Files(".ids").size(), 35u);
  const auto read_by = [&](auto look) {
    const std::uint64_t before = rig.fs.calls(sim::Call::kRead);
    look();
    return rig.fs.calls(sim::Call::kRead) - before;
  };
  EXPECT_LE(read_by([&] {
              const auto found = *rig.stage->Find(1, "a");
              ASSERT_EQ(found.size(), 3u) << "the original and both repeats";
              std::vector<log::Offset> offsets;
              for (const Match& match : found) offsets.push_back(match.offset);
              std::ranges::sort(offsets);
              EXPECT_EQ(offsets, sent);
            }),
            12u);
  EXPECT_LE(read_by([&] { EXPECT_TRUE(rig.stage->Find(1, "never sent")->empty()); }), 4u);
}

// What a trace without a source asks: 2,000 of them, of which one has the id, in an old index file,
// a new one, or not yet in any.
TEST(Dedupe, TheSourceOfAnIdIsFoundAmongThousands) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.Put(0, 7, "old");
  rig.Put(0, 7, "both");
  for (int i = 0; i < 10; ++i) {
    rig.PutOthers(0, 99);
    rig.Sync();
  }
  rig.Put(0, 1'500, "both");
  rig.Put(0, 3, "new");
  rig.Put(0, 4, "new");
  rig.Settle();
  std::vector<log::SourceId> sources;
  for (log::SourceId source = 2'000; source > 0; --source) sources.push_back(source);
  const auto of = [&](const char* id) { return rig.stage->SourceOfNewest(sources, id).value(); };
  EXPECT_EQ(of("old"), 7U);
  EXPECT_EQ(of("both"), 1'500U);
  EXPECT_EQ(of("new"), 4U);
  EXPECT_EQ(of("never"), std::nullopt);
  sources.resize(1'000);  // from 2,000 down to 1,001
  EXPECT_EQ(of("old"), std::nullopt);
  EXPECT_EQ(of("both"), 1'500U);
}

// An id is unique per source only, and may come again once the window has passed it.
TEST(DedupeFind, EveryOriginalOfAnIdIsFoundWhicheverSourceSentIt) {
  DedupeRig rig(100);
  rig.MustOpen();
  const log::Offset old = rig.Put(0, 7, "a");
  rig.Put(0, 7, "a");
  rig.Put(0, 7, "b");
  for (int i = 0; i < 10; ++i) {
    rig.PutOthers(0, 99);
    rig.Sync();
  }
  const log::Offset next = rig.Put(0, 1'500, "a");
  const log::Offset other = rig.Put(1, 3, "a");
  const log::Offset newest = rig.Put(0, 4, "a");
  rig.Put(0, 4, "a");
  rig.Settle();
  std::vector<log::SourceId> sources;
  for (log::SourceId source = 2'000; source > 0; --source) sources.push_back(source);
  const auto of = [&](const char* id, std::size_t max = 100) {
    auto found = rig.stage->OriginalsOf(sources, id, max);
    EXPECT_TRUE(found);
    std::set<std::pair<log::Partition, log::Offset>> places;
    for (const Match& match : *found) places.emplace(match.partition, match.offset);
    EXPECT_EQ(places.size(), found->size());
    return places;
  };
  using Places = std::set<std::pair<log::Partition, log::Offset>>;
  EXPECT_EQ(of("a"), (Places{{0, old}, {0, next}, {1, other}, {0, newest}}));
  EXPECT_EQ(of("a", 3).size(), 3U);
  EXPECT_EQ(of("a", 1).size(), 1U);
  EXPECT_EQ(of("b").size(), 1U);
  EXPECT_TRUE(of("never").empty());
  sources = {7, 4};
  EXPECT_EQ(of("a"), (Places{{0, old}, {0, newest}}));
  rig.log.RetainTo(0, next);
  EXPECT_EQ(of("a"), (Places{{0, newest}}));
}

TEST(DedupeFind, ListsOriginalAndRepeatsNewestFirst) {
  DedupeRig rig(100);
  rig.MustOpen();
  const log::Offset first = rig.Put(1, 5, "a");
  rig.PutOthers(1, 250);
  rig.Sync();
  const log::Offset second = rig.Put(1, 5, "a");
  rig.Put(1, 6, "a");
  rig.PutOthers(1, 250);
  rig.Sync();
  const log::Offset third = rig.Put(1, 5, "a");
  rig.Settle();
  const auto found = rig.stage->Find(5, "a");
  EXPECT_THAT(Offsets(found), ElementsAre(third, second, first));
  EXPECT_TRUE((*found)[0].duplicate);
  EXPECT_FALSE((*found)[2].duplicate);
  EXPECT_EQ((*found)[2].partition, 1u);
  EXPECT_THAT(Offsets(rig.stage->Find(7, "a")), IsEmpty());
  EXPECT_THAT(Offsets(rig.stage->Find(5, "b")), IsEmpty());
}

TEST(DedupeFind, ALatestCountOfRepeatsIsListedAndTheOriginalAlways) {
  DedupeRig rig(500);
  rig.MustOpen();
  const log::Offset first = rig.Put(0, 1, "a");
  for (std::size_t i = 0; i < Dedupe::kMatchesMax + 500; ++i) rig.Put(0, 1, "a");
  rig.Sync();
  const auto found = Offsets(rig.stage->Find(1, "a"));
  ASSERT_EQ(found.size(), Dedupe::kMatchesMax + 1);
  EXPECT_EQ(found.front(), Dedupe::kMatchesMax + 500);
  EXPECT_EQ(found.back(), first);
}

TEST(DedupeFind, WhatRetentionTookIsNotListedButStillRemembered) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.Put(0, 1, "a");
  rig.PutOthers(0, 300);
  rig.Sync();
  rig.log.RetainTo(0, 200);
  EXPECT_THAT(Offsets(rig.stage->Find(1, "a")), IsEmpty());
  const log::Offset again = rig.Put(0, 1, "a");
  rig.Settle();
  EXPECT_TRUE(rig.stage->IsDuplicate(0, again));
}

}  // namespace
}  // namespace tributary::dedupe
