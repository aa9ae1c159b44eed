// Replays with conditions of their own, natively and by a program, beside the destination's; and
// what becomes of their dead letters.
#include "deliver/dead_letters.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

// Conditions "has X" say whether an event has X in it; two that were joined are read as jq would.
Result<std::string> Has(const std::string& text, const std::string& event) {
  const std::string middle = "\n)) then first((";
  if (const std::size_t at = text.find(middle); at != std::string::npos) {
    const std::size_t begin = std::string("if first((").size();
    const auto first = Has(text.substr(begin, at - begin), event);
    if (!first || *first != "true") return first;
    const std::string rest = text.substr(at + middle.size());
    return Has(rest.substr(0, rest.find('\n')), event);
  }
  return std::string(event.find(text.substr(4)) != std::string::npos ? "true" : "false");
}

struct FilterWorld : DeliverWorld {
  explicit FilterWorld(std::uint64_t seed) : DeliverWorld(seed) {
    programs.answer = Has;
    Open();
  }
  // Every event with marks out of x and y, several times over, delivered live.
  void AppendMarked() {
    for (int i = 0; i < 20; ++i) {
      const std::string marks = std::string(i % 2 == 0 ? "x" : "") + (i % 3 == 0 ? "y" : "");
      Append("E", 0, R"({"m":")" + marks + R"("})");
    }
    sim.RunFor(kS);
  }
  std::set<log::Offset> Sent(const std::string& id) const {
    std::set<log::Offset> sent;
    for (const Seen& s : receivers.seen) {
      if (s.replay != id) continue;
      EXPECT_TRUE(sent.insert(s.at.offset).second) << "sent twice";
    }
    return sent;
  }
};

std::set<log::Offset> Every(log::Offset step) {
  std::set<log::Offset> out;
  for (log::Offset o = 0; o < 20; o += step) out.insert(o);
  return out;
}

TEST(ReplayFilter, ANativePatternSelectsAndTheRestIsFiltered) {
  FilterWorld w(1);
  w.Make("hook");
  w.AppendMarked();
  const std::size_t asked = w.programs.asked.size();
  const std::string id =
      w.Replay({{"destination", "hook"}, {"from", "earliest"}, {"pattern", "y"}})["id"];
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.Sent(id), Every(3));
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 7);
  EXPECT_EQ(w.ShowReplay(id)["filtered"], 13);
  EXPECT_EQ(w.programs.asked.size(), asked) << "no program is asked";
}

TEST(ReplayFilter, AJqFilterSelectsTogetherWithTheDestinationsAlsoAcrossAPowerCut) {
  FilterWorld w(2);
  w.programs.takes = 20 * kNanosPerMilli;
  w.Make("hook", {{"filter", "has x"}, {"concurrency", 2}});
  w.AppendMarked();
  const json ask{{"destination", "hook"}, {"from", "earliest"}, {"filter", "has y"}};
  const std::string id = w.Replay(ask)["id"];
  w.sim.RunFor(100 * kNanosPerMilli);
  w.Crash(2);
  // The rule is the one of the time it was made.
  w.Open();
  ASSERT_TRUE(w.Patch("hook", {{"filter", ""}}));
  ASSERT_TRUE(w.ReplayEnds(id));
  std::set<log::Offset> sent;
  for (const Seen& s : w.receivers.seen) {
    if (s.replay == id) sent.insert(s.at.offset);
  }
  EXPECT_EQ(sent, Every(6));
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 4);
  EXPECT_EQ(w.ShowReplay(id)["filtered"], 16);
  EXPECT_EQ(w.ShowReplay(id)["filter"], "has y");
}

TEST(ReplayFilter, PatternAndFilterInBatches) {
  FilterWorld w(3);
  w.Make("hook", {{"batch", {{"size", 3}}}});
  w.AppendMarked();
  const std::string id = w.Replay(
      {{"destination", "hook"}, {"from", "earliest"}, {"pattern", "x"}, {"filter", "has y"}})["id"];
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 4);
  std::size_t members = 0;
  for (const Seen& s : w.receivers.seen) {
    if (s.replay != id) continue;
    for (const json& event : json::parse(s.body)) {
      EXPECT_EQ(event["m"], "xy");
      ++members;
    }
  }
  EXPECT_EQ(members, 4U);
}

