// Lanes in a simulated world: what is delivered, when, how often, and what is remembered.
#include "base/hash.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

TEST(Lane, EveryEventOfEveryPartitionIsDeliveredOnce) {
  DeliverWorld w(1, 4);
  w.Open();
  w.Make("hook");
  w.AppendMany(1'000);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 1'000; }));
  EXPECT_EQ(w.receivers.seen.size(), 1'000U);
  EXPECT_EQ(w.Stats("hook").lag, 0U);
  EXPECT_EQ(w.Stats("hook").in_flight, 0U);
}

TEST(Lane, DuplicatesFormNoPairAndOtherNamesAreFiltered) {
  DeliverWorld w(2);
  w.Open();
  w.Make("hook", {{"names", {"Order"}}});
  w.verdicts.duplicates.insert({0, 1});
  const Position first = w.Append("Order");
  w.Append("Order");  // the duplicate
  const Position other = w.Append("Else");
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(w.Stats("hook").filtered, 1U);
  EXPECT_EQ(w.Trace("hook", first).state, PairState::kDelivered);
  EXPECT_EQ(w.Trace("hook", other).state, PairState::kFiltered);
}

TEST(Lane, WindowIsNeverExceeded) {
  DeliverWorld w(3);
  std::size_t most = 0;
  w.Open();
  w.Make("hook", {{"concurrency", 7}});
  w.receivers.answer = [&](const std::string&, const Delivery&) {
    most = std::max<std::size_t>(most, w.Stats("hook").in_flight);
    return Receivers::Answer{.outcome = {}, .after = 20 * kMs};
  };
  w.AppendMany(200);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 200; }));
  EXPECT_EQ(most, 7U);
}

TEST(Lane, RetriesFollowTheScheduleWithinTwentyPercent) {
  DeliverWorld w(4);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "100ms", "10s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500"), .after = 1};
  };
  const Position at = w.Append();
  w.sim.RunFor(50 * kMs);
  PairTrace trace = w.Trace("hook", at);
  EXPECT_EQ(trace.state, PairState::kRetrying);
  EXPECT_EQ(trace.attempts.size(), 1U);
  ASSERT_TRUE(trace.next_attempt_at_us.has_value());
  w.sim.RunFor(20 * kS);
  ASSERT_EQ(w.receivers.seen.size(), 3U);
  const auto gap = [&](std::size_t i) {
    return static_cast<double>(w.receivers.seen[i].when - w.receivers.seen[i - 1].when);
  };
  EXPECT_NEAR(gap(1), 100 * kMs, 20 * kMs + kMs);
  EXPECT_NEAR(gap(2), 10 * kS, 2 * kS + kMs);
  trace = w.Trace("hook", at);
  EXPECT_EQ(trace.state, PairState::kDeadLettered);
  EXPECT_EQ(trace.attempts_total, 3U);
  EXPECT_EQ(trace.attempts.size(), 3U);
  EXPECT_EQ(trace.attempts.back().error, "HTTP 500");
  EXPECT_EQ(w.Stats("hook").dead_lettered, 1U);
}

TEST(Lane, AFirstWaitIsHonouredToo) {
  DeliverWorld w(5);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"1s"}}}}});
  const MonoNanos began = w.sim.Monotonic();
  const Position at = w.Append();
  w.sim.RunFor(100 * kMs);
  EXPECT_EQ(w.Trace("hook", at).state, PairState::kPending);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 1; }));
  EXPECT_GE(w.receivers.seen.at(0).when - began, 800 * kMs);
}

