// Dead letters: found, sent again, deleted, limited; and that no crash loses or doubles one.
#include "deliver/dead_letters.h"

#include <algorithm>

#include "deliver/dropped_pairs.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

Receivers::Answer Refuse() {
  return {.outcome = Outcome::Reject("HTTP 400")};
}

struct DeadWorld : DeliverWorld {
  explicit DeadWorld(std::uint64_t seed, std::uint32_t partitions = 1)
      : DeliverWorld(seed, partitions) {
    receivers.answer = [this](const std::string& name, const Delivery&) {
      return broken.contains(name) ? Refuse() : Receivers::Answer{};
    };
  }
  DeadLetters& letters() { return engine->dead_letters(); }
  DeadLetters::Page List(const DeadLetterQuery& query = {}) {
    auto page = letters().List(query);
    EXPECT_TRUE(page.has_value()) << page.error().ToString();
    return page.value_or(DeadLetters::Page{});
  }
  Result<DeadMoving> Move(DeadAction action, DeadSelection selection = {}) {
    return Answered<DeadMoving>(
        [&](auto done) { letters().Move(action, std::move(selection), std::move(done)); });
  }
  void ExpectSum(const std::string& name, std::size_t events) {
    const LaneStats s = Stats(name);
    EXPECT_EQ(s.delivered + s.dead_lettered + s.filtered + s.dropped + s.retrying, events);
  }
  // Every pair in exactly one state, and the counts say the same. For when nothing happens.
  void ExpectConserved(const std::string& name, std::size_t events) {
    ExpectSum(name, events);
    const LaneStats s = Stats(name);
    std::map<PairState, std::size_t> states;
    for (log::Partition p = 0; p < log.partitions(); ++p) {
      for (log::Offset o = 0; o < log.committed(p); ++o) ++states[Trace(name, {p, o}).state];
    }
    EXPECT_EQ(states[PairState::kDelivered], s.delivered);
    EXPECT_EQ(states[PairState::kDeadLettered], s.dead_lettered);
    EXPECT_EQ(states[PairState::kDropped], s.dropped);
  }
  std::set<std::string> broken{"hook"};
};

TEST(DeadLetters, AreListedNewestFirstPageByPage) {
  DeadWorld w(1, 3);
  w.Open();
  w.Make("hook");
  w.Make("other");
  w.broken = {"hook", "other"};
  for (int i = 0; i < 25; ++i) {
    w.Append("Event", static_cast<log::Partition>(i % 3));
    w.sim.RunFor(kS);
  }
  std::vector<std::string> ids;
  std::string message;  // of one of them
  UnixMicros before = ~(std::int64_t{1} << 63);
  DeadLetterQuery query{.limit = 7};
  for (;;) {
    const auto page = w.List(query);
    EXPECT_EQ(page.total, 50U);
    for (const DeadLetter& letter : page.data) {
      EXPECT_LE(letter.at_us, before);
      before = letter.at_us;
      ids.push_back(letter.pair.delivery_id);
      if (letter.pair.destination == "other" && ids.size() > 20) message = letter.message_id;
      EXPECT_EQ(letter.reason, "HTTP 400");
      EXPECT_EQ(letter.pair.attempts.size(), 1U);
      EXPECT_EQ(letter.source, 1U);
    }
    if (!page.next_cursor) break;
    EXPECT_EQ(page.data.size(), 7U);
    query.cursor = *page.next_cursor;
  }
  EXPECT_EQ(ids.size(), 50U);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 50U);
  query = {.selection = {.destination = "other"}, .message_id = message};
  const auto one = w.List(query);
  ASSERT_EQ(one.data.size(), 1U);
  EXPECT_EQ(one.total, 1U);
  EXPECT_EQ(one.data[0].message_id, message);
  const auto whole = w.letters().Get(one.data[0].pair.delivery_id);
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->event, R"({"event":1})");
}

