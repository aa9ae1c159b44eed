// How a lane holds back and gives up: the window that answers to 429 and 503, the total deadline,
// and what a breaker that opened has to say.
#include "deliver/dead_letters.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"
#include "support/rewriting_store.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

Receivers::Answer Failing(int status, MonoNanos after = kMs) {
  Outcome outcome = Outcome::Retry("HTTP " + std::to_string(status));
  outcome.status = status;
  return {.outcome = std::move(outcome), .after = after};
}

void ExpectWindowShrinksAndGrowsBack(int status) {
  DeliverWorld w(1);
  w.Open();
  w.Make("hook", {{"concurrency", 16}, {"retry", {{"schedule", {"0s", "100ms", "100ms"}}}}});
  bool overloaded = true;
  std::size_t most = 0;
  w.receivers.answer = [&](const std::string&, const Delivery& d) {
    if (overloaded && d.attempt == 1 && d.record->offset % 4 == 0) return Failing(status, 20 * kMs);
    most = std::max<std::size_t>(most, w.Stats("hook").in_flight);
    return Receivers::Answer{.outcome = {}, .after = 20 * kMs};
  };
  EXPECT_EQ(w.Stats("hook").window, 16U);
  w.AppendMany(400);
  w.sim.RunFor(300 * kMs);
  EXPECT_LT(w.Stats("hook").window, 16U);
  EXPECT_GE(w.Stats("hook").window, 1U);
  w.sim.RunFor(10 * kS);
  overloaded = false;
  most = 0;
  w.AppendMany(2'000);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 2'400; }));
  EXPECT_EQ(w.Stats("hook").window, 16U);
  EXPECT_LE(most, 16U);
}

TEST(LaneLimits, WindowShrinksWhenTheReceiverIsOverloadedAndGrowsBack) {
  for (const int status : {429, 503}) {
    SCOPED_TRACE(status);
    ExpectWindowShrinksAndGrowsBack(status);
  }
}

TEST(LaneLimits, OtherFailuresLeaveTheWindowAlone) {
  DeliverWorld w(2);
  w.Open();
  w.Make("hook", {{"concurrency", 4}});
  w.receivers.answer = [&](const std::string&, const Delivery& d) {
    return d.attempt == 1 ? Failing(500) : Receivers::Answer{};
  };
  w.AppendMany(10);
  w.sim.RunFor(100 * kMs);
  EXPECT_EQ(w.Stats("hook").window, 4U);
}

TEST(LaneLimits, TheTotalDeadlineEndsAPairWhateverTheScheduleSays) {
  DeliverWorld w(3);
  w.Open();
  const json schedule{"0s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"};
  w.Make("hook", {{"retry", {{"schedule", schedule}, {"total", "3s"}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) { return Failing(500); };
  const Position at = w.Append();
  w.sim.RunFor(kS);
  w.Crash(1);  // the deadline counts on across a restart
  w.Open();
  w.sim.RunFor(10 * kS);
  const PairTrace trace = w.Trace("hook", at);
  EXPECT_EQ(trace.state, PairState::kDeadLettered);
  EXPECT_GE(trace.attempts_total, 3U);
  EXPECT_LE(trace.attempts_total, 4U);
  const auto dead = w.store.Get(store::Family::kOwned, store::keys::DeadLetter(1, at));
  EXPECT_NE(DecodeDead(**dead)->reason.find("retry.total"), std::string::npos);
  const MonoNanos first = w.receivers.seen.front().when;
  for (const Seen& s : w.receivers.seen) EXPECT_LE(s.when - first, 3 * kS);
}

TEST(LaneLimits, ARowThatWasKeptWaitingPastTheTotalDeadlineIsNotSent) {
  DeliverWorld w(4);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "1s", "1s"}}, {"total", "1m"}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) { return Failing(500); };
  const Position at = w.Append();
  w.sim.RunFor(100 * kMs);
  EXPECT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  w.sim.RunFor(120 * kS);
  EXPECT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Resume("hook", std::move(d)); }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.receivers.seen.size(), 1U);
  EXPECT_EQ(w.Trace("hook", at).state, PairState::kDeadLettered);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 1U);
}