TEST(ReplayFilter, AConditionThatFailsIsADeadLetterOfTheReplayAlone) {
  FilterWorld w(4);
  w.Make("hook");
  w.AppendMarked();
  w.programs.answer = [](const std::string&, const std::string& event) -> Result<std::string> {
    if (event.find('y') != std::string::npos) return Fail(ErrorCode::kInvalid, "cannot");
    return "true";
  };
  const std::string id =
      w.Replay({{"destination", "hook"}, {"from", "earliest"}, {"filter", "f"}})["id"];
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.ShowReplay(id)["dead_lettered"], 7);
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 13);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 0U);
}

TEST(ReplayFilter, DeadLettersOfACancelledReplayCanStillBeRedriven) {
  for (const bool restart : {false, true}) {
    FilterWorld w(5);
    w.Make("hook", {{"concurrency", 4}});
    w.AppendMarked();
    w.receivers.answer = [](const std::string&, const Delivery& d) {
      Receivers::Answer answer{.outcome = Outcome::Reject("HTTP 400")};
      answer.never = d.record->offset >= 8;
      return answer;
    };
    const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
    w.sim.RunFor(kS);
    EXPECT_EQ(w.ShowReplay(id)["dead_lettered"], 8);
    // Paused before: that is over with it.
    ASSERT_TRUE(w.Answered<std::string>(
        [&](auto done) { w.engine->replays().Pause(id, std::move(done)); }));
    ASSERT_TRUE(w.Answered<std::string>(
        [&](auto done) { w.engine->replays().Cancel(id, std::move(done)); }));
    ASSERT_TRUE(w.ReplayEnds(id));
    if (restart) {
      w.Crash(5);
      w.Open();
    }
    w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
    const auto moved = w.Answered<DeadMoving>([&](auto done) {
      w.engine->dead_letters().Move(DeadAction::kRedrive, {}, std::move(done));
    });
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->done, 8U);
    w.sim.RunFor(kS);
    EXPECT_EQ(w.ShowReplay(id)["delivered"], 8);
    EXPECT_EQ(w.ShowReplay(id)["dropped"], 12);
    EXPECT_EQ(w.ShowReplay(id)["state"], "cancelled");
  }
}

// Ordered and in batches when its destination goes, and the power in the same moment.
TEST(ReplayFilter, GoesWithItsDestinationAndLeavesNoRowBehind) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    FilterWorld w(seed);
    w.Make("hook", {{"order", "key"},
                    {"batch", {{"size", 1 + seed % 3}}},
                    {"retry", {{"schedule", {"0s", "1h"}}}}});
    for (int i = 0; i < 12; ++i) w.AppendAs("k" + std::to_string(i % 3));
    w.sim.RunFor(5 * kS);
    w.receivers.answer = [](const std::string&, const Delivery&) {
      return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
    };
    w.Replay({{"destination", "hook"}, {"from", "earliest"}});
    w.sim.RunFor(kS);
    w.engine->Delete("hook", [](const auto&) {});
    w.sim.RunFor(static_cast<MonoNanos>(seed) * kNanosPerMilli);
    w.Crash(seed);
    w.Open();
    w.sim.RunFor(kS);  // the rows go after their destination: perhaps only now
    if (!w.engine->Get("hook")) {
      for (const std::string& prefix : {store::keys::WaitingOf(2), store::keys::AllFollowersOf(2),
                                        store::keys::DeliveryBatchesOf(2)}) {
        std::size_t left = 0;
        ASSERT_TRUE(w.store.ScanPrefix(store::Family::kOwned, prefix, [&](auto, auto) {
          ++left;
          return store::Visit::kContinue;
        }));
        EXPECT_EQ(left, 0U) << seed;
      }
    }
  }
}

}  // namespace
}  // namespace tributary::deliver