TEST(DeadLetters, NameTheRuleThatWasInForce) {
  DeadWorld w(17);
  w.Open();
  w.Make("hook");
  w.Append("Event");
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"names", {"Event"}}}).has_value());
  w.Append("Event");
  w.sim.RunFor(kS);
  const auto page = w.List({});
  ASSERT_EQ(page.data.size(), 2U);  // newest first
  EXPECT_EQ(page.data[0].pair.rule_revision, 2U);
  EXPECT_EQ(page.data[1].pair.rule_revision, 1U);
  const auto whole = w.letters().Get(page.data[1].pair.delivery_id);
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->pair.rule_revision, 1U);
}

TEST(DeadLetters, ATimeRangeHoldsItsFirstAndNotItsLast) {
  DeadWorld w(2);
  w.Open();
  w.Make("hook");
  for (int i = 0; i < 5; ++i) {
    w.Append();
    w.sim.RunFor(kS);
  }
  const auto all = w.List().data;
  ASSERT_EQ(all.size(), 5U);
  const auto some = w.List({.selection = {.since = all[3].at_us, .until = all[1].at_us}});
  ASSERT_EQ(some.data.size(), 2U);
  EXPECT_EQ(some.total, 2U);
  EXPECT_EQ(some.data[0].pair.delivery_id, all[2].pair.delivery_id);
  EXPECT_EQ(w.letters().List({.selection = {.destination = "x"}}).error().field(), "destination");
  EXPECT_EQ(w.letters().List({.cursor = "x"}).error().field(), "cursor");
}

TEST(DeadLetters, ARedriveKeepsIdsAndAttemptsAndBeginsTheScheduleAnew) {
  DeadWorld w(3);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "1s", "1s"}}}}});
  w.receivers.answer = [&](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome =
                                 d.attempt < 6 ? Outcome::Retry("HTTP 500") : Outcome::Delivered()};
  };
  const Position at = w.Append();
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").dead_lettered == 1; }));
  const PairTrace dead = w.Trace("hook", at);
  EXPECT_EQ(dead.attempts_total, 3U);
  const auto moved = w.Move(DeadAction::kRedrive);
  ASSERT_TRUE(moved.has_value());
  EXPECT_FALSE(moved->running);
  EXPECT_EQ(moved->done, 1U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 0U);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 1; }));
  const PairTrace done = w.Trace("hook", at);
  EXPECT_EQ(done.attempts_total, 6U);  // three more by the schedule from its beginning
  EXPECT_EQ(done.webhook_id, dead.webhook_id);
  EXPECT_EQ(done.delivery_id, dead.delivery_id);
  EXPECT_EQ(done.attempts.size(), 6U);
  std::set<std::string> ids;
  for (const Seen& s : w.receivers.seen) ids.insert(s.webhook_id);
  EXPECT_EQ(ids.size(), 1U);
  EXPECT_TRUE(w.List().data.empty());
}

TEST(DeadLetters, OnlyWhatIsSelectedIsRedriven) {
  DeadWorld w(4);
  w.Open();
  w.Make("hook");
  w.Make("other");
  w.broken = {"hook", "other"};
  w.AppendMany(10);
  ASSERT_TRUE(w.sim.RunUntil(
      [&] { return w.Stats("hook").dead_lettered == 10 && w.Stats("other").dead_lettered == 10; }));
  w.sim.RunFor(kS);
  w.broken.clear();
  const std::string a = DeliveryId(1, {0, 3});
  const std::string b = DeliveryId(2, {0, 4});
  const std::string unknown = DeliveryId(2, {0, 400});
  const auto by_id = w.Move(DeadAction::kRedrive, {.ids = {{a, b, a, unknown}}});
  EXPECT_EQ(by_id->done, 2U);
  EXPECT_EQ(by_id->total, 2U);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(w.Trace("hook", {0, 3}).state, PairState::kDelivered);
  EXPECT_EQ(w.Trace("other", {0, 4}).state, PairState::kDelivered);
  const auto outside = w.Move(DeadAction::kRedrive, {.destination = "hook", .ids = {{b}}});
  EXPECT_EQ(outside->done, 0U);
  EXPECT_EQ(w.Move(DeadAction::kRedrive, {.destination = "hook"})->done, 9U);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 10U);
  EXPECT_EQ(w.Stats("other").dead_lettered, 9U);
  EXPECT_EQ(w.Move(DeadAction::kRedrive, {.destination = "x"}).error().field(), "destination");
  EXPECT_EQ(w.Move(DeadAction::kRedrive, {.ids = {{a, "x"}}}).error().field(), "ids[1]");
}

