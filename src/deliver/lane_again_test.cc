// A disk that cannot be read for a moment costs that moment: nothing is given up, nothing goes out
// of order, nothing is let go uncounted.
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

const Error kTrouble(ErrorCode::kIo, "input/output error");

Receivers::Answer OnlySecondAttempts(const std::string&, const Delivery& d) {
  return {.outcome = d.attempt == 1 ? Outcome::Retry("HTTP 500") : Outcome::Delivered()};
}

// Lets the second attempts fall due while the log cannot be read, and then be read again.
void TroubleWhileRetriesFallDue(DeliverWorld& w) {
  w.receivers.answer = OnlySecondAttempts;
  w.sim.RunFor(kS / 2);
  w.log.FailReads(kTrouble);
  w.sim.RunFor(20 * kS);
  EXPECT_EQ(w.Stats("hook").dropped, 0U);
  EXPECT_EQ(w.Stats("hook").delivered, 0U);
  w.log.FailReads(std::nullopt);
  w.sim.RunFor(5 * kS);
}

TEST(LaneAgain, ARowWhoseEventCannotBeReadWaitsAndSpendsNoAttempt) {
  DeliverWorld w(1);
  w.Open();
  w.Make("hook");
  const Position at = w.Append();
  TroubleWhileRetriesFallDue(w);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(w.Trace("hook", at).attempts_total, 2U);
}

TEST(LaneAgain, ABatchKeepsItsComposition) {
  DeliverWorld w(2);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 3}}}});
  w.AppendMany(3);
  TroubleWhileRetriesFallDue(w);
  EXPECT_EQ(w.Stats("hook").delivered, 3U);
  ASSERT_EQ(w.receivers.seen.size(), 2U);
  EXPECT_EQ(w.receivers.seen[0].webhook_id, w.receivers.seen[1].webhook_id);
}

TEST(LaneAgain, AHeadThatCannotBeReadStillHoldsItsKey) {
  DeliverWorld w(3);
  w.Open();
  w.Make("hook", {{"order", "key"}});
  for (int i = 0; i < 4; ++i) w.AppendAs("a");
  TroubleWhileRetriesFallDue(w);
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 4U);
  log::Offset last = 0;
  for (const Seen& s : w.receivers.seen) {
    EXPECT_LE(last, s.at.offset);
    last = s.at.offset;
  }
}

TEST(LaneAgain, AFollowerThatCannotBeReadKeepsItsPlace) {
  DeliverWorld w(4);
  w.Open();
  w.Make("hook", {{"order", "key"}});
  w.receivers.answer = [&](const std::string&, const Delivery& d) {
    // Its answer frees the key at a moment when no follower can be read.
    if (d.record->offset == 0) w.log.FailReads(kTrouble);
    return Receivers::Answer{};
  };
  for (int i = 0; i < 3; ++i) w.AppendAs("a");
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  w.log.FailReads(std::nullopt);
  w.sim.RunFor(5 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 3U);
  EXPECT_EQ(w.Stats("hook").followers, 0U);
}

TEST(LaneAgain, WhatTheLogWantsBackIsCountedBeforeItIsLetGo) {
  DeliverWorld w(5);
  w.Open();
  w.Make("hook", {{"concurrency", 1}});
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("hook", std::move(d)); }));
  w.AppendMany(20);
  w.log.FailReads(kTrouble);
  w.log.AskRelease(0, 15);
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.log.HeldFrom(0), 0U) << "it was not looked at yet";
  w.log.FailReads(std::nullopt);
  w.sim.RunFor(5 * kS);
  EXPECT_EQ(w.Stats("hook").dropped, 15U);
  EXPECT_EQ(w.log.HeldFrom(0), 15U);
}

}  // namespace
}  // namespace tributary::deliver
