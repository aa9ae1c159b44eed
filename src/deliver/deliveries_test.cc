// Lists of deliveries: every pair is found once, in its state.
#include "deliver/deliveries.h"

#include <algorithm>

#include "deliver/dead_letters.h"
#include "deliver/dropped_pairs.h"
#include "deliver/history_kit_test.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

TEST(Deliveries, EveryPairIsListedOnceInItsState) {
  for (const std::uint32_t partitions : {1U, 3U}) {
    HistoryWorld w(1, partitions);
    w.Open();
    Mixed(w, 200);
    const auto all = w.All({.limit = 7});
    ASSERT_EQ(all.size(), 200U);
    const auto ids = IdsOf(all);
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 200U);
    std::map<PairState, std::set<std::string>> by_state;
    for (const DeliveryEntry& entry : all) {
      by_state[entry.pair.state].insert(entry.pair.delivery_id);
      const auto one = w.Get(entry.pair.delivery_id);
      ASSERT_TRUE(one.has_value());
      EXPECT_EQ(one->pair.state, entry.pair.state);
      EXPECT_EQ(one->message_id, entry.message_id);
    }
    const LaneStats stats = w.Stats("hook");
    EXPECT_EQ(by_state[PairState::kDelivered].size(), stats.delivered);
    EXPECT_EQ(by_state[PairState::kFiltered].size(), stats.filtered);
    EXPECT_EQ(by_state[PairState::kDeadLettered].size(), stats.dead_lettered);
    EXPECT_EQ(by_state[PairState::kRetrying].size(), stats.retrying);
    for (const PairState state :
         {PairState::kDelivered, PairState::kFiltered, PairState::kPending,
          PairState::kDeadLettered, PairState::kRetrying, PairState::kDropped}) {
      const auto some = IdsOf(w.All({.state = state, .limit = 9}));
      EXPECT_EQ(std::set<std::string>(some.begin(), some.end()), by_state[state])
          << PairStateName(state);
      EXPECT_EQ(some.size(), by_state[state].size());
    }
    w.ExpectBalanced();
  }
}

// Whatever the filters and the size of a page, all pages say how many there are.
// 512 offsets at a time it would not end.
TEST(Deliveries, ALeapOfTheLogIsPassedInOneStep) {
  HistoryWorld w(3, 1);
  w.Open();
  w.Make("hook");
  for (int i = 0; i < 3; ++i) w.Append("Event");
  w.log.Leap(0, log::Offset{1} << 60U);
  for (int i = 0; i < 2; ++i) w.Append("Event");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.All().size(), 5U);
  EXPECT_EQ(w.All({.limit = 1}).size(), 5U);
  EXPECT_EQ(w.Stats("hook").delivered, 5U);
}

TEST(Deliveries, AreCountedForAnyQuery) {
  for (const std::uint32_t partitions : {1U, 3U}) {
    HistoryWorld w(11, partitions);
    w.Open();
    w.Make("none", {{"names", {"Nothing"}}});
    Mixed(w, 200);
    const auto newest = w.List({.limit = 200}).data;
    const UnixMicros middle = newest[100].received_at_us;
    std::vector<DeliveryQuery> queries = {{},
                                          {.destination = "hook"},
                                          {.sources = {1}},
                                          {.sources = {9}},
                                          {.since = middle},
                                          {.until = middle},
                                          {.message_id = "m0-3", .at = {{0, 3}}}};
    for (const PairState state :
         {PairState::kDelivered, PairState::kFiltered, PairState::kPending,
          PairState::kDeadLettered, PairState::kRetrying, PairState::kDropped}) {
      queries.push_back({.state = state});
      queries.push_back({.destination = "hook", .state = state, .since = middle});
    }
    for (DeliveryQuery& query : queries) {
      query.limit = 1'000;
      const std::size_t all = w.List(query).data.size();
      for (const std::size_t limit : {1U, 7U, 400U}) {
        query.limit = limit;
        query.cursor.clear();
        std::size_t pages = 0;
        for (bool more = true; more; ++pages) {
          const Deliveries::Page page = w.List(query);
          EXPECT_EQ(page.total.pairs, all);
          EXPECT_TRUE(page.total.exact);
          more = page.next_cursor.has_value();
          query.cursor = page.next_cursor.value_or("");
        }
        EXPECT_LE(pages, all / limit + 1);
      }
    }
  }
}