TEST(DeadLetters, WhatIsDeletedIsDroppedByName) {
  DeadWorld w(5);
  w.Open();
  w.Make("hook");
  w.AppendMany(10);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").dead_lettered == 10; }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Move(DeadAction::kDelete, {.ids = {{DeliveryId(1, {0, 7})}}})->done, 1U);
  EXPECT_EQ(w.Trace("hook", {0, 7}).state, PairState::kDropped);
  EXPECT_EQ(w.Trace("hook", {0, 7}).rule, "deleted");
  EXPECT_EQ(w.Trace("hook", {0, 6}).state, PairState::kDeadLettered);
  EXPECT_EQ(w.Move(DeadAction::kDelete)->done, 9U);
  EXPECT_EQ(w.Stats("hook").dropped, 10U);
  EXPECT_EQ(w.Stats("hook").dead_letter_bytes, 0U);
  w.ExpectConserved("hook", 10);
  w.Crash(5);
  w.Open();
  w.ExpectConserved("hook", 10);
}

TEST(DeadLetters, LeaveAtTheirAge) {
  DeadWorld w(6);
  w.options.dead_letter_age_us = 3'600LL * kMicrosPerSecond;
  w.Open();
  w.Make("hook");
  const Position old = w.Append();
  w.sim.RunFor(1'800 * kS);
  const Position young = w.Append();
  w.sim.RunFor(1'790 * kS);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 2U);  // not a moment before
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Trace("hook", old).rule, "dead_letter_age");
  EXPECT_EQ(w.Trace("hook", young).state, PairState::kDeadLettered);
}

TEST(DeadLetters, TheOldestLeavePastTheByteLimitAndNotOneMore) {
  DeadWorld w(7);
  w.Open();
  w.Make("hook");
  w.AppendMany(10);
  w.sim.RunFor(5 * kS);
  const std::uint64_t ten = w.Stats("hook").dead_letter_bytes;
  ASSERT_GT(ten, 0U);
  w.Crash(7);
  w.options.dead_letter_bytes_max = ten;
  w.Open();
  EXPECT_EQ(w.Stats("hook").dead_letter_bytes, ten);
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 10U);  // at the limit
  const Position next = w.Append();
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 9U);  // its id is one byte longer, so two went
  EXPECT_EQ(w.Trace("hook", {0, 0}).rule, "dead_letter_size");
  EXPECT_EQ(w.Trace("hook", next).state, PairState::kDeadLettered);
  w.ExpectConserved("hook", 11);
}

TEST(DeadLetters, KeepTheirEventPastRetentionAlsoWhenRedriven) {
  DeadWorld w(8);
  w.Open();
  w.Make("hook");
  w.AppendMany(5);
  w.sim.RunFor(kS);
  w.log.AskRelease(0, 5);
  w.sim.RunFor(kS);
  w.log.RetainTo(0, 5);
  w.Crash(8);
  w.Open();
  EXPECT_EQ(w.letters().Get(DeliveryId(1, {0, 2}))->event, R"({"event":1})");
  w.broken.clear();
  EXPECT_EQ(w.Move(DeadAction::kRedrive)->done, 5U);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 5U);
}

