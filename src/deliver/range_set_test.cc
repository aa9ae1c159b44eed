#include "deliver/range_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tributary::deliver {
namespace {

TEST(RangeSet, NeighboursMergeAndHolesStay) {
  RangeSet set;
  set.Add(5, 7);
  set.Add(9, 10);
  set.Add(7, 8);
  EXPECT_EQ(set.ranges(), (std::map<log::Offset, log::Offset>{{5, 8}, {9, 10}}));
  set.Add(8, 9);
  EXPECT_EQ(set.ranges(), (std::map<log::Offset, log::Offset>{{5, 10}}));
  set.RemoveBelow(6);
  EXPECT_FALSE(set.Contains(5));
  EXPECT_TRUE(set.Contains(6));
  EXPECT_EQ(set.FirstFrom(0), 6U);
  EXPECT_EQ(set.FirstFrom(10), std::nullopt);
}

TEST(RangeSet, AgreesWithASetOfNumbers) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    RangeSet ranges;
    std::set<log::Offset> model;
    for (int step = 0; step < 60; ++step) {
      const log::Offset first = random() % 64;
      const log::Offset end = first + random() % 6;
      ranges.Add(first, end);
      for (log::Offset o = first; o < end; ++o) model.insert(o);
      if (random() % 4 == 0) {
        const log::Offset one = random() % 70;
        ranges.Remove(one);
        model.erase(one);
      }
      if (random() % 8 == 0) {
        const log::Offset below = random() % 64;
        ranges.RemoveBelow(below);
        model.erase(model.begin(), model.lower_bound(below));
      }
      for (log::Offset o = 0; o < 72; ++o) {
        ASSERT_EQ(ranges.Contains(o), model.contains(o)) << "seed " << seed << " offset " << o;
      }
    }
  }
}

TEST(Progress, CursorPassesOnlyWhatIsSettled) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Progress progress(3);
    std::set<log::Offset> settled{0, 1, 2};
    for (int step = 0; step < 60; ++step) {
      const log::Offset first = random() % 64;
      const log::Offset end = first + random() % 4;
      progress.Settle(first, end);
      for (log::Offset o = first; o < end; ++o) settled.insert(o);
      log::Offset lowest = 0;
      while (settled.contains(lowest)) ++lowest;
      ASSERT_EQ(progress.cursor(), lowest) << "seed " << seed;
      for (log::Offset o = 0; o < 72; ++o) ASSERT_EQ(progress.Settled(o), settled.contains(o));
    }
  }
}

}  // namespace
}  // namespace tributary::deliver
