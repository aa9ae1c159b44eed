// A destination that answers 500 for an hour of simulated time while a million events wait for it:
// neither its rows, nor our memory, nor the load on it grow with what waits.
#include <gtest/gtest.h>

#include <deque>

#include "deliver/sim_kit_test.h"
#include "os/process.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

constexpr MonoNanos kHour = 3600 * kNanosPerSecond;
constexpr std::size_t kWaiting = 1'000'000;
constexpr std::size_t kBatch = 1'000;

// Of so many keys in turn; 0: each has its own.
void AppendBacklog(DeliverWorld& world, std::size_t events, std::size_t keys = 0) {
  for (std::size_t done = 0; done < events; done += kBatch) {
    auto batch = std::make_unique<log::Batch>();
    for (std::size_t i = 0; i < kBatch; ++i) {
      const std::string id = std::to_string(done + i);
      const std::string key = keys == 0 ? id : std::to_string((done + i) % keys);
      const log::RecordFields fields{.received_at_us = world.sim.Now(),
                                     .source = 1,
                                     .type = log::EventType::kTrack,
                                     .key = key,
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
  explicit Storm(std::size_t rows_max, nlohmann::json more = nlohmann::json::object())
      : DeliverWorld(7) {
    verdicts.sync_by_itself = true;
    options.waiting_rows_max = rows_max;
    Open();
    more["retry"] = {{"schedule", {"0s", "5s", "5m", "30m", "2h"}}};
    Make("d", more);
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

// What came after the hour, request by request.
struct Recovery {
  static constexpr std::size_t kKeys = 1'000;
  std::vector<bool> accepted;
  std::vector<log::Offset> newest = std::vector<log::Offset>(kKeys, 0);  // of each key, + 1
  std::deque<MonoNanos> second;  // requests of the second before
  std::size_t count = 0;
  std::size_t repeats = 0;
  std::size_t out_of_order = 0;
  std::size_t most_a_second = 0;

  explicit Recovery(std::size_t events) : accepted(events) {}
  void Take(MonoNanos now, log::Offset offset) {
    ++count;
    if (accepted[offset]) ++repeats;
    accepted[offset] = true;
    log::Offset& before = newest[offset % kKeys];
    if (offset < before) ++out_of_order;
    before = offset + 1;
    second.push_back(now);
    while (second.front() + kNanosPerSecond <= now) second.pop_front();
    most_a_second = std::max(most_a_second, second.size());
  }
};

// The power goes twice during the hour. Then everything arrives: each key in its order, and never
// faster than the destination may be asked, for all that waits.
TEST(Storm, AfterTheHourAllArriveInOrderBelowTheRate) {
  constexpr std::size_t kRate = 2'000;
  Storm world(100'000, {{"order", "key"}, {"rate_limit", kRate}, {"concurrency", 64}});
  const std::size_t events = test::Scaled(kWaiting);
  AppendBacklog(world, events, Recovery::kKeys);
  world.receivers.keep_seen = false;
  std::size_t failures = 0;
  world.receivers.answer = [&](const std::string&, const Delivery&) {
    ++failures;
    return Failure();
  };
  for (int third = 0; third < 3; ++third) {
    if (third > 0) {
      world.Crash(static_cast<std::uint64_t>(third));
      world.Open();
    }
    world.sim.RunFor(kHour / 3);
  }
  EXPECT_EQ(world.Stats("d").delivered, 0u);
  EXPECT_LT(failures, 1'000u);

  Recovery recovery(events);
  world.receivers.answer = [&](const std::string&, const Delivery& delivery) {
    recovery.Take(world.sim.Monotonic(), delivery.record->offset);
    return Receivers::Answer{};
  };
  const MonoNanos enough = kHour * 3 + kNanosPerSecond * (2 * events / kRate);
  ASSERT_TRUE(world.sim.RunUntil([&] { return recovery.count >= events; }, enough));
  world.sim.RunFor(kNanosPerSecond);
  EXPECT_EQ(world.Stats("d").delivered, events);
  EXPECT_EQ(recovery.count, events);
  EXPECT_EQ(recovery.repeats, 0u);
  EXPECT_EQ(recovery.out_of_order, 0u);
  EXPECT_LE(recovery.most_a_second, kRate + kRate / 10);  // the burst
  EXPECT_GT(recovery.most_a_second, kRate / 2);           // it was asked as much as it may be
  EXPECT_EQ(world.Stats("d").dead_lettered + world.Stats("d").dropped, 0u);
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
