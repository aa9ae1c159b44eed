// Programs on the way of an attempt, in a simulated world with programs that the test decides.
#include "deliver/judge.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

// A condition that wants events with a "y" in them.
Result<std::string> WantsY(const std::string&, const std::string& event) {
  return event.find('y') != std::string::npos ? "true" : "false";
}

TEST(LaneProgram, ConditionFiltersAndTheTraceSaysSo) {
  DeliverWorld w(1);
  w.programs.answer = WantsY;
  w.Open();
  w.Make("hook", {{"filter", "y?"}});
  const Position yes = w.Append("E", 0, R"({"a":"y"})");
  const Position no = w.Append("E", 0, R"({"a":"n"})");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(w.Stats("hook").filtered, 1U);
  EXPECT_EQ(w.Stats("hook").in_flight, 0U);
  EXPECT_EQ(w.Trace("hook", yes).state, PairState::kDelivered);
  EXPECT_EQ(w.Trace("hook", no).state, PairState::kFiltered);
  ASSERT_EQ(w.receivers.seen.size(), 1U);
  EXPECT_EQ(w.receivers.seen[0].at, yes);
}

TEST(LaneProgram, NativeStagesComeFirstAndSpareTheProgram) {
  DeliverWorld w(2);
  w.Open();
  w.Make("hook", {{"filter", "f"}, {"pattern", "needle"}, {"names", {"E"}}});
  const Position outside = w.Append("E", 0, R"({"a":1})");
  w.Append("Other", 0, R"({"a":"needle"})");
  w.Append("E", 0, R"({"a":"needle"})");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.programs.asked.size(), 1U);
  EXPECT_EQ(w.Stats("hook").filtered, 2U);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(w.Trace("hook", outside).state, PairState::kFiltered);
}

TEST(LaneProgram, FailedConditionIsADeadLetterWithoutAnAttempt) {
  DeliverWorld w(3);
  w.programs.answer = [](const auto&, const auto&) -> Result<std::string> {
    return Fail(ErrorCode::kInvalid, "Cannot index number");
  };
  w.Open();
  w.Make("hook", {{"filter", "f"}});
  std::vector<Position> all;
  for (int i = 0; i < 100; ++i) all.push_back(w.Append());
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 100U);
  EXPECT_EQ(w.Stats("hook").breaker, "closed");  // the receiver has done nothing wrong
  EXPECT_EQ(w.Stats("hook").success_rate, 1.0);
  EXPECT_TRUE(w.receivers.seen.empty());
  EXPECT_EQ(w.Trace("hook", all.front()).state, PairState::kDeadLettered);
  EXPECT_EQ(w.Trace("hook", all.front()).attempts_total, 0U);
  EXPECT_NE(w.Trace("hook", all.front()).reason.find("Cannot index number"), std::string::npos);
}

TEST(LaneProgram, MappingMakesTheBodyOfEveryAttemptAnew) {
  DeliverWorld w(4);
  w.programs.answer = [](const std::string& text, const std::string&) -> Result<std::string> {
    return "made by " + text;
  };
  std::vector<std::string> bodies;
  w.receivers.answer = [&](const std::string&, const Delivery& delivery) {
    EXPECT_TRUE(delivery.mapped);
    EXPECT_EQ(delivery.record->fields.name, "E");
    EXPECT_EQ(delivery.record->payload, R"({"event":1})");
    bodies.emplace_back(delivery.body);
    const bool last = bodies.size() == 2;
    return Receivers::Answer{.outcome = last ? Outcome::Delivered(200) : Outcome::Retry("no")};
  };
  w.Open();
  w.Make("hook", {{"mapping", "one"}});
  const Position at = w.Append("E");
  w.sim.RunFor(100 * kMs);
  ASSERT_TRUE(w.Patch("hook", {{"mapping", "two"}}).has_value());
  w.sim.RunFor(5 * kS);
  EXPECT_EQ(bodies, (std::vector<std::string>{"made by one", "made by two"}));
  const PairTrace trace = w.Trace("hook", at);
  ASSERT_EQ(trace.attempts.size(), 2U);
  EXPECT_EQ(trace.attempts[0].revision, 1U);
  EXPECT_EQ(trace.attempts[1].revision, 2U);
}

