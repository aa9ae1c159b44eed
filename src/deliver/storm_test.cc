// A destination that answers 500 for an hour of simulated time while a million events wait for it:
// neither its rows, nor our memory, nor the load on it grow with what waits.
#include <gtest/gtest.h>

#include "deliver/sim_kit_test.h"
#include "os/process.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

constexpr MonoNanos kHour = 3600 * kNanosPerSecond;
constexpr std::size_t kWaiting = 1'000'000;
constexpr std::size_t kBatch = 1'000;

void AppendBacklog(DeliverWorld& world, std::size_t events) {
  for (std::size_t done = 0; done < events; done += kBatch) {
    auto batch = std::make_unique<log::Batch>();
    for (std::size_t i = 0; i < kBatch; ++i) {
      const std::string id = std::to_string(done + i);
      const log::RecordFields fields{.received_at_us = world.sim.Now(),
                                     .source = 1,
                                     .type = log::EventType::kTrack,
                                     .key = id,
                                     .name = "Event",
                                     .message_id = id};
      ASSERT_TRUE(batch->Add(fields, R"({"event":1})").has_value());
    }
    ASSERT_TRUE(world.log.Append(0, batch, [](const auto&) {}).has_value());
  }
  world.verdicts.Decide(world.log);
}

Receivers::Answer Failure() {
  return {.outcome = {.verdict = Verdict::kRetry, .status = 500},
          .after = 5 * kNanosPerMilli,
          .never = false};
}

struct Storm : DeliverWorld {
  explicit Storm(std::size_t rows_max) : DeliverWorld(7) {
    verdicts.sync_by_itself = true;
    options.waiting_rows_max = rows_max;
    Open();
    Make("d", {{"retry", {{"schedule", {"0s", "5s", "5m", "30m", "2h"}}}}});
  }
};

TEST(Storm, AnHourOf500sCostsTheDestinationAFewHundredRequests) {
  Storm world(100'000);
  const std::size_t events = test::Scaled(kWaiting);
  AppendBacklog(world, events);
  world.receivers.answer = [](const std::string&, const Delivery&) { return Failure(); };
  world.sim.RunFor(kNanosPerSecond);  // what one lane needs however much waits
  const auto resident_before = os::ResidentBytes();
  std::uint64_t rows_most = 0;
  for (int minute = 0; minute < 60; ++minute) {
    world.sim.RunFor(60 * kNanosPerSecond);
    rows_most = std::max(rows_most, world.Stats("d").retrying);
  }
  const LaneStats stats = world.Stats("d");
  EXPECT_EQ(stats.delivered, 0u);
  EXPECT_EQ(stats.dead_lettered, 0u);
  // Without a breaker sixteen at a time would make eleven million; half-open lets one through
  // every 30 s at most.
  EXPECT_LT(world.receivers.seen.size(), 1'000u);
  EXPECT_LT(rows_most, 1'000u);
  EXPECT_GE(stats.lag + stats.retrying + stats.in_flight, events - 1'000);
  EXPECT_LT(os::ResidentBytes(), resident_before + (64u << 20));

  world.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  EXPECT_TRUE(world.sim.RunUntil([&] { return world.Stats("d").delivered > 2'000; }, kHour));
}

TEST(Storm, RowsStopAtTheirCapWhereTheBreakerHasNoReasonToOpen) {
  constexpr std::size_t kRowsMax = 2'000;
  constexpr std::size_t kConcurrency = 16;
  Storm world(kRowsMax);
  AppendBacklog(world, test::Scaled(100'000));
  // Four of five fail: too few for the breaker, and each that fails waits for minutes.
  world.receivers.answer = [](const std::string&, const Delivery& delivery) {
    return delivery.record->offset % 5 == 0 ? Receivers::Answer{} : Failure();
  };
  std::uint64_t rows_most = 0;
  for (int second = 0; second < 240; ++second) {
    world.sim.RunFor(kNanosPerSecond);
    const LaneStats stats = world.Stats("d");
    rows_most = std::max(rows_most, stats.retrying);
    // What is in flight when the cap is reached may still become rows.
    ASSERT_LE(stats.retrying, kRowsMax + kConcurrency);
  }
  EXPECT_GT(rows_most, kRowsMax * 9 / 10) << "the cap was not reached";
  EXPECT_GT(world.Stats("d").lag, 0u);
}

}  // namespace
}  // namespace tributary::deliver
