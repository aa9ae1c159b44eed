// The audit: every pair adds up, and those that do not are named.
#include "deliver/audit.h"

#include <set>

#include "deliver/dead_letters.h"
#include "deliver/dropped_pairs.h"
#include "deliver/history_kit_test.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

TEST(Audit, NamesPairsThatDoNotAddUp) {
  HistoryWorld w(7);
  w.Open();
  Mixed(w, 50);
  w.ExpectBalanced();
  w.Crash(7);
  store::Batch planted;
  // A dead letter for what was filtered, and one more waiting row for what is dead.
  planted.Put(store::Family::kOwned, store::keys::DeadLetter(1, {0, 2}),
              EncodeDead({.at_us = 1, .attempts = 1, .reason = "planted"}));
  planted.Put(store::Family::kOwned, store::keys::Waiting(1, {0, 10}),
              EncodeWaiting({.due_us = w.sim.Now() + 1'000'000'000, .attempts = 1}));
  ASSERT_TRUE(w.store.Write(planted, store::Sync::kYes));
  w.Open();
  const AuditReport report = w.Audited();
  ASSERT_EQ(report.destinations.size(), 1U);
  std::set<std::string> named;
  for (const AuditProblem& problem : report.destinations[0].problems) {
    named.insert(problem.delivery_id);
  }
  EXPECT_TRUE(named.contains(DeliveryId(1, {0, 2})));
  EXPECT_TRUE(named.contains(DeliveryId(1, {0, 10})));
  EXPECT_FALSE(named.contains(DeliveryId(1, {0, 3})));
}

TEST(Audit, FindsALostOutcomeByTheCounts) {
  HistoryWorld w(8);
  w.Open();
  Mixed(w, 50);
  w.Crash(8);
  StoredCursor cursor =
      *DecodeCursor(**w.store.Get(store::Family::kOwned, store::keys::Cursor(1, 0)));
  --cursor.counts.delivered;
  store::Batch planted;
  planted.Put(store::Family::kOwned, store::keys::Cursor(1, 0), EncodeCursor(cursor));
  ASSERT_TRUE(w.store.Write(planted, store::Sync::kYes));
  w.Open();
  const AuditReport report = w.Audited();
  EXPECT_TRUE(report.destinations[0].counts_checked);
  EXPECT_EQ(report.problems(), 1U);
}

TEST(Audit, ARangeIsLookedAtAndNoMore) {
  HistoryWorld w(9);
  w.Open();
  w.Make("hook");
  w.AppendMany(100);
  w.sim.RunFor(kS);
  const AuditReport report = w.Audited({.from = 10, .to = 30});
  EXPECT_EQ(report.records, 20U);
  EXPECT_EQ(report.destinations[0].delivered, 20U);
  EXPECT_FALSE(report.destinations[0].counts_checked);
  EXPECT_EQ(report.problems(), 0U);
}

// An outcome that was removed from the store: the pair passes for delivered, but nobody took it.
TEST(Audit, NamesAPairWhoseDeadLetterWasRemoved) {
  HistoryWorld w(10);
  w.Open();
  Mixed(w, 50);
  w.Crash(10);
  store::Batch planted;
  planted.Delete(store::Family::kOwned, store::keys::DeadLetter(1, {0, 10}));
  ASSERT_TRUE(w.store.Write(planted, store::Sync::kYes));
  w.Open();
  const AuditReport report = w.Audited();
  std::set<std::string> named;
  for (const AuditProblem& problem : report.destinations[0].problems) {
    named.insert(problem.delivery_id);
  }
  EXPECT_EQ(named,
            (std::set<std::string>{"", DeliveryId(1, {0, 10})}));  // the counts, and the pair
}

TEST(Audit, APairThatFailedBeforeItSucceededIsNoProblem) {
  HistoryWorld w(11);
  std::map<log::Offset, int> tries;
  w.receivers.answer = [&](const std::string&, const Delivery& d) {
    const bool good = ++tries[d.record->offset] > 12;
    return Receivers::Answer{.outcome = good ? Outcome{} : Outcome::Retry("HTTP 500")};
  };
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", std::vector<std::string>(20, "1s")}}}});
  w.AppendMany(1);
  w.sim.RunFor(60 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  w.ExpectBalanced();
}

TEST(Audit, ConditionsAreAskedAgainAndNothingIsUndecided) {
  HistoryWorld w(12);
  w.programs.answer = [&](const std::string&, const std::string& event) -> Result<std::string> {
    if (event.find("fails") != std::string::npos) return Fail(ErrorCode::kInvalid, "fails");
    return event.find("yes") == std::string::npos ? "false" : "true";
  };
  w.Open();
  w.Make("hook", {{"filter", "asked"}});
  for (int i = 0; i < 90; ++i) {
    const char* const payloads[] = {R"({"is":"yes"})", R"({"is":"no"})", R"({"is":"fails"})"};
    w.Append("Event", 0, payloads[i % 3]);
  }
  w.sim.RunFor(5 * kS);
  const AuditReport report = w.Audited();
  const AuditLine& line = report.destinations[0];
  EXPECT_EQ(line.delivered, 30U);
  EXPECT_EQ(line.filtered, 30U);
  EXPECT_EQ(line.dead_lettered, 30U);
  EXPECT_EQ(line.undecided, 0U);
  EXPECT_TRUE(line.counts_checked);
  EXPECT_EQ(report.conditions, 90U);
  EXPECT_EQ(report.problems(), 0U);
  // A dead letter that its condition never wanted.
  w.Crash(12);
  store::Batch planted;
  planted.Put(store::Family::kOwned, store::keys::DeadLetter(1, {0, 4}),
              EncodeDead({.at_us = 1, .attempts = 1, .reason = "planted"}));
  ASSERT_TRUE(w.store.Write(planted, store::Sync::kYes));
  w.Open();
  const AuditReport wrong = w.Audited();
  ASSERT_FALSE(wrong.destinations[0].problems.empty());
  EXPECT_EQ(wrong.destinations[0].problems[0].delivery_id, DeliveryId(1, {0, 4}));
}

TEST(Audit, AConditionThatGivesNoAnswerLeavesItsPairUndecided) {
  HistoryWorld w(13);
  w.Open();
  w.Make("hook", {{"filter", "asked"}});
  w.AppendMany(3);
  w.sim.RunFor(kS);
  int busy = 5;
  w.programs.answer = [&](const std::string&, const std::string&) -> Result<std::string> {
    if (busy-- > 0) return Fail(ErrorCode::kUnavailable, "too many");
    return "true";
  };
  EXPECT_EQ(w.Audited().destinations[0].delivered, 3U);  // it was asked again
  busy = 1'000'000;
  EXPECT_EQ(w.Audited().destinations[0].undecided, 3U);
}

TEST(Audit, CountsAreCheckedAtTheEndOfAllPartsOfOneMoment) {
  for (const std::uint32_t partitions : {1U, 3U}) {
    HistoryWorld w(14, partitions);
    w.Open();
    Mixed(w, 60);
    AuditCounts sum;
    AuditQuery query{.records_max = 7};
    int parts = 0;
    bool checked = false;
    do {
      const AuditReport report = w.Audited(query);
      ASSERT_EQ(report.problems(), 0U);
      ASSERT_LE(report.records, 7U);
      sum.Add(report.destinations[0]);
      checked = report.destinations[0].counts_checked;
      ASSERT_EQ(checked, !report.next_cursor.has_value());
      query.cursor = report.next_cursor.value_or("");
      w.AppendMany(2);  // what comes later is of no concern to it
      w.sim.RunFor(kS);
      ++parts;
    } while (!query.cursor.empty() && parts < 100);
    EXPECT_GE(parts, 60 / 7);
    EXPECT_TRUE(checked);
    EXPECT_EQ(sum.events, sum.delivered + sum.filtered + sum.dead_lettered + sum.pending);
    EXPECT_GE(sum.events, 60U);
  }
}

TEST(Audit, ACursorIsGoodOnceAndOnlyForAWhile) {
  HistoryWorld w(15);
  w.Open();
  Mixed(w, 60);
  const auto refused = [&](const std::string& cursor) {
    const auto report = w.Answered<AuditReport>(
        [&](auto done) { w.engine->audit().Run({.cursor = cursor}, std::move(done)); });
    return !report && report.error().field() == "cursor";
  };
  const std::string first = *w.Audited({.records_max = 5}).next_cursor;
  const std::string second = *w.Audited({.cursor = first, .records_max = 5}).next_cursor;
  EXPECT_TRUE(refused(first));
  const std::string newest = *w.Audited({.records_max = 5}).next_cursor;
  EXPECT_TRUE(refused(second));  // another audit has begun
  w.sim.RunFor(kAuditKept + kS);
  EXPECT_TRUE(refused(newest));
}

// While everything happens, with power cuts: at any moment every pair adds up.
TEST(Audit, AddsUpAtAnyMomentAcrossCrashes) {
  for (std::uint64_t seed = 0; seed < test::Scaled(40); ++seed) {
    HistoryWorld w(seed, 1 + seed % 3);
    std::mt19937_64 random(seed);
    w.Open();
    w.Make("a", {{"concurrency", 3}, {"retry", {{"schedule", {"0s", "50ms", "100ms"}}}}});
    w.Make("b", {{"names", {"Order"}}, {"retry", {{"schedule", {"0s", "20ms"}}}}});
    w.Make("sink", {{"type", "sink"}, {"names", {"Order"}}});
    w.receivers.answer = [&](const std::string&, const Delivery&) {
      Receivers::Answer answer{.after = static_cast<MonoNanos>(random() % 20 + 1) * kNanosPerMilli};
      const auto die = random() % 10;
      if (die < 2) answer.outcome = Outcome::Retry("HTTP 500");
      if (die == 2) answer.outcome = Outcome::Reject("HTTP 400");
      return answer;
    };
    for (int round = 0; round < 6; ++round) {
      for (std::uint64_t n = random() % 60; n > 0; --n) {
        const Position at = w.Append(random() % 2 == 0 ? "Order" : "Else",
                                     static_cast<log::Partition>(random() % w.log.partitions()));
        if (random() % 8 == 0) w.verdicts.duplicates.insert({at.partition, at.offset});
      }
      w.sim.RunFor(static_cast<MonoNanos>(random() % 200) * kNanosPerMilli);
      if (random() % 3 == 0) {
        w.engine->dead_letters().Move(
            random() % 2 == 0 ? DeadAction::kRedrive : DeadAction::kDelete, {}, [](const auto&) {});
      }
      w.ExpectBalanced();
      if (random() % 2 == 0) {
        w.Crash(random());
        w.Open();
        w.ExpectBalanced();
      }
      if (HasFailure()) FAIL() << "seed " << seed << " round " << round;
    }
  }
}

}  // namespace
}  // namespace tributary::deliver
