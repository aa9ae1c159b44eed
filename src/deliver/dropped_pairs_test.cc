// Which pairs were dropped is remembered within limits, and counted by rule.
#include "deliver/dropped_pairs.h"

#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

constexpr UnixMicros kNow = 2 * kDroppedKeptUs;

void Put(test::MemoryStore& store, log::Offset first, log::Offset end, UnixMicros at_us) {
  store::Batch batch;
  batch.Put(store::Family::kOwned, store::keys::Dropped(1, {0, first}),
            EncodeDropped({.at_us = at_us, .runs = {{first, end}}}));
  ASSERT_TRUE(store.Write(batch, store::Sync::kYes));
}

std::size_t Gone(const test::MemoryStore& store, log::Offset first, std::size_t most = 1'000'000) {
  const auto gone = PruneDropped(store, 1, 0, first, kNow, most);
  EXPECT_TRUE(gone.has_value());
  return gone ? gone->ops().size() : 0;
}

TEST(DroppedPairs, AreKeptAsLongAsTheLogHasTheirEventsAndThenForAWhile) {
  test::MemoryStore store;
  Put(store, 0, 10, kNow - kDroppedKeptUs - 1);
  Put(store, 10, 20, kNow - kDroppedKeptUs);
  Put(store, 20, 30, 0);
  EXPECT_EQ(Gone(store, 9), 0U);
  EXPECT_EQ(Gone(store, 10), 1U);
  EXPECT_EQ(Gone(store, 29), 1U);  // the log has a part of the last one
  EXPECT_EQ(Gone(store, 30), 2U);
  EXPECT_EQ(Gone(store, 30, 1), 1U);
}

TEST(DroppedPairs, TheOldestGoPastTheLimit) {
  test::MemoryStore store;
  for (log::Offset o = 0; o < kDroppedGroupsMax; ++o) Put(store, o * 2, o * 2 + 1, kNow);
  const log::Offset end = kDroppedGroupsMax * 2;
  EXPECT_EQ(Gone(store, end), 0U);
  Put(store, end, end + 1, kNow);
  const auto gone = PruneDropped(store, 1, 0, end + 1, kNow, 10);
  ASSERT_TRUE(gone.has_value());
  ASSERT_EQ(gone->ops().size(), 1U);
  EXPECT_EQ(gone->ops()[0].key, store::keys::Dropped(1, {0, 0}));
}

TEST(DroppedPairs, TheOldestGoPastTheLimitOfBytes) {
  test::MemoryStore store;
  constexpr std::size_t kRuns = kRunsPerRowMax;
  std::size_t bytes = 0;
  log::Offset block = 0;
  for (; bytes <= kDroppedBytesMax; ++block) {
    StoredDropped group{.at_us = kNow, .runs = {}};
    for (std::size_t i = 0; i < kRuns; ++i) {
      const log::Offset at = block * kDroppedBlock + i * 2;
      group.runs.emplace_back(at, at + 1);
    }
    store::Batch batch;
    std::string key = store::keys::Dropped(1, {0, block * kDroppedBlock});
    std::string value = EncodeDropped(group);
    bytes += key.size() + value.size();
    batch.Put(store::Family::kOwned, std::move(key), std::move(value));
    ASSERT_TRUE(store.Write(batch, store::Sync::kYes));
  }
  EXPECT_EQ(Gone(store, (block - 1) * kDroppedBlock), 0U);
  EXPECT_EQ(Gone(store, block * kDroppedBlock), 1U);
}

TEST(DroppedPairs, AreCountedByTheirRuleAcrossARestart) {
  DeliverWorld w(1);
  w.options.dead_letter_bytes_max = 20;
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
  };
  w.Open();
  w.Make("hook");
  w.AppendMany(5);
  w.sim.RunFor(20 * kS);
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  w.AppendMany(7);
  w.log.AskRelease(0, w.log.committed(0));  // notices of the dead letters are there too
  w.sim.RunFor(kS);
  for (int i = 0; i < 2; ++i) {
    const LaneStats stats = w.Stats("hook");
    const auto by = nlohmann::json::parse(stats.ToJson())["dropped_by"];
    EXPECT_EQ(by["retention"], 7) << by;
    EXPECT_EQ(by["dead_letter_size"].get<std::uint64_t>() + 7, stats.dropped) << by;
    EXPECT_EQ(by.size(), 2U) << by;
    w.Crash(1);
    w.Open();
  }
}

}  // namespace
}  // namespace tributary::deliver
