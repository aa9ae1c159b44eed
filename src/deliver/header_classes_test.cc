// Lanes that want nothing of a window pass it whole, and count as if they had looked at each
// record.
#include "deliver/header_classes.h"

#include <gtest/gtest.h>

#include "deliver/sim_kit_test.h"

namespace tributary::deliver {
namespace {

constexpr std::size_t kLanes = 40;
constexpr std::size_t kBatches = 10;
constexpr std::size_t kBatchEvents = 100;

// Batches of events of two names, one of them a duplicate in each batch.
void AppendBatches(DeliverWorld& world) {
  for (std::size_t b = 0; b < kBatches; ++b) {
    auto batch = std::make_unique<log::Batch>();
    world.verdicts.duplicates.insert({0, world.log.assigned(0) + 7});
    for (std::size_t i = 0; i < kBatchEvents; ++i) {
      const std::string id = std::to_string(b) + "-" + std::to_string(i);
      const log::RecordFields fields{
          .source = 1, .name = i % 2 == 0 ? "Even" : "Odd", .message_id = id};
      ASSERT_TRUE(batch->Add(fields, "{}").has_value());
    }
    ASSERT_TRUE(world.log.Append(0, batch, [](const auto&) {}).has_value());
  }
  world.verdicts.Decide(world.log);
}

TEST(HeaderClasses, ManyLanesThatWantNothingAskFewQuestionsAndCountEveryEvent) {
  DeliverWorld world(3);
  world.verdicts.sync_by_itself = true;
  world.Open();
  for (std::size_t i = 0; i < kLanes; ++i) {
    world.Make("never" + std::to_string(i), {{"names", {"Never"}}});
  }
  world.Make("odd", {{"names", {"Odd"}}});
  NameMatchers::asked = 0;
  AppendBatches(world);
  world.sim.RunFor(10 * kNanosPerSecond);
  constexpr std::size_t kEvents = kBatches * (kBatchEvents - 1);
  for (std::size_t i = 0; i < kLanes; ++i) {
    const LaneStats stats = world.Stats("never" + std::to_string(i));
    EXPECT_EQ(stats.filtered, kEvents);
    EXPECT_EQ(stats.lag, 0u);
  }
  const LaneStats odd = world.Stats("odd");
  EXPECT_EQ(odd.delivered, kBatches * (kBatchEvents / 2 - 1));
  EXPECT_EQ(odd.filtered, kBatches * kBatchEvents / 2);
  // Two loops, on each of which one lane looks at every record, and the lane that wants some.
  EXPECT_LT(NameMatchers::asked, 4 * kBatches * kBatchEvents + 4 * kLanes);
}

TEST(HeaderClasses, AChangedRuleIsAskedAnew) {
  DeliverWorld world(4);
  world.verdicts.sync_by_itself = true;
  world.Open();
  for (const char* name : {"a", "b", "c", "d"}) world.Make(name, {{"names", {"Never"}}});
  AppendBatches(world);
  world.sim.RunFor(kNanosPerSecond);
  ASSERT_TRUE(world.Patch("b", {{"names", {"Even"}}}).has_value());
  AppendBatches(world);
  world.sim.RunFor(10 * kNanosPerSecond);
  EXPECT_EQ(world.Stats("b").delivered, kBatches * kBatchEvents / 2);
  EXPECT_EQ(world.Stats("a").delivered, 0u);
}

TEST(HeaderClasses, NumberingBeginsAnewPastItsLimit) {
  HeaderClasses classes;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < HeaderClasses::kClassesMax; ++i) {
    EXPECT_FALSE(classes.full());
    EXPECT_EQ(classes.NumberOf({.name = std::to_string(i)}), i);
  }
  EXPECT_TRUE(classes.full());
  EXPECT_EQ(classes.NumberOf({.name = "7"}), 7u);
  EXPECT_EQ(classes.At(7).name, "7");
  const std::uint64_t before = classes.generation();
  classes.Clear();
  EXPECT_NE(classes.generation(), before);
  EXPECT_EQ(classes.NumberOf({.name = "7"}), 0u);
}

TEST(HeaderClasses, EveryFieldThatARuleReadsMakesAClass) {
  HeaderClasses classes;
  const log::RecordFields one{.source = 1, .name = "n"};
  auto other = one;
  EXPECT_EQ(classes.NumberOf(one), 0u);
  other.source = 2;
  EXPECT_EQ(classes.NumberOf(other), 1u);
  other = one;
  other.kind = log::Kind::kSystem;
  EXPECT_EQ(classes.NumberOf(other), 2u);
  other = one;
  other.type = log::EventType::kPage;
  EXPECT_EQ(classes.NumberOf(other), 3u);
  other = one;
  other.flags = log::kFlagHistorical;
  EXPECT_EQ(classes.NumberOf(other), 4u);
  other = one;
  other.key = other.message_id = "x";
  EXPECT_EQ(classes.NumberOf(other), 0u);
}

}  // namespace
}  // namespace tributary::deliver