TEST(Lane, RetryAfterOverrulesTheSchedule) {
  DeliverWorld w(6);
  w.Open();
  w.Make("hook", {{"retry", {{"schedule", {"0s", "5m"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    Receivers::Answer answer{.outcome = Outcome::Delivered(), .after = 1};
    if (d.attempt == 1) answer.outcome = Outcome::Retry("HTTP 429");
    if (d.attempt == 1) answer.outcome.retry_after_ns = 30 * kS;
    return answer;
  };
  w.Append();
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 1; }));
  const double gap = static_cast<double>(w.receivers.seen[1].when - w.receivers.seen[0].when);
  EXPECT_GE(gap, 30 * kS);
  EXPECT_LE(gap, 31 * kS);
}

TEST(Lane, RejectedIsDeadAtOnceAndDisableStopsTheLane) {
  DeliverWorld w(7);
  w.Open();
  w.Make("hook", {{"concurrency", 1}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    Outcome outcome = Outcome::Reject("HTTP 400");
    if (d.record->offset == 1) outcome.verdict = Verdict::kDisable;
    return Receivers::Answer{.outcome = outcome, .after = 1};
  };
  w.AppendMany(5);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.receivers.seen.size(), 2U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 2U);
  EXPECT_EQ(json::parse(*w.engine->Get("hook"))["status"], "disabled");
  // It is durable, and resume ends it.
  w.Crash(1);
  w.Open();
  EXPECT_EQ(json::parse(*w.engine->Get("hook"))["status"], "disabled");
  w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  EXPECT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Resume("hook", std::move(d)); }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 3U);
}

TEST(Lane, PoisonEventDoesNotDelayTheOthers) {
  DeliverWorld w(8);
  w.Open();
  w.Make("hook", {{"concurrency", 4}, {"retry", {{"schedule", {"0s", "10ms", "1h"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    Receivers::Answer answer;
    if (d.record->offset % 10 == 3) answer.outcome = Outcome::Retry("HTTP 500");
    return answer;
  };
  w.AppendMany(100);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 90; }, 2 * kS));
  EXPECT_EQ(w.Stats("hook").retrying, 10U);
}

TEST(Lane, ADestinationThatNeverAnswersHurtsNobodyElse) {
  DeliverWorld w(9);
  w.Open();
  w.Make("hung", {{"concurrency", 2}});
  for (int i = 0; i < 5; ++i) w.Make("fine" + std::to_string(i));
  w.receivers.answer = [](const std::string& name, const Delivery&) {
    return Receivers::Answer{.outcome = {}, .after = kMs, .never = name == "hung"};
  };
  w.AppendMany(500);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("fine4").delivered == 500; }, 5 * kS));
  EXPECT_EQ(w.Stats("hung").in_flight, 2U);
  EXPECT_EQ(w.Stats("hung").lag, 498U);
}

TEST(Lane, OpenBreakerSpendsNoAttemptsAndHealsByOneProbe) {
  DeliverWorld w(10);
  w.Open();
  bool broken = true;
  w.Make("hook", {{"retry", {{"schedule", {"0s", "100ms", "100ms", "100ms"}}}}});
  w.receivers.answer = [&](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = broken ? Outcome::Retry("HTTP 503") : Outcome::Delivered()};
  };
  w.AppendMany(1'000);
  w.sim.RunFor(60 * kS);
  EXPECT_EQ(w.Stats("hook").breaker, "open");
  // Twenty to open it, what was in flight then, and a probe after 1, 2, 4, 8, 16, 30 s.
  EXPECT_LE(w.receivers.seen.size(), 20U + 16U + 6U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 0U);
  broken = false;
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 1'000; }, 60 * kS));
  EXPECT_EQ(w.Stats("hook").breaker, "closed");
}

TEST(Lane, RateLimitHoldsForFreshAndForRetries) {
  DeliverWorld w(11);
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome = d.attempt < 3 && d.record->offset % 3 == 0
                                            ? Outcome::Retry("HTTP 500")
                                            : Outcome::Delivered()};
  };
  w.Open();
  w.Make("hook", {{"rate_limit", 50}, {"retry", {{"schedule", {"0s", "100ms", "100ms", "1s"}}}}});
  w.AppendMany(500);
  w.sim.RunFor(4 * kS);
  EXPECT_LE(w.receivers.seen.size(), 50U * 4 + 6);
  EXPECT_GE(w.receivers.seen.size(), 50U * 4 - 2);
  const auto retries =
      std::ranges::count_if(w.receivers.seen, [](auto& s) { return s.attempt > 1; });
  EXPECT_GT(retries, 50);
}

