// What a deleted destination was owed is dropped by a rule, listed, counted, and adds up.
#include "deliver/deleted_lane.h"

#include "deliver/audit.h"
#include "deliver/deliveries.h"
#include "deliver/dropped_pairs.h"
#include "deliver/engine_replay.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

struct DeletedWorld : DeliverWorld {
  using DeliverWorld::DeliverWorld;

  // Of ten events each: dead letters, waiting retries, delivered ones, filtered ones; then a
  // backlog of `backlog` that it never looks at, because it is paused.
  void MakeAndFill(std::size_t backlog) {
    receivers.answer = [](const std::string&, const Delivery& d) {
      const auto offset = d.record->offset % 4;
      if (offset == 0) return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
      if (offset == 1) return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
      return Receivers::Answer{};
    };
    Make("hook", {{"names", {"Event"}}, {"retry", {{"schedule", {"0s", "9000s"}}}}});
    for (int i = 0; i < 40; ++i) Append(i % 4 == 3 ? "Else" : "Event");
    sim.RunFor(2 * kS);
    ASSERT_TRUE(Answered<std::string>([&](auto d) { engine->Pause("hook", std::move(d)); }));
    for (std::size_t i = 0; i < backlog; ++i) Append(i % 5 == 0 ? "Else" : "Event");
    sim.RunFor(kS);
  }
  AuditReport Audited(AuditQuery query = {}) {
    auto report = Answered<AuditReport>(
        [&](auto done) { engine->audit().Run(std::move(query), std::move(done)); });
    EXPECT_TRUE(report.has_value());
    return report ? *std::move(report) : AuditReport{};
  }
  std::vector<DeliveryEntry> All(DeliveryQuery query) {
    std::vector<DeliveryEntry> out;
    for (int pages = 0; pages < 1'000; ++pages) {
      auto page = Answered<Deliveries::Page>(
          [&](auto done) { engine->deliveries().List(query, std::move(done)); });
      EXPECT_TRUE(page.has_value()) << page.error().ToString();
      if (!page) return out;
      out.insert(out.end(), page->data.begin(), page->data.end());
      if (!page->next_cursor) return out;
      query.cursor = *page->next_cursor;
    }
    return out;
  }
  void ExpectAllDropped(std::size_t backlog) {
    const AuditReport report = Audited();
    ASSERT_EQ(report.destinations.size(), 1U);
    const AuditLine& line = report.destinations[0];
    EXPECT_EQ(line.destination, "hook");
    EXPECT_TRUE(line.deleted_at_us.has_value());
    EXPECT_EQ(line.problems_total, 0U) << (line.problems.empty() ? "" : line.problems[0].what);
    EXPECT_TRUE(line.counts_checked);
    EXPECT_EQ(line.events, 40 + backlog);
    EXPECT_EQ(line.delivered, 10U);
    EXPECT_EQ(line.filtered, 10 + (backlog + 4) / 5);
    EXPECT_EQ(line.dropped, 20 + backlog - (backlog + 4) / 5);
    EXPECT_EQ(line.pending + line.dead_lettered + line.undecided, 0U);
    const auto dropped = All({.destination = "hook", .state = PairState::kDropped, .limit = 7});
    EXPECT_EQ(dropped.size(), line.dropped);
    std::set<std::string> ids;
    for (const DeliveryEntry& entry : dropped) {
      ids.insert(entry.pair.delivery_id);
      EXPECT_EQ(entry.pair.rule, "destination_deleted");
      EXPECT_TRUE(entry.pair.deleted_at_us.has_value());
    }
    EXPECT_EQ(ids.size(), dropped.size());
    EXPECT_EQ(All({.destination = "hook", .limit = 9}).size(), line.events);
  }
};

TEST(DeletedDestination, ItsBacklogDeadLettersAndRetriesAreDroppedListedAndAddUp) {
  DeletedWorld w(1);
  w.Open();
  w.MakeAndFill(100);
  ASSERT_TRUE(w.Delete("hook"));
  w.AppendMany(10);  // forms no pair with it
  w.sim.RunFor(kS);
  w.ExpectAllDropped(100);
}

TEST(DeletedDestination, APowerCutRightAfterTheAnswerLosesNothingOfIt) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    DeletedWorld w(seed);
    w.Open();
    w.MakeAndFill(30);
    ASSERT_TRUE(w.Delete("hook"));
    w.Crash(seed);
    w.Open();
    w.sim.RunFor(kS);
    w.ExpectAllDropped(30);
    w.Crash(seed + 1);
    w.Open();
    w.ExpectAllDropped(30);
  }
}