TEST(LaneProgram, MappingThatChangesWhileItRunsIsRunAgain) {
  DeliverWorld w(5);
  w.programs.takes = 200 * kMs;
  w.programs.answer = [](const std::string& text, const std::string&) -> Result<std::string> {
    return text;
  };
  std::vector<std::string> bodies;
  w.receivers.answer = [&](const std::string&, const Delivery& delivery) {
    bodies.emplace_back(delivery.body);
    return Receivers::Answer{};
  };
  w.Open();
  w.Make("hook", {{"mapping", "one"}});
  w.Append();
  w.sim.RunFor(100 * kMs);
  ASSERT_TRUE(w.Patch("hook", {{"mapping", "two"}}).has_value());
  w.sim.RunFor(5 * kS);
  EXPECT_EQ(bodies, std::vector<std::string>{"two"});
}

TEST(LaneProgram, ConditionIsAskedBeforeTheFirstAttemptOnly) {
  DeliverWorld w(6);
  w.receivers.answer = [&](const std::string&, const Delivery& delivery) {
    return Receivers::Answer{.outcome = delivery.attempt < 3 ? Outcome::Retry("no") : Outcome{}};
  };
  w.Open();
  w.Make("hook", {{"filter", "f"}});
  w.Append();
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(w.programs.asked.size(), 1U);
}

TEST(LaneProgram, ConditionCountsAtTheRecordsOffsetAlsoAfterARestart) {
  DeliverWorld w(7);
  w.verdicts.sync_by_itself = true;
  w.programs.answer = [](const std::string& text, const std::string&) -> Result<std::string> {
    return text == "no" ? "false" : "true";
  };
  w.Open();
  w.Make("hook", {{"filter", "no"}});
  ASSERT_TRUE(w.Answered<std::string>([&](auto done) {
                 w.engine->Pause("hook", std::move(done));
               }).has_value());
  const Position before = w.Append();
  ASSERT_TRUE(w.Patch("hook", {{"filter", "yes"}}).has_value());
  const Position after = w.Append();
  w.Crash(1);
  w.Open();
  ASSERT_TRUE(w.Answered<std::string>([&](auto done) {
                 w.engine->Resume("hook", std::move(done));
               }).has_value());
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Trace("hook", before).state, PairState::kFiltered);
  EXPECT_EQ(w.Trace("hook", after).state, PairState::kDelivered);
}

TEST(LaneProgram, BusyRunnerIsAskedAgainWithoutSpendingAnAttempt) {
  DeliverWorld w(8);
  int asked = 0;
  w.programs.answer = [&](const auto&, const auto&) -> Result<std::string> {
    if (++asked < 20) return Fail(ErrorCode::kUnavailable, "too many wait");
    return "true";
  };
  w.Open();
  w.Make("hook", {{"filter", "f"}});
  const Position at = w.Append();
  w.sim.RunFor(500 * kMs);
  EXPECT_EQ(w.Trace("hook", at).state, PairState::kPending);
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Trace("hook", at).state, PairState::kDelivered);
  EXPECT_EQ(w.Trace("hook", at).attempts_total, 1U);
}

TEST(LaneProgram, RunsTakePlacesInTheWindowButNoTokens) {
  DeliverWorld w(9);
  w.programs.answer = WantsY;
  w.Open();
  // Ten attempts a second: with tokens spent on what is filtered, this would take 100 s.
  w.Make("hook", {{"filter", "y?"}, {"rate_limit", 10}, {"concurrency", 4}});
  for (int i = 0; i < 1'000; ++i) {
    w.Append("E", 0, i % 100 == 0 ? R"({"a":"y"})" : R"({"a":"n"})");
  }
  std::size_t most = 0;
  const bool done = w.sim.RunUntil(
      [&] {
        most = std::max(most, w.programs.running);
        return w.Stats("hook").delivered == 10;
      },
      10 * kS);
  EXPECT_TRUE(done);
  EXPECT_LE(most, 4U);
  EXPECT_GE(most, 1U);
}