TEST(DeadLetters, ALargeRedriveIsAnsweredAtOnceAndGoesOnAfterACrash) {
  DeadWorld w(9);
  w.Open();
  w.Make("hook", {{"concurrency", 100}});
  w.AppendMany(2'500);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").dead_lettered == 2'500; }));
  w.sim.RunFor(kS);
  w.broken.clear();
  const auto begun = w.Move(DeadAction::kRedrive);
  ASSERT_TRUE(begun.has_value());
  EXPECT_TRUE(begun->running);
  EXPECT_EQ(begun->total, 2'500U);
  w.Crash(9);
  w.Open();
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 2'500; }));
  w.sim.RunFor(kS);
  const auto ended = w.letters().Moving(DeadAction::kRedrive, begun->id);
  ASSERT_TRUE(ended.has_value());
  EXPECT_FALSE(ended->running);
  EXPECT_EQ(ended->done, 2'500U);
  EXPECT_EQ(w.letters().Moving(DeadAction::kDelete, begun->id).error().code(),
            ErrorCode::kNotFound);
}

TEST(DeadLetters, ARedriveWaitsForRoomAmongTheWaitingRows) {
  DeadWorld w(10);
  w.options.waiting_rows_max = 20;
  w.Open();
  w.Make("hook", {{"concurrency", 2}});
  w.AppendMany(100);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").dead_lettered == 100; }));
  w.sim.RunFor(kS);
  w.receivers.answer = [&](const std::string&, const Delivery&) {
    EXPECT_LE(w.Stats("hook").retrying, 20U);
    return Receivers::Answer{};
  };
  const auto begun = w.Move(DeadAction::kRedrive);
  EXPECT_TRUE(begun->running);  // not all of it found room, so it is answered while it runs
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 100; }));
  w.sim.RunFor(5 * kS);
  EXPECT_FALSE(w.letters().Moving(DeadAction::kRedrive, begun->id)->running);
}

TEST(DeadLetters, WhatDiesDuringARedriveIsNotRedrivenAgainByIt) {
  DeadWorld w(11);
  w.Open();
  w.Make("hook");
  w.AppendMany(30);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").dead_lettered == 30; }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Move(DeadAction::kRedrive)->done, 30U);
  w.sim.RunFor(60 * kS);
  EXPECT_EQ(w.receivers.seen.size(), 60U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 30U);
}

