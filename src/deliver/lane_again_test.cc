// A disk that cannot be read for a moment costs that moment: nothing is given up, nothing goes out
// of order, nothing is let go uncounted.
#include "deliver/sim_kit_test.h"

namespace tributary::deliver {
namespace {

constexpr MonoNanos kS = kNanosPerSecond;

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

std::size_t KeptBodies(const DeliverWorld& w) {
  std::size_t n = 0;
  EXPECT_TRUE(
      w.store.ScanPrefix(store::Family::kOwned, store::keys::KeptBodiesOf(1), [&](auto, auto) {
        ++n;
        return store::Visit::kContinue;
      }));
  return n;
}

// One is under way while the log wants it back; its outcome comes when nothing can be read.
void OutcomeComesInTrouble(DeliverWorld& w, const nlohmann::json& more, bool crash) {
  w.Open();
  w.Make("hook", more);
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{
        .outcome = d.attempt == 1 ? Outcome::Retry("HTTP 500") : Outcome::Delivered(),
        .after = 2 * kS};
  };
  const Position at = w.Append();
  w.sim.RunFor(kS);
  w.log.AskRelease(0, 1);
  w.sim.RunFor(kS / 2);
  w.log.FailReads(kTrouble);
  w.sim.RunFor(kS);
  ASSERT_EQ(w.log.HeldFrom(0), 1U);
  w.log.RetainTo(0, 1);
  w.log.FailReads(std::nullopt);
  if (crash) {
    w.Crash(7);
    w.Open();
  }
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.Stats("hook").dropped, 0U);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(w.Times("hook", at), 1U);
  EXPECT_EQ(KeptBodies(w), 0U);
}

TEST(LaneAgain, WhatIsUnderWayWhileTheLogWantsItBackIsNotLostWhenItMustWait) {
  const nlohmann::json retry{{"schedule", {"0s", "10s"}}};
  for (const bool crash : {false, true}) {
    DeliverWorld one(6);
    OutcomeComesInTrouble(one, {{"retry", retry}}, crash);
    DeliverWorld batch(7);
    OutcomeComesInTrouble(batch, {{"retry", retry}, {"batch", {{"size", 2}}}}, crash);
  }
}

TEST(LaneAgain, OfWhatIsDeliveredAtOnceNoCopyStays) {
  DeliverWorld w(8);
  w.Open();
  w.Make("hook");
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = {}, .after = 2 * kS};
  };
  w.Append();
  w.sim.RunFor(kS);
  w.log.AskRelease(0, 1);
  w.sim.RunFor(kS / 2);
  EXPECT_EQ(KeptBodies(w), 1U);
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Stats("hook").delivered, 1U);
  EXPECT_EQ(KeptBodies(w), 0U);
}

}  // namespace
}  // namespace tributary::deliver
