// Batches whose destination changes while they are on their way: the composition is kept, every
// attempt is rendered anew from the log by the mapping of now, and who is a member was decided by
// the rule in force at each record's offset.
#include "deliver/dead_letters.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

struct RevisionWorld : DeliverWorld {
  explicit RevisionWorld(std::uint64_t seed) : DeliverWorld(seed) {
    // "even": a condition; "fails N": a mapping that cannot do N; others say who made the body.
    programs.answer = [](const std::string& text, const std::string& event) -> Result<std::string> {
      const json read = json::parse(event);
      const int n = read["n"];
      if (text == "even") return n % 2 == 0 ? "true" : "false";
      if (text == "odd") return n % 2 == 1 ? "true" : "false";
      if (text == "fails " + std::to_string(n)) return Fail(ErrorCode::kInvalid, "cannot");
      return json{{"by", text}, {"n", n}}.dump();
    };
    receivers.answer = [this](const std::string&, const Delivery& d) {
      return Receivers::Answer{.outcome = broken ? Outcome::Retry("HTTP 500") : Outcome{},
                               .after = kNanosPerMilli * (d.batch ? 1 : 2)};
    };
    Open();
  }
  void AppendNumbers(int from, int to) {
    for (int n = from; n < to; ++n) AppendAs({}, "Event", R"({"n":)" + std::to_string(n) + "}");
  }
  void MakeBatches(json more = json::object()) {
    json fields{{"batch", {{"size", 3}, {"wait", "200ms"}}},
                {"retry", {{"schedule", {"0s", "10s", "10s"}}}}};
    fields.update(more);
    Make("hook", fields);
  }
  json Body(std::size_t request) const { return json::parse(receivers.seen.at(request).body); }
  bool broken = true;
};

TEST(LaneBatchRevision, AChangedMappingRendersTheSameCompositionAnew) {
  RevisionWorld w(1);
  w.MakeBatches({{"mapping", "one"}});
  w.AppendNumbers(0, 3);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"mapping", "two"}}));
  w.broken = false;
  w.sim.RunFor(20 * kS);
  ASSERT_EQ(w.receivers.seen.size(), 2U);
  EXPECT_EQ(w.receivers.seen[0].webhook_id, w.receivers.seen[1].webhook_id);
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(w.Body(0)[n], (json{{"by", "one"}, {"n", n}}));
    EXPECT_EQ(w.Body(1)[n], (json{{"by", "two"}, {"n", n}}));
    const PairTrace trace = w.Trace("hook", {0, static_cast<log::Offset>(n)});
    ASSERT_EQ(trace.attempts.size(), 2U);
    EXPECT_EQ(trace.attempts[0].revision, 1U);
    EXPECT_EQ(trace.attempts[1].revision, 2U);
    EXPECT_EQ(trace.rule_revision, 1U);
  }
}

TEST(LaneBatchRevision, AlsoAcrossAPowerCutAndWhenTheLogHasForgottenTheEvents) {
  RevisionWorld w(2);
  w.MakeBatches({{"mapping", "one"}});
  w.AppendNumbers(0, 3);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"mapping", "two"}}));
  w.log.AskRelease(0, 3);
  w.sim.RunFor(kS);
  w.log.RetainTo(0, 3);
  w.Crash(2);
  w.Open();
  w.broken = false;
  w.sim.RunFor(20 * kS);
  ASSERT_EQ(w.receivers.seen.size(), 2U);
  EXPECT_EQ(w.receivers.seen[0].webhook_id, w.receivers.seen[1].webhook_id);
  EXPECT_EQ(w.Body(1)[2], (json{{"by", "two"}, {"n", 2}}));
  EXPECT_EQ(w.Stats("hook").delivered, 3U);
}

TEST(LaneBatchRevision, ARemovedMappingSendsTheEventsAsTheyAre) {
  RevisionWorld w(3);
  w.MakeBatches({{"mapping", "one"}});
  w.AppendNumbers(0, 3);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"mapping", nullptr}}));
  w.broken = false;
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Body(1), json::parse(R"([{"n":0},{"n":1},{"n":2}])"));
  EXPECT_EQ(w.receivers.seen[0].webhook_id, w.receivers.seen[1].webhook_id);
}

