// What survives a power cut, and that each protection is needed: for every planted bug a seed is
// found that shows it.
#include <algorithm>

#include "deliver/sim_kit_test.h"
#include "support/durations.h"
#include "support/planted_cursor.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

Receivers::Answer Accept(MonoNanos after = kMs) {
  return {.outcome = {}, .after = after};
}

TEST(Durability, OutcomesSurviveAndOnlyTheLastMomentIsRepeated) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    DeliverWorld w(seed);
    w.Open();
    w.Make("hook", {{"concurrency", 8}});
    w.receivers.answer = [&](const std::string&, const Delivery&) { return Accept(10 * kMs); };
    w.AppendMany(2'000);
    w.sim.RunFor(static_cast<MonoNanos>(seed % 20 + 1) * 50 * kMs);
    const MonoNanos crashed = w.sim.Monotonic();
    std::set<Position> old_and_accepted;  // finished more than 50 ms before the crash
    for (const Seen& s : w.receivers.seen) {
      if (s.when + 10 * kMs < crashed - 50 * kMs) old_and_accepted.insert(s.at);
    }
    w.Crash(seed);
    w.receivers.seen.clear();
    w.Open();
    ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 2'000; }));
    for (const Seen& s : w.receivers.seen) {
      ASSERT_FALSE(old_and_accepted.contains(s.at)) << "seed " << seed << " offset " << s.at.offset;
    }
  }
}

TEST(Durability, WaitingRowsAndDeadLettersSurvive) {
  DeliverWorld w(1);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "10s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    if (d.record->offset == 0) return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
    if (d.attempt < 3) return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
    return Receivers::Answer{};
  };
  const Position dead = w.Append();
  const Position late = w.Append();
  w.sim.RunFor(kS);
  w.Crash(1);
  w.Open();
  EXPECT_EQ(w.Trace("hook", dead).state, PairState::kDeadLettered);
  const PairTrace waiting = w.Trace("hook", late);
  EXPECT_EQ(waiting.state, PairState::kRetrying);
  EXPECT_EQ(waiting.attempts.size(), 1U);
  const MonoNanos began = w.sim.Monotonic();
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 1; }));
  EXPECT_GE(w.sim.Monotonic() - began, 14 * kS);  // the schedule went on, it did not begin anew
  EXPECT_EQ(w.Stats("hook").dead_lettered, 1U);
  EXPECT_EQ(w.Trace("hook", late).attempts_total, 3U);
}