TEST(Lane, AChangeOfSomethingElseGivesNoNewBurst) {
  DeliverWorld w(11);
  w.Open();
  w.Make("hook", {{"rate_limit", 50}});
  w.AppendMany(1'000);
  for (int i = 0; i < 100; ++i) {
    w.sim.RunFor(20 * kMs);
    ASSERT_TRUE(w.Patch("hook", {{"timeout", std::to_string(i + 1) + "s"}}));
  }
  const double seconds =
      static_cast<double>(w.receivers.seen.back().when - w.receivers.seen.front().when) / kS;
  EXPECT_LE(static_cast<double>(w.receivers.seen.size()), 50 * seconds + 6);
}

TEST(Lane, StopsReadingAtTheLimitOfWaitingRows) {
  DeliverWorld w(12);
  w.options.waiting_rows_max = 10;
  w.Open();
  w.Make("hook", {{"concurrency", 1}, {"retry", {{"schedule", {"0s", "1h", "1s"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome =
                                 d.attempt == 1 ? Outcome::Retry("no") : Outcome::Delivered()};
  };
  w.AppendMany(15);
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Stats("hook").retrying, 10U);
  EXPECT_EQ(w.Stats("hook").lag, 5U);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 15; }, 10'000 * kS));
}

TEST(Lane, InstantDestinationTakesWindowsAndIsNeverCalled) {
  DeliverWorld w(13, 4);
  w.Open();
  w.Make("null", {{"type", "sink"}, {"names", {"Order"}}});
  w.AppendMany(40'000, "Order");
  w.AppendMany(100, "Other");
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("null").lag == 0; }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("null").delivered, 40'000U);
  EXPECT_EQ(w.Stats("null").filtered, 100U);
}

TEST(Lane, LostRecordsAreSteppedOver) {
  DeliverWorld w(14);
  w.Open();
  w.Make("hook", {{"start", "earliest"}});
  EXPECT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  w.AppendMany(10);
  w.log.Lose(0, 0);
  w.log.Lose(0, 5);
  EXPECT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Resume("hook", std::move(d)); }));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Stats("hook").delivered, 8U);
  EXPECT_EQ(w.Stats("hook").lag, 0U);
}

TEST(Lane, WebhookIdIsTheSameForEveryAttemptAndItsBytesAreFixed) {
  DeliverWorld w(15);
  w.Open();
  w.Make("hook");
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome =
                                 d.attempt == 1 ? Outcome::Retry("x") : Outcome::Delivered()};
  };
  const Position at = w.Append();
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Stats("hook").delivered == 1; }));
  EXPECT_EQ(w.receivers.seen[0].webhook_id, w.receivers.seen[1].webhook_id);
  // destination 1, source 1, message id m0-0
  std::string bytes("\x01\0\0\0\x01\0\0\0m0-0", 12);
  EXPECT_EQ(w.receivers.seen[0].webhook_id, "msg_" + HashOf128(bytes).ToHex());
  const PairTrace trace = w.Trace("hook", at);
  EXPECT_EQ(trace.webhook_id, w.receivers.seen[0].webhook_id);
  ASSERT_EQ(trace.attempts.size(), 2U);
  EXPECT_EQ(trace.attempts[0].error, "x");
  EXPECT_EQ(trace.attempts[1].error, "");
}

TEST(Lane, DrainWaitsForAnswersUntilTheDeadlineAndSendsNothingNew) {
  DeliverWorld w(16);
  w.Open();
  w.Make("hook", {{"concurrency", 2}});
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome = {}, .after = kS, .never = d.record->offset == 1};
  };
  w.AppendMany(5);
  w.sim.RunFor(100 * kMs);
  bool closed = false;
  w.engine->Close(w.sim.Monotonic() + 5 * kS, [&] { closed = true; });
  w.sim.RunFor(4 * kS);
  EXPECT_FALSE(closed);
  w.sim.RunFor(2 * kS);
  EXPECT_TRUE(closed);
  EXPECT_EQ(w.receivers.seen.size(), 2U);
  w.Crash(1);
  w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  w.Open();
  w.sim.RunFor(kS);
  // The one that was answered is not sent again.
  EXPECT_EQ(w.Times("hook", {0, 0}), 1U);
  EXPECT_EQ(w.Stats("hook").delivered, 5U);
}

}  // namespace
}  // namespace tributary::deliver