TEST(LaneBatchRevision, AMemberThatTheNewMappingCannotDoLeavesAndTheOthersAreAnotherBatch) {
  RevisionWorld w(4);
  w.MakeBatches({{"mapping", "one"}});
  w.AppendNumbers(0, 3);
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"mapping", "fails 1"}}));
  w.broken = false;
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 2U);
  EXPECT_EQ(w.Trace("hook", {0, 1}).state, PairState::kDeadLettered);
  ASSERT_EQ(w.receivers.seen.size(), 2U);
  EXPECT_NE(w.receivers.seen[0].webhook_id, w.receivers.seen[1].webhook_id);
  EXPECT_EQ(w.Body(1), json::array({{{"by", "fails 1"}, {"n", 0}}, {{"by", "fails 1"}, {"n", 2}}}));
  // Mended, it goes by itself, with the attempts it had.
  ASSERT_TRUE(w.Patch("hook", {{"mapping", "three"}}));
  ASSERT_TRUE(w.Answered<DeadMoving>([&](auto done) {
    w.engine->dead_letters().Move(DeadAction::kRedrive, {}, std::move(done));
  }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Body(2), json::array({{{"by", "three"}, {"n", 1}}}));
}

TEST(LaneBatchRevision, AChangedRuleTakesNoMemberOutOfABatchThatWaits) {
  RevisionWorld w(5);
  w.MakeBatches({{"filter", "even"}});
  w.AppendNumbers(0, 6);  // 0, 2, 4
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Patch("hook", {{"filter", "odd"}}));
  w.AppendNumbers(6, 12);  // 7, 9, 11
  w.sim.RunFor(kS);
  w.broken = false;
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 6U);
  EXPECT_EQ(w.Stats("hook").filtered, 6U);
  for (const Seen& s : w.receivers.seen) {
    const json first = json::parse(R"([{"n":0},{"n":2},{"n":4}])");
    const json second = json::parse(R"([{"n":7},{"n":9},{"n":11}])");
    EXPECT_EQ(json::parse(s.body), s.at.offset < 6 ? first : second);
  }
}

// One batch may hold records of two rules: each is judged by its own.
TEST(LaneBatchRevision, MembersAreJudgedByTheRuleAtTheirOffsets) {
  RevisionWorld w(6);
  w.verdicts.sync_by_itself = true;
  w.broken = false;
  w.MakeBatches({{"filter", "even"}, {"batch", {{"size", 4}, {"wait", "5s"}}}});
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  w.AppendNumbers(0, 4);  // 0, 2
  ASSERT_TRUE(w.Patch("hook", {{"filter", "odd"}}));
  w.AppendNumbers(4, 8);  // 5, 7
  w.Crash(6);
  w.Open();
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Resume("hook", std::move(d)); }));
  w.sim.RunFor(10 * kS);
  ASSERT_EQ(w.receivers.seen.size(), 1U);
  EXPECT_EQ(w.Body(0), json::parse(R"([{"n":0},{"n":2},{"n":5},{"n":7}])"));
  EXPECT_EQ(w.Trace("hook", {0, 2}).rule_revision, 1U);
  EXPECT_EQ(w.Trace("hook", {0, 5}).rule_revision, 2U);
}

// Changed between gathering and composing: what goes first is already made by the new one.
TEST(LaneBatchRevision, WhatOnlyGatheredIsRenderedByTheNewMapping) {
  RevisionWorld w(7);
  w.broken = false;
  w.MakeBatches({{"mapping", "one"}, {"batch", {{"size", 10}, {"wait", "5s"}}}});
  w.AppendNumbers(0, 3);
  w.sim.RunFor(kS);
  EXPECT_TRUE(w.receivers.seen.empty());
  ASSERT_TRUE(w.Patch("hook", {{"mapping", "two"}}));
  w.sim.RunFor(10 * kS);
  ASSERT_EQ(w.receivers.seen.size(), 1U);
  for (const json& event : w.Body(0)) EXPECT_EQ(event["by"], "two");
}

// While one was being mapped, what it was to join went without it.
TEST(LaneBatchRevision, OfAKeyWhatIsMappedTooLateToJoinFollows) {
  for (const bool switched_off : {false, true}) {
    RevisionWorld w(8);
    w.receivers.answer = [](const std::string&, const Delivery&) {
      return Receivers::Answer{.outcome = {}, .after = kS};
    };
    w.MakeBatches({{"mapping", "one"}, {"order", "key"}});
    w.AppendAs("a", "Event", R"({"n":0})");
    w.sim.RunFor(kS / 10);
    w.programs.takes = kS / 2;
    w.AppendAs("a", "Event", R"({"n":1})");
    w.AppendAs("a", "Event", R"({"n":2})");
    w.sim.RunFor(kS / 20);
    if (switched_off) {
      ASSERT_TRUE(w.Patch("hook", {{"batch", {{"size", 1}}}}));
    }
    w.sim.RunFor(20 * kS);
    EXPECT_EQ(w.Stats("hook").delivered, 3U);
    for (std::size_t i = 1; i < w.receivers.seen.size(); ++i) {
      EXPECT_GE(w.receivers.seen[i].when, w.receivers.seen[i - 1].answered_at) << i;
      EXPECT_GT(w.receivers.seen[i].at, w.receivers.seen[i - 1].at) << i;
    }
  }
}

}  // namespace
}  // namespace tributary::deliver