TEST(DeletedDestination, TheTraceShowsItOnlyOfEventsThatCameBefore) {
  DeletedWorld w(2);
  w.Open();
  w.MakeAndFill(0);
  const Position owed = w.Append();
  ASSERT_TRUE(w.Delete("hook"));
  w.Make("hook", {{"names", {"Event"}}});
  const Position after = w.Append();
  w.sim.RunFor(kS);
  const auto pairs_of = [&](Position at) {
    return w
        .Answered<std::vector<PairTrace>>(
            [&](auto done) { w.engine->Trace(at.partition, at.offset, std::move(done)); })
        .value_or(std::vector<PairTrace>{});
  };
  const auto before = pairs_of(owed);
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].state, PairState::kDropped);
  EXPECT_EQ(before[0].rule, "destination_deleted");
  EXPECT_TRUE(Engine::Responses(before).empty());
  const auto now = pairs_of(after);
  ASSERT_EQ(now.size(), 1U);
  EXPECT_NE(now[0].state, PairState::kDropped);
  EXPECT_FALSE(now[0].deleted_at_us.has_value());
}

TEST(DeletedDestination, RepeatsInItsBacklogFormNoPair) {
  DeletedWorld w(3);
  w.Open();
  w.Make("hook");
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  w.verdicts.duplicates.insert({0, 1});
  w.AppendMany(3);
  ASSERT_TRUE(w.Delete("hook"));
  EXPECT_EQ(w.Audited().destinations[0].dropped, 2U);
  EXPECT_EQ(w.All({.state = PairState::kDropped}).size(), 2U);
}

// In flight without a row when it was deleted: counted once, not as backlog too.
TEST(DeletedDestination, ARequestUnderWayIsDroppedOnce) {
  DeletedWorld w(4);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = {}, .never = true};
  };
  w.Open();
  w.Make("hook", {{"concurrency", 3}});
  w.AppendMany(10);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Delete("hook"));
  const AuditReport report = w.Audited();
  ASSERT_EQ(report.destinations.size(), 1U);
  EXPECT_EQ(report.destinations[0].dropped, 10U);
  EXPECT_EQ(report.problems(), 0U) << report.destinations[0].problems[0].what;
  EXPECT_EQ(w.All({.state = PairState::kDropped}).size(), 10U);
}

// Retention takes the backlog of a paused destination, window after window, and is not at its end.
TEST(DeletedDestination, WhatARuleDroppedJustBeforeIsDroppedByThatRule) {
  std::size_t both = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    DeletedWorld w(seed);
    w.Open();
    w.Make("hook");
    ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
    w.AppendMany(40);
    w.sim.RunFor(kS);
    w.log.AskRelease(0, 40);
    ASSERT_TRUE(w.Delete("hook"));
    const AuditReport report = w.Audited();
    ASSERT_EQ(report.destinations.size(), 1U);
    EXPECT_EQ(report.destinations[0].delivered, 0U) << seed;
    EXPECT_EQ(report.destinations[0].dropped, 40U) << seed;
    EXPECT_EQ(report.problems(), 0U) << report.destinations[0].problems[0].what;
    std::map<std::string, std::size_t> by_rule;
    for (const DeliveryEntry& entry : w.All({.state = PairState::kDropped})) {
      ++by_rule[entry.pair.rule];
    }
    EXPECT_EQ(by_rule["retention"] + by_rule["destination_deleted"], 40U) << seed;
    both += by_rule.size() == 2 ? 1 : 0;
  }
  EXPECT_GT(both, 0U);
}