TEST(Durability, AWallClockThatJumpedNeitherStopsNorStampedesRetries) {
  DeliverWorld w(2);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome =
                                 d.attempt == 1 ? Outcome::Retry("x") : Outcome::Delivered()};
  };
  w.Append();
  w.sim.RunFor(kS);
  w.sim.JumpWallClock(-3'600LL * kMicrosPerSecond * 24 * 3650);
  w.sim.RunFor(12 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
}

// Everything at once, with power cuts at any moment: in the end every pair is in exactly one state
// and the counts say how many are in each.
void Conserve(std::uint64_t seed, bool cut_in_the_middle_of_changes) {
  DeliverWorld w(seed, 1 + seed % 4);
  std::mt19937_64 random(seed);
  w.Open();
  w.Make("a", {{"concurrency", 3}, {"retry", {{"schedule", {"0s", "50ms", "100ms"}}}}});
  w.Make("b", {{"names", {"Order"}}, {"retry", {{"schedule", {"0s", "20ms"}}}}});
  w.Make("sink", {{"type", "sink"}, {"names", {"Order"}}});
  w.receivers.answer = [&](const std::string&, const Delivery&) {
    Receivers::Answer answer = Accept(static_cast<MonoNanos>(random() % 20 + 1) * kMs);
    const auto die = random() % 10;
    if (die < 2) answer.outcome = Outcome::Retry("HTTP 500");
    if (die == 2) answer.outcome = Outcome::Reject("HTTP 400");
    return answer;
  };
  std::size_t events = 0;
  std::size_t orders = 0;
  for (int round = 0; round < 6; ++round) {
    for (std::uint64_t n = random() % 60; n > 0; --n) {
      const bool order = random() % 2 == 0;
      const Position at = w.Append(order ? "Order" : "Else",
                                   static_cast<log::Partition>(random() % w.log.partitions()));
      if (random() % 8 == 0) {
        w.verdicts.duplicates.insert({at.partition, at.offset});
        continue;
      }
      ++events;
      orders += order ? 1 : 0;
    }
    w.verdicts.sync_takes = static_cast<MonoNanos>(random() % 50 + 1) * kMs;
    w.sim.RunFor(static_cast<MonoNanos>(random() % 200) * kMs);
    if (cut_in_the_middle_of_changes) {
      w.Crash(random());
      w.Open();
    }
  }
  const auto settled = [&](const std::string& name) {
    const LaneStats s = w.Stats(name);
    return s.delivered + s.dead_lettered + s.filtered + s.dropped;
  };
  ASSERT_TRUE(w.sim.RunUntil([&] {
    return settled("a") == events && settled("b") == events && settled("sink") == events;
  })) << "seed "
      << seed << ": " << settled("a") << " " << settled("b") << " " << settled("sink") << " of "
      << events;
  w.sim.RunFor(10 * kS);
  for (const char* name : {"a", "b", "sink"}) {
    ASSERT_EQ(settled(name), events) << "seed " << seed << " " << name;
    ASSERT_EQ(w.Stats(name).retrying, 0U);
    ASSERT_EQ(w.Stats(name).in_flight, 0U);
  }
  ASSERT_EQ(w.Stats("b").filtered, events - orders);
  ASSERT_EQ(w.Stats("sink").delivered, orders);
  std::size_t delivered = 0;
  std::size_t dead = 0;
  for (log::Partition p = 0; p < w.log.partitions(); ++p) {
    for (log::Offset o = 0; o < w.log.committed(p); ++o) {
      if (w.verdicts.duplicates.contains({p, o})) continue;
      const PairTrace pair = w.Trace("a", {p, o});
      delivered += pair.state == PairState::kDelivered ? 1 : 0;
      dead += pair.state == PairState::kDeadLettered ? 1 : 0;
      if (pair.state == PairState::kDelivered) {
        ASSERT_GE(w.Times("a", {p, o}), 1U) << "seed " << seed << ": delivered, but never accepted";
      }
    }
  }
  ASSERT_EQ(delivered, w.Stats("a").delivered) << "seed " << seed;
  ASSERT_EQ(dead, w.Stats("a").dead_lettered) << "seed " << seed;
}

TEST(Durability, EveryPairEndsInExactlyOneStateAcrossCrashes) {
  for (std::uint64_t seed = 0; seed < test::Seeds(300); ++seed) {
    Conserve(seed, true);
    if (HasFatalFailure()) return;
  }
}

TEST(Durability, EveryPairEndsInExactlyOneStateWithoutCrashes) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Conserve(seed, false);
    if (HasFatalFailure()) return;
  }
}

// Runs, cuts the power, heals; how many accepted events no receiver ever got.
std::size_t LostAfterCrash(std::uint64_t seed, bool plant) {
  DeliverWorld w(seed);
  test::RewritingStore planted(w.store, test::CursorBeforeOutcome);
  store::Store& on = plant ? static_cast<store::Store&>(planted) : w.store;
  std::mt19937_64 random(seed);
  w.OpenOn(on);
  w.Make("hook", {{"concurrency", 4}});
  w.receivers.answer = [&](const std::string&, const Delivery&) {
    return Accept(static_cast<MonoNanos>(random() % 60 + 1) * kMs);
  };
  w.AppendMany(100);
  w.sim.RunFor(static_cast<MonoNanos>(random() % 300) * kMs);
  // A request that was not answered before the cut may never have arrived.
  std::set<Position> got;
  for (const Seen& s : w.receivers.seen) {
    if (s.answered) got.insert(s.at);
  }
  w.Crash(seed);
  w.receivers.seen.clear();
  w.OpenOn(on);
  w.sim.RunFor(20 * kS);
  for (const Seen& s : w.receivers.seen) got.insert(s.at);
  return 100 - got.size();
}

TEST(Durability, CursorBeforeOutcomeIsFoundWithinAThousandSeeds) {
  bool found = false;
  for (std::uint64_t seed = 0; seed < 1'000 && !found; ++seed)
    found = LostAfterCrash(seed, true) > 0;
  EXPECT_TRUE(found);
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    ASSERT_EQ(LostAfterCrash(seed, false), 0U) << seed;
}

// A verdict that was only in memory says "duplicate" before the crash and "new" after it.
bool LosesByVerdict(std::uint64_t seed, bool plant) {
  DeliverWorld w(seed);
  w.Open();
  w.Make("hook");
  w.verdicts.claims_synced = plant;
  w.verdicts.sync_never = true;
  w.verdicts.duplicates.insert({0, 0});
  w.Append();
  w.sim.RunFor(kS);
  w.Crash(seed);
  w.verdicts.claims_synced = false;
  w.verdicts.sync_never = false;
  w.verdicts.duplicates.clear();
  w.Open();
  w.sim.RunFor(kS);
  return w.Times("hook", {0, 0}) == 0;
}

TEST(Durability, NothingDurableStandsOnAVerdictThatIsNot) {
  EXPECT_TRUE(LosesByVerdict(1, true));
  EXPECT_FALSE(LosesByVerdict(1, false));
}

TEST(Durability, CursorNeverPassesSyncedVerdicts) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    DeliverWorld w(seed);
    w.Open();
    w.Make("null", {{"type", "sink"}});
    w.verdicts.sync_takes = 40 * kMs;
    for (int i = 0; i < 30; ++i) {
      w.AppendMany(10);
      w.sim.RunFor(static_cast<MonoNanos>(w.sim.random()() % 30) * kMs);
      const auto value = w.store.Get(store::Family::kOwned, store::keys::Cursor(1, 0));
      const StoredCursor cursor = DecodeCursor(**value).value();
      ASSERT_LE(cursor.cursor, w.verdicts.truly_synced(0));
    }
  }
}