// A power cut at any step of a redrive, several times: no pair is lost, none counted twice.
TEST(DeadLetters, ACrashAtAnyStepOfARedriveLosesAndDoublesNothing) {
  for (std::uint64_t seed = 0; seed < test::Scaled(60); ++seed) {
    DeadWorld w(seed, 1 + seed % 3);
    std::mt19937_64 random(seed);
    w.Open();
    w.Make("hook", {{"concurrency", 50}});
    w.AppendMany(1'200);
    ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").dead_lettered == 1'200; }));
    w.sim.RunFor(kS);
    w.broken.clear();
    const bool drop = seed % 4 == 3;
    w.letters().Move(drop ? DeadAction::kDelete : DeadAction::kRedrive, {}, [](const auto&) {});
    for (int cut = 0; cut < 4; ++cut) {
      const auto target =
          w.sim.Monotonic() + static_cast<MonoNanos>(random() % 30) * kNanosPerMilli;
      w.sim.RunUntil([&] { return w.sim.Monotonic() >= target; }, 2 * kS);
      w.Crash(random());
      w.Open();
      w.sim.RunFor(kNanosPerMilli);
      w.ExpectSum("hook", 1'200);
      if (HasFailure()) FAIL() << "seed " << seed << " cut " << cut;
    }
    // Cut before it was stored, the redrive was never answered and is asked for again.
    ASSERT_TRUE(w.Move(drop ? DeadAction::kDelete : DeadAction::kRedrive).has_value());
    ASSERT_TRUE(w.sim.RunUntil([&] {
      const LaneStats s = w.Stats("hook");
      return s.delivered + s.dropped == 1'200;
    })) << "seed "
        << seed;
    w.sim.RunFor(kS);
    w.ExpectConserved("hook", 1'200);
  }
}

TEST(DeadLetters, OfADeletedDestinationAreDropped) {
  DeadWorld w(12);
  w.Open();
  w.Make("hook");
  w.AppendMany(5);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Delete("hook").has_value());
  EXPECT_TRUE(w.List().data.empty());
  EXPECT_EQ(*DroppedBy(w.store, 1, {0, 4}), DropRule::kDestinationDeleted);
  EXPECT_EQ(*DroppedBy(w.store, 1, {0, 5}), std::nullopt);
  EXPECT_EQ(w.letters().Get(DeliveryId(1, {0, 4})).error().code(), ErrorCode::kNotFound);
}

TEST(DeadLetters, AStoreWithoutTheIndexGetsIt) {
  DeadWorld w(13);
  w.Open();
  w.Make("hook");
  w.AppendMany(3);
  w.sim.RunFor(kS);
  const std::uint64_t bytes = w.Stats("hook").dead_letter_bytes;
  w.Crash(13);
  store::Batch old;
  old.DeleteRange(store::Family::kOwned, store::keys::DeadLetterAgesOf(1),
                  store::PrefixEnd(store::keys::DeadLetterAgesOf(1)));
  ASSERT_TRUE(w.store.Write(old, store::Sync::kYes));
  w.Open();
  EXPECT_EQ(w.List().data.size(), 3U);
  EXPECT_EQ(w.Stats("hook").dead_letter_bytes, bytes);
}

TEST(DeliveryIds, AreReadBackAndHaveOneSpelling) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1'000; ++i) {
    const auto lane = static_cast<LaneId>(random());
    const Position at{static_cast<std::uint32_t>(random() % 4), random() % 1'000'000};
    const std::string id = DeliveryId(lane, at);
    const auto place = ParseDeliveryId(id);
    ASSERT_TRUE(place.has_value()) << id;
    ASSERT_EQ(place->lane, lane);
    ASSERT_EQ(place->at, at);
  }
  const std::string id = DeliveryId(1, {0, 7});
  EXPECT_EQ(id.size(), 36U);
  std::string upper = id;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const std::string& bad :
       {std::string(), id.substr(1), id + "0", id.substr(0, 35), "msg" + id.substr(3), upper}) {
    EXPECT_FALSE(ParseDeliveryId(bad)) << bad;
  }
}

TEST(DroppedPairs, GroupsOfSeveralRulesInOneBlockAreToldApart) {
  test::MemoryStore store;
  const auto put = [&](DropRule rule, std::vector<OffsetRange> runs) {
    store::Batch batch;
    const log::Offset first = runs.front().first;
    batch.Put(store::Family::kOwned, store::keys::Dropped(1, {0, first}),
              EncodeDropped({.rule = rule, .at_us = 5, .runs = std::move(runs)}));
    ASSERT_TRUE(store.Write(batch, store::Sync::kYes));
  };
  put(DropRule::kDeleted, {{5, 6}, {100, 101}, {1'000, 1'100}});
  put(DropRule::kDeadLetterAge, {{6, 7}, {50, 60}});
  EXPECT_EQ(*DroppedBy(store, 1, {0, 100}), DropRule::kDeleted);
  EXPECT_EQ(*DroppedBy(store, 1, {0, 55}), DropRule::kDeadLetterAge);
  EXPECT_EQ(*DroppedBy(store, 1, {0, 1'099}), DropRule::kDeleted);
  for (const log::Offset not_dropped : {0U, 4U, 7U, 60U, 101U, 1'100U}) {
    EXPECT_EQ(*DroppedBy(store, 1, {0, not_dropped}), std::nullopt) << not_dropped;
  }
  EXPECT_EQ(*DroppedBy(store, 2, {0, 100}), std::nullopt);
}

}  // namespace
}  // namespace tributary::deliver