TEST(DeletedDestination, ItsReplaysEndAsCancelledAndCountWhatIsLeft) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    DeletedWorld w(seed);
    w.Open();
    w.receivers.answer = [](const std::string&, const Delivery& d) {
      if (d.record->offset % 3 == 0) return Receivers::Answer{.outcome = Outcome::Reject("400")};
      return Receivers::Answer{};
    };
    w.Make("hook", {{"names", {"Event"}}});
    for (int i = 0; i < 300; ++i) w.Append(i % 2 == 0 ? "Event" : "Else");
    w.sim.RunFor(kS);
    w.verdicts.Decide(w.log);  // notices of dead letters are in the log too
    const std::string running =
        w.Replay({{"destination", "hook"}, {"from", "earliest"}, {"rate", 10}})["id"];
    const std::string ended = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
    w.verdicts.Decide(w.log);
    ASSERT_TRUE(w.ReplayEnds(ended)) << seed << w.ShowReplay(ended) << w.ShowReplay(running);
    ASSERT_EQ(w.ShowReplay(ended)["dead_lettered"], 50);
    w.verdicts.Decide(w.log);
    ASSERT_TRUE(w.Delete("hook"));
    if (seed % 2 == 1) {
      w.Crash(seed);
      w.Open();
    }
    ASSERT_TRUE(w.ReplayEnds(running));
    w.sim.RunFor(kS);
    const auto shown = w.ShowReplay(running);
    EXPECT_EQ(shown["state"], "cancelled") << shown;
    EXPECT_EQ(shown["reason"], "its destination was deleted");
    EXPECT_EQ(shown["lag"], 0) << shown;
    EXPECT_EQ(shown["filtered"], 150) << shown;
    EXPECT_EQ(shown["delivered"].get<int>() + shown["dropped"].get<int>(), 150) << shown;
    const auto was = w.ShowReplay(ended);
    EXPECT_EQ(was["state"], "done");
    EXPECT_EQ(was["dead_lettered"], 0) << was;
    EXPECT_EQ(was["dropped"], 50) << was;
    w.Crash(seed);
    w.Open();
    EXPECT_EQ(w.ShowReplay(running), shown);
  }
}

TEST(DeletedDestination, IsForgottenOnceNothingIsLeftToTell) {
  DeletedWorld w(5);
  w.Open();
  w.MakeAndFill(20);
  ASSERT_TRUE(w.Delete("hook"));
  const auto refused = [&] {
    return !w.Answered<AuditReport>([&](auto done) {
               w.engine->audit().Run({.destination = "hook", .cursor = {}}, std::move(done));
             }).has_value();
  };
  w.log.RetainTo(0, w.log.committed(0));
  w.sim.RunFor(120 * kS);
  EXPECT_FALSE(refused());  // its dropped pairs are still listed
  EXPECT_EQ(w.All({.state = PairState::kDropped}).size(), 20U);
  w.sim.JumpWallClock(kDroppedKeptUs + 1);
  w.sim.RunFor(120 * kS);
  EXPECT_TRUE(refused());
  std::size_t left = 0;
  for (const std::string& prefix : {store::keys::Lane(1), store::keys::CursorsOf(1),
                                    store::keys::RevisionsOf(1), store::keys::DroppedOf(1)}) {
    ASSERT_TRUE(w.store.ScanPrefix(store::Family::kOwned, prefix, [&](auto, auto) {
      ++left;
      return store::Visit::kContinue;
    }));
  }
  EXPECT_EQ(left, 0U);
}

DeletedLane LaneWith(LaneId id, std::vector<OffsetRange> above) {
  return DeletedLane(
      {.id = id,
       .name = "x",
       .at_us = 1,
       .cursors =
           {{.cursor = 10, .start = 5, .released = 30, .counts = {}, .above = std::move(above)}},
       .rules = {}});
}

TEST(DeletedLane, WhatItHadNotSettledIsFoundNewestFirst) {
  const DeletedLane lane = LaneWith(1, {{12, 14}, {20, 28}});
  const auto all = lane.Unsettled(0, 0, 100, 100);
  EXPECT_EQ(all, (std::vector<log::Offset>{29, 28, 19, 18, 17, 16, 15, 14, 11, 10}));
  EXPECT_EQ(lane.Unsettled(0, 0, 100, 3), (std::vector<log::Offset>{29, 28, 19}));
  EXPECT_EQ(lane.Unsettled(0, 15, 24, 100), (std::vector<log::Offset>{19, 18, 17, 16, 15}));
  EXPECT_TRUE(lane.Unsettled(0, 0, 10, 100).empty());
}

TEST(DeletedLane, TheFirstIsForgottenPastTheLimit) {
  DeletedLanes lanes;
  for (LaneId id = 1; id <= kDeletedKeptMax; ++id) {
    ASSERT_TRUE(lanes.Add(std::make_shared<const DeletedLane>(LaneWith(id, {}))).empty());
  }
  EXPECT_FALSE(
      lanes.Add(std::make_shared<const DeletedLane>(LaneWith(kDeletedKeptMax + 1, {}))).empty());
  const auto all = lanes.all();
  EXPECT_EQ(all.size(), kDeletedKeptMax);
  EXPECT_EQ(all.front()->id(), 2U);
}

}  // namespace
}  // namespace tributary::deliver