TEST(Durability, AfterAFailedWriteTheLaneStopsSending) {
  DeliverWorld w(3);
  w.Open();
  w.Make("hook", {{"concurrency", 1}});
  w.store.FailWrites("disk gone");
  w.receivers.answer = [](const std::string&, const Delivery&) { return Accept(kMs); };
  w.AppendMany(10'000);
  w.sim.RunFor(30 * kS);
  EXPECT_LT(w.receivers.seen.size(), 200U);  // what was sent until the failed write came back
  const auto patched = w.Patch("hook", {{"concurrency", 2}});
  ASSERT_FALSE(patched.has_value());
}

TEST(Durability, PositionsPastTheEndOfTheLogAreMovedBack) {
  DeliverWorld w(4, 1, test::CommitMode::kManual);
  w.Open();
  w.AppendMany(10);  // assigned, never durable
  w.Make("hook");    // begins at 10
  EXPECT_TRUE(w.Patch("hook", {{"names", {"Order"}}}));
  w.log.FailPending(Error(ErrorCode::kIo, "power"));
  w.Crash(1);
  w.Open();
  for (int i = 0; i < 5; ++i) w.Append("Order");  // offsets 0 to 4, accepted after the restart
  w.log.Commit();
  w.verdicts.Decide(w.log);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 5U);
}

TEST(Durability, AttemptsGoWithTheLogUnlessTheirPairWaitsOrIsDead) {
  DeliverWorld w(6);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "1s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    if (d.record->offset == 1) return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
    return Receivers::Answer{.outcome =
                                 d.attempt == 1 ? Outcome::Retry("x") : Outcome::Delivered()};
  };
  w.AppendMany(4);
  w.sim.RunFor(5 * kS);
  const auto rows = [&] {
    std::vector<log::Offset> offsets;
    EXPECT_TRUE(w.store.ScanPrefix(store::Family::kOwned, store::keys::AttemptsOf(1),
                                   [&](std::string_view key, auto) {
                                     offsets.push_back(store::keys::ParseAttempt(key)->at.offset);
                                     return store::Visit::kContinue;
                                   }));
    return offsets;
  };
  EXPECT_EQ(rows(), (std::vector<log::Offset>{0, 0, 1, 2, 2, 3, 3}));
  w.log.RetainTo(0, 3);
  w.sim.RunFor(61 * kS);
  EXPECT_EQ(rows(), (std::vector<log::Offset>{1, 3, 3}));
}

TEST(Durability, RetentionCountsWhatWasLostAndKeepsTheEventsOfRows) {
  DeliverWorld w(5);
  w.Open();
  w.Make("hook",
         {{"concurrency", 2}, {"names", {"Order"}}, {"retry", {{"schedule", {"0s", "1h", "1h"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    if (d.record->offset == 0 && d.attempt == 1) {
      return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
    }
    return Receivers::Answer{.outcome = {}, .after = kMs, .never = d.attempt == 1};
  };
  w.verdicts.duplicates.insert({0, 7});
  w.AppendMany(12, "Order");  // 0 waits, 1 and 2 hang, 3 to 11 are the backlog
  w.AppendMany(3, "Else");
  w.sim.RunFor(kS);
  w.log.AskRelease(0, 14);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").dropped, 8U);
  EXPECT_EQ(w.Stats("hook").filtered, 3U);
  // The two in flight still hold the log: nothing is deleted before they have ended.
  w.Crash(1);
  w.Open();
  w.receivers.answer = [](const std::string&, const Delivery&) { return Accept(); };
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 2U);  // 1 and 2 again, and nothing of the dropped
  w.log.RetainTo(0, 14);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").retrying == 0; }));
  EXPECT_EQ(w.Times("hook", {0, 0}), 1U);  // from the copy that was kept
  EXPECT_EQ(w.Stats("hook").dropped, 8U);
}

}  // namespace
}  // namespace tributary::deliver