TEST(LaneLimits, RedrivenDeadLettersHaveTheirTotalFromTheirNextAttempt) {
  DeliverWorld w(12);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "1s", "1s"}}, {"total", "5s"}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
  };
  w.AppendMany(20);
  w.sim.RunFor(kS);
  ASSERT_EQ(w.Stats("hook").dead_lettered, 20U);
  ASSERT_TRUE(w.Patch("hook", {{"rate_limit", 1}}));
  w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  ASSERT_TRUE(w.Answered<DeadMoving>([&](auto done) {
    w.engine->dead_letters().Move(DeadAction::kRedrive, {}, std::move(done));
  }));
  w.sim.RunFor(10 * kS);
  w.Crash(12);
  w.Open();
  w.sim.RunFor(60 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 20U);
}

TEST(LaneLimits, ABreakerSaysSinceWhenAndWhy) {
  DeliverWorld w(5);
  w.Open();
  bool broken = true;
  w.Make("hook", {{"retry", {{"schedule", {"0s", "100ms", "100ms", "100ms"}}}}});
  w.receivers.answer = [&](const std::string&, const Delivery&) {
    return broken ? Failing(500) : Receivers::Answer{};
  };
  json shown = json::parse(*w.engine->Get("hook"))["breaker"];
  EXPECT_EQ(shown, (json{{"state", "closed"}, {"since", nullptr}, {"error", nullptr}}));
  w.AppendMany(100);
  w.sim.RunFor(500 * kMs);
  const UnixMicros opened = w.Stats("hook").breaker_since_us.value_or(0);
  EXPECT_NE(opened, 0);
  w.sim.RunFor(5 * kS);
  shown = json::parse(*w.engine->Get("hook"))["breaker"];
  EXPECT_EQ(shown["state"], "open");
  EXPECT_EQ(shown["error"], "HTTP 500");
  EXPECT_EQ(shown["since"], FormatIso8601(opened));  // when it left `closed`, not the last probe
  const json stats = json::parse(w.Stats("hook").ToJson());
  EXPECT_EQ(stats["breaker"], "open");
  EXPECT_EQ(stats["breaker_error"], "HTTP 500");
  broken = false;
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").breaker == "closed"; }, 60 * kS));
  EXPECT_EQ(json::parse(*w.engine->Get("hook"))["breaker"]["error"], nullptr);
}

TEST(LaneLimits, LanesThatWantNothingDoNotWriteTheirCursorsAtEveryTick) {
  DeliverWorld w(6);
  std::size_t cursors = 0;
  test::RewritingStore counting(
      w.store, test::Suffering(test::PutMistake::kLost, [&](const store::Batch::Op& op) {
        cursors += store::keys::ParseCursor(op.key) ? 1 : 0;
        return false;
      }));
  w.OpenOn(counting);
  for (int i = 0; i < 10; ++i) w.Make("d" + std::to_string(i), {{"names", {"Order"}}});
  w.sim.RunFor(2 * kS);
  cursors = 0;
  for (int i = 0; i < 500; ++i) {
    w.Append("Else");
    w.sim.RunFor(10 * kMs);
  }
  EXPECT_LE(cursors, 10U * 7);
  EXPECT_GE(cursors, 10U * 4);
  cursors = 0;
  w.Append("Order");  // what has an outcome does not wait
  w.sim.RunFor(100 * kMs);
  EXPECT_GE(cursors, 10U);
  EXPECT_EQ(w.Stats("d9").filtered, 500U);
}

TEST(Stored, AWaitingRowOfTheFirstVersionIsStillRead) {
  std::string bytes("\x01\x10\0\0\0\0\0\0\0\x03\0\0\0", 13);
  const auto row = DecodeWaiting(bytes);
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->due_us, 16);
  EXPECT_EQ(row->attempts, 3U);
  EXPECT_EQ(row->since_us, 0);
  EXPECT_EQ(row->key, 0U);
  bytes[0] = 3;
  EXPECT_FALSE(DecodeWaiting(bytes).has_value());
}

}  // namespace
}  // namespace tributary::deliver