TEST(Deliveries, ACountThatWouldBeLongEndsAndSaysSo) {
  HistoryWorld w(12);
  w.Open();
  w.Make("hook", {{"type", "sink"}});
  w.AppendMany(kDeliveryRecordsMax - 1);
  w.sim.RunFor(10 * kS);
  const Deliveries::Page page = w.List({.limit = 3});
  EXPECT_EQ(page.total.pairs, kDeliveryRecordsMax - 1);
  EXPECT_TRUE(page.total.exact);
  w.AppendMany(2'000);
  w.sim.RunFor(10 * kS);
  DeliveryQuery query{.limit = 3};
  for (int pages = 0; pages < 2; ++pages) {
    const Deliveries::Page some = w.List(query);
    EXPECT_GE(some.total.pairs, kDeliveryRecordsMax);
    EXPECT_LT(some.total.pairs, kDeliveryRecordsMax + 2'000);
    EXPECT_FALSE(some.total.exact);
    ASSERT_TRUE(some.next_cursor.has_value());
    query.cursor = *some.next_cursor;
  }
}

// Each would be a process' work: a condition is not run for every event that there ever was.
TEST(Deliveries, ACountRunsOnlySoManyConditions) {
  HistoryWorld w(13);
  w.Open();
  w.Make("hook", {{"filter", "f"}});
  w.AppendMany(5'000);
  w.sim.RunFor(60 * kS);
  ASSERT_EQ(w.Stats("hook").delivered, 5'000U);
  w.Crash(0);  // what it remembers of the newest is gone
  w.Open();
  w.sim.RunFor(kS);
  w.programs.asked.clear();
  const auto any = w.List({.limit = 1});
  EXPECT_EQ(any.total.pairs, 5'000U);
  EXPECT_TRUE(any.total.exact);
  EXPECT_LE(w.programs.asked.size(), kDeliveryPairsPerTurn);
  w.programs.asked.clear();
  const auto delivered = w.List({.state = PairState::kDelivered, .limit = 1});
  EXPECT_FALSE(delivered.total.exact);
  EXPECT_GE(delivered.total.pairs, kDeliveryConditionsMax);
  EXPECT_LE(w.programs.asked.size(), kDeliveryConditionsMax + kDeliveryPairsPerTurn);
}

TEST(Deliveries, TheNewestComeFirstAndSeveralDestinationsKeepTheirOrderAcrossPages) {
  HistoryWorld w(2);
  w.Open();
  for (const char* name : {"a", "b", "c"}) w.Make(name);
  w.AppendMany(10);
  w.sim.RunFor(kS);
  const auto all = w.All();
  ASSERT_EQ(all.size(), 30U);
  EXPECT_EQ(all[0].message_id, "m0-9");
  EXPECT_EQ(all[0].pair.destination, "a");
  EXPECT_EQ(all[2].pair.destination, "c");
  EXPECT_EQ(all[29].message_id, "m0-0");
  for (const std::size_t limit : {1U, 2U, 4U, 29U, 30U, 31U}) {
    EXPECT_EQ(IdsOf(w.All({.limit = limit})), IdsOf(all)) << limit;
  }
}

TEST(Deliveries, AreSelectedByTimeDestinationSourceAndMessage) {
  HistoryWorld w(3);
  w.Open();
  w.Make("a");
  w.Make("b");
  for (int i = 0; i < 10; ++i) {
    w.Append();
    w.sim.RunFor(kS);
  }
  const auto all = w.All({.destination = "a"});
  ASSERT_EQ(all.size(), 10U);
  const auto some =
      w.All({.destination = "b", .since = all[6].received_at_us, .until = all[3].received_at_us});
  ASSERT_EQ(some.size(), 3U);
  EXPECT_EQ(some[0].message_id, all[4].message_id);
  EXPECT_EQ(w.All({.message_id = "m0-4", .at = {{0, 4}}}).size(), 2U);
  EXPECT_TRUE(w.All({.sources = {9}}).empty());
  EXPECT_EQ(w.All({.sources = {1}}).size(), 20U);
  const auto refused = [&](DeliveryQuery query) {
    return w
        .Answered<Deliveries::Page>(
            [&](auto done) { w.engine->deliveries().List(std::move(query), std::move(done)); })
        .error()
        .field();
  };
  EXPECT_EQ(refused({.destination = "x"}), "destination");
  EXPECT_EQ(refused({.cursor = "x"}), "cursor");
  EXPECT_EQ(refused({.cursor = "9.1.1"}), "cursor");
  EXPECT_EQ(w.Get("x").error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(w.Get(DeliveryId(1, {0, 10})).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(w.Get(DeliveryId(9, {0, 1})).error().code(), ErrorCode::kNotFound);
}

// Ids are unique per source only: of one id several sources may have sent an event.
TEST(Deliveries, OfSeveralEventsThatAreNamedAllPairsAreListedAndCounted) {
  HistoryWorld w(23, 3);
  w.receivers.answer = [](const std::string& destination, const Delivery& d) {
    if (destination == "b" && d.record->offset == 1) return Receivers::Answer{.never = true};
    return destination == "b" ? Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")}
                              : Receivers::Answer{};
  };
  w.Open();
  w.Make("a");
  w.Make("b");
  w.AppendMany(30);
  w.sim.RunFor(kS);
  DeliveryQuery query{.at = {{2, 7}, {2, 1}, {1, 4}, {0, 0}}};
  std::vector<std::string> named;
  for (const Position at : query.at) {
    for (const LaneId lane : {1U, 2U}) named.push_back(DeliveryId(lane, at));
  }
  for (const bool let_go : {false, true}) {
    for (const std::size_t limit : {1U, 3U, 8U, 9U}) {
      query.limit = limit;
      EXPECT_EQ(IdsOf(w.All(query)), named) << limit;
      EXPECT_EQ(w.List(query).total.pairs, named.size());
      EXPECT_TRUE(w.List(query).total.exact);
    }
    query.state = PairState::kDeadLettered;
    query.limit = 2;
    EXPECT_EQ(w.All(query).size(), 3U);
    EXPECT_EQ(w.List(query).total.pairs, 3U);
    query.state.reset();
    if (let_go) break;
    // Of what only a dead letter remembers, no other pair is known.
    w.log.AskRelease(1, 5);
    w.sim.RunFor(kS);
    w.log.RetainTo(1, 5);
    std::erase(named, DeliveryId(1, {1, 4}));
  }
  query.more_at = true;
  EXPECT_FALSE(w.List(query).total.exact);
}

TEST(Deliveries, RepeatsFormNoPair) {
  HistoryWorld w(4);
  w.verdicts.duplicates.insert({0, 1});
  w.Open();
  w.Make("a");
  w.AppendMany(3);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.All().size(), 2U);
  EXPECT_EQ(w.Get(DeliveryId(1, {0, 1})).error().code(), ErrorCode::kNotFound);
  const AuditReport report = w.Audited();
  EXPECT_EQ(report.duplicates, 1U);
  EXPECT_EQ(report.destinations[0].events, 2U);
  w.ExpectBalanced();
}

TEST(Deliveries, WhatRetentionTookIsListedWithItsRule) {
  HistoryWorld w(5);
  w.Open();
  w.Make("hook", {{"names", {"Event"}}});
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  for (int i = 0; i < 30; ++i) w.Append(i % 3 == 0 ? "Else" : "Event");
  w.sim.RunFor(kS);
  w.log.AskRelease(0, 15);
  w.sim.RunFor(kS);
  w.log.RetainTo(0, 15);
  const auto dropped = w.All({.state = PairState::kDropped, .limit = 4});
  EXPECT_EQ(dropped.size(), 10U);
  EXPECT_EQ(w.Stats("hook").dropped, 10U);
  for (const DeliveryEntry& entry : dropped) EXPECT_EQ(entry.pair.rule, "retention");
  EXPECT_EQ(w.Get(dropped[3].pair.delivery_id)->pair.rule, "retention");
  // Without a state: what the log holds, then what is known of the rest.
  EXPECT_EQ(w.All({.limit = 6}).size(), 15U + 10U);
}

// A batch has one row for all its members.
TEST(Deliveries, MembersOfABatchThatWaitsAreListedAndCountedAsRetrying) {
  for (const std::uint32_t partitions : {1U, 3U}) {
    HistoryWorld w(21, partitions);
    w.receivers.answer = [](const std::string&, const Delivery& d) {
      return Receivers::Answer{.outcome = d.record->offset % 5 == 4 ? Outcome::Reject("HTTP 400")
                                                                    : Outcome::Retry("HTTP 500")};
    };
    w.Open();
    const nlohmann::json later{{"schedule", {"0s", "9000s"}}};
    w.Make("alone", {{"retry", later}});
    w.Make("hook", {{"batch", {{"size", 7}}}, {"retry", later}});
    w.AppendMany(60);
    w.sim.RunFor(5 * kS);
    ASSERT_GT(w.Stats("hook").retrying, 30U);
    std::vector<std::string> retrying;
    for (const DeliveryEntry& entry : w.All()) {
      if (entry.pair.state == PairState::kRetrying) retrying.push_back(entry.pair.delivery_id);
    }
    EXPECT_EQ(retrying.size(), w.Stats("hook").retrying + w.Stats("alone").retrying);
    for (const std::size_t limit : {1U, 4U, 1'000U}) {
      const DeliveryQuery query{.state = PairState::kRetrying, .limit = limit};
      EXPECT_EQ(IdsOf(w.All(query)), retrying) << limit;
      EXPECT_EQ(w.List(query).total.pairs, retrying.size());
      EXPECT_TRUE(w.List(query).total.exact);
    }
    const auto hook = w.All({.destination = "hook", .state = PairState::kRetrying});
    EXPECT_EQ(hook.size(), w.Stats("hook").retrying);
  }
}

// Of "batched" three wait for a retry and three have a request under way, of "keyed" all wait
// behind the first: none of them has a row of its own, and the log has let go of their events.
TEST(Deliveries, WhatOutlivedTheLogInABatchOrBehindItsKeyIsListedInItsState) {
  HistoryWorld w(22);
  w.receivers.answer = [](const std::string& destination, const Delivery& d) {
    if (destination == "batched" && d.record->offset >= 3) return Receivers::Answer{.never = true};
    return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
  };
  w.Open();
  const nlohmann::json later{{"schedule", {"0s", "9000s"}}};
  w.Make("batched", {{"batch", {{"size", 3}}}, {"retry", later}});
  w.Make("keyed", {{"order", "key"}, {"retry", later}});
  for (int i = 0; i < 6; ++i) w.AppendAs("k");
  w.sim.RunFor(5 * kS);
  const auto in_state = [&](PairState state) {
    const auto some = IdsOf(w.All({.state = state, .limit = 2}));
    EXPECT_EQ(w.List({.state = state, .limit = 1}).total.pairs, some.size());
    return some;
  };
  const auto pending = in_state(PairState::kPending);
  const auto retrying = in_state(PairState::kRetrying);
  const auto all = IdsOf(w.All());
  ASSERT_EQ(pending.size(), 3U + 5U);
  ASSERT_EQ(retrying.size(), 3U + 1U);
  w.log.AskRelease(0, 6);
  w.sim.RunFor(kS);
  w.log.RetainTo(0, 6);
  EXPECT_EQ(in_state(PairState::kPending), pending);
  EXPECT_EQ(in_state(PairState::kRetrying), retrying);
  EXPECT_EQ(IdsOf(w.All({.limit = 5})), all);
  EXPECT_EQ(w.All({.message_id = "m0-4", .not_in_log = true}).size(), 2U);
}

TEST(Deliveries, APageThatFindsNothingIsBoundedAndGoesOn) {
  HistoryWorld w(6);
  w.Open();
  w.Make("hook");
  w.AppendMany(kDeliveryRecordsMax + 500);
  w.sim.RunFor(60 * kS);
  const auto page = w.List({.state = PairState::kFiltered});
  EXPECT_TRUE(page.data.empty());
  ASSERT_TRUE(page.next_cursor.has_value());
  EXPECT_TRUE(w.All({.state = PairState::kFiltered}).empty());
}

}  // namespace
}  // namespace tributary::deliver