TEST(LaneProgram, RowsBeforeTheFirstAttemptAreJudgedToo) {
  DeliverWorld w(10);
  w.programs.answer = WantsY;
  w.Open();
  w.Make("hook", {{"filter", "y?"}, {"retry", {{"schedule", {"1s"}}}}});
  const Position yes = w.Append("E", 0, R"({"a":"y"})");
  const Position no = w.Append("E", 0, R"({"a":"n"})");
  w.sim.RunFor(5 * kS);
  EXPECT_EQ(w.Trace("hook", yes).state, PairState::kDelivered);
  EXPECT_EQ(w.Trace("hook", no).state, PairState::kFiltered);
  EXPECT_EQ(w.Stats("hook").retrying, 0U);
  EXPECT_EQ(w.Stats("hook").filtered, 1U);
}

TEST(LaneProgram, InstantDestinationsAskToo) {
  DeliverWorld w(11);
  w.programs.answer = WantsY;
  w.Open();
  w.Make("sink", {{"type", "sink"}, {"filter", "y?"}});
  w.Append("E", 0, R"({"a":"y"})");
  w.Append("E", 0, R"({"a":"n"})");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("sink").delivered, 1U);
  EXPECT_EQ(w.Stats("sink").filtered, 1U);
}

TEST(LaneProgram, CrashInTheMiddleLosesAndRepeatsNothing) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    DeliverWorld w(seed);
    w.programs.takes = 30 * kMs;
    w.programs.answer = WantsY;
    w.verdicts.sync_by_itself = true;
    w.Open();
    w.Make("hook", {{"filter", "y?"}, {"mapping", "m y"}});
    for (int i = 0; i < 60; ++i) {
      w.Append("E", 0, i % 2 == 0 ? R"({"a":"y"})" : R"({"a":"n"})");
    }
    w.sim.RunFor(static_cast<MonoNanos>(seed * 7) * kMs);
    w.Crash(seed);
    w.programs.running = 0;
    w.Open();
    w.sim.RunFor(5 * kS);
    EXPECT_EQ(w.Stats("hook").delivered, 30U) << seed;
    EXPECT_EQ(w.Stats("hook").filtered, 30U) << seed;
    EXPECT_EQ(w.Stats("hook").in_flight, 0U) << seed;
  }
}

// There was no time to ask: what is lost is dropped, also where the condition would have said no.
TEST(LaneProgram, WhatRetentionTookIsDroppedWhateverTheConditionSays) {
  DeliverWorld w(14);
  w.programs.answer = WantsY;
  w.Open();
  w.Make("hook", {{"filter", "y?"}});
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  const Position no = w.Append("E", 0, R"({"a":"n"})");
  w.log.AskRelease(0, 1);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").dropped, 1U);
  EXPECT_EQ(w.Stats("hook").filtered, 0U);
  const PairTrace trace = w.Trace("hook", no);
  EXPECT_EQ(trace.state, PairState::kDropped);
  EXPECT_EQ(trace.rule, "retention");
}

TEST(LaneProgram, WhatDoesNotCompileIsRefusedByItsField) {
  DeliverWorld w(12);
  w.Open();
  const auto refused = w.Create({{"name", "x"}, {"type", "sim"}, {"mapping", "bad program"}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().field(), "mapping");
  EXPECT_EQ(refused.error().message(), "mapping: does not compile");
}

TEST(Judge, AsksAllThreeStages) {
  DeliverWorld w(13);
  w.programs.answer = WantsY;
  const auto rule = w.matchers.Load(R"({"names":["E"],"pattern":"a","filter":"y?"})").value();
  const auto judged = [&](const std::shared_ptr<const Matcher>& by, std::string_view name,
                          std::string_view payload) {
    const log::RecordView record{.fields = {.name = name}, .payload = payload};
    return w.Answered<bool>(
        [&](auto done) { JudgeRecord(by, record, &w.programs, w.loop, std::move(done)); });
  };
  EXPECT_TRUE(judged(rule, "E", R"({"a":"y"})").value());
  EXPECT_FALSE(judged(rule, "E", R"({"a":"n"})").value());
  EXPECT_FALSE(judged(rule, "E", R"({"b":"y"})").value());
  EXPECT_FALSE(judged(rule, "Other", R"({"a":"y"})").value());
  EXPECT_FALSE(judged(nullptr, "E", R"({"a":"y"})").value());
  w.programs.answer = [](const auto&, const auto&) -> Result<std::string> {
    return Fail(ErrorCode::kInvalid, "no");
  };
  EXPECT_EQ(judged(rule, "E", R"({"a":"y"})").error().code(), ErrorCode::kInvalid);
}

}  // namespace
}  // namespace tributary::deliver
