// Replays in a simulated world: what is sent and what is not, what survives, how they end.
#include "deliver/dead_letters.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

std::string FieldOf(DeliverWorld& w, const json& object) {
  const auto made = w.Answered<std::string>(
      [&](auto done) { w.engine->replays().Create(object.dump(), std::move(done)); });
  return made ? "accepted" : made.error().field();
}

Result<std::string> Call(DeliverWorld& w,
                         void (Replays::*call)(std::string, Replays::Done<std::string>),
                         const std::string& id) {
  return w.Answered<std::string>(
      [&](auto done) { (w.engine->replays().*call)(id, std::move(done)); });
}

Status Remove(DeliverWorld& w, const std::string& id) {
  return w.Answered<void>([&](auto done) { w.engine->replays().Delete(id, std::move(done)); });
}

std::uint64_t Sum(const json& replay) {
  return replay["delivered"].get<std::uint64_t>() + replay["filtered"].get<std::uint64_t>() +
         replay["dead_lettered"].get<std::uint64_t>() + replay["dropped"].get<std::uint64_t>();
}

TEST(Replay, WrongInputIsRefusedByField) {
  DeliverWorld w(1);
  w.Open();
  w.Make("hook");
  EXPECT_EQ(FieldOf(w, {{"from", "1h"}}), "destination");
  EXPECT_EQ(FieldOf(w, {{"destination", "none"}, {"from", "1h"}}), "destination");
  EXPECT_EQ(FieldOf(w, {{"destination", 5}, {"from", "1h"}}), "destination");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}}), "from");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", "yesterday"}}), "from");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", "2999-01-01T00:00:00Z"}}), "from");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", "1h"}, {"to", "2h"}}), "from");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", "1h"}, {"to", "tomorrow"}}), "to");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", "1h"}, {"rate", -1}}), "rate");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", "1h"}, {"rate", 1e9}}), "rate");
  EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", "1h"}, {"rats", 1}}), "rats");
  EXPECT_TRUE(w.engine->replays().List("", "", 10)->data.empty());
  for (const char* id : {"", "1", "rpl_", "rpl_99", "rpl_01", "rpl_1x"}) {
    EXPECT_EQ(w.engine->replays().Get(id).error().code(), ErrorCode::kNotFound) << id;
  }
  for (const char* from : {"earliest", "now", "90m", "2020-01-31", "2020-01-31T12:00:00.5+02:00"}) {
    EXPECT_EQ(FieldOf(w, {{"destination", "hook"}, {"from", from}, {"to", "2999-01-01T00:00:00Z"}}),
              "accepted")
        << from;
  }
}

// Five events before the range, five in it, five behind it.
TEST(Replay, NothingOutsideTheRangeTheRuleAndTheFirstsIsSent) {
  DeliverWorld w(2, 4);
  w.Open();
  w.Make("hook", {{"names", {"Order"}}});
  w.AppendMany(20, "Order");
  w.sim.RunFor(kS);
  const std::string from = FormatIso8601(w.sim.Now());
  w.sim.RunFor(kS);
  std::set<Position> wanted;
  for (log::Partition p = 0; p < 4; ++p) wanted.insert(w.Append("Order", p));
  w.Append("Else", 1);
  const Position twice = w.Append("Order", 2);
  w.verdicts.duplicates.insert({twice.partition, twice.offset});
  w.sim.RunFor(kS);
  const std::string to = FormatIso8601(w.sim.Now());
  w.sim.RunFor(kS);
  w.AppendMany(20, "Order");
  w.sim.RunFor(kS);
  const LaneStats before = w.Stats("hook");

  // The rule counts as it is when the replay is made, also for what was accepted under another one.
  const json made = w.Replay({{"destination", "hook"}, {"from", from}, {"to", to}});
  EXPECT_EQ(made["state"], "running");
  EXPECT_EQ(made["total"], 6);
  ASSERT_TRUE(w.Patch("hook", {{"names", {"Else"}}}));
  const std::string id = made["id"];
  ASSERT_TRUE(w.ReplayEnds(id));
  const json done = w.ShowReplay(id);
  EXPECT_EQ(done["state"], "done");
  EXPECT_EQ(done["scanned"], 6);
  EXPECT_EQ(done["delivered"], 4);
  EXPECT_EQ(done["filtered"], 1);
  EXPECT_EQ(done["lag"], 0);
  std::set<Position> sent;
  std::map<Position, std::string> live;
  for (const Seen& s : w.receivers.seen) {
    if (s.replay.empty()) live[s.at] = s.webhook_id;
  }
  for (const Seen& s : w.receivers.seen) {
    if (s.replay.empty()) continue;
    EXPECT_EQ(s.replay, id);
    EXPECT_EQ(s.webhook_id, live[s.at]);
    EXPECT_TRUE(sent.insert(s.at).second);
  }
  EXPECT_EQ(sent, wanted);
  EXPECT_EQ(w.Stats("hook").delivered, before.delivered);  // live pairs are not touched
  EXPECT_EQ(w.Stats("hook").filtered, before.filtered);
}

TEST(Replay, ItsEndIsNotPartOfItUnlessItIsNow) {
  DeliverWorld w(15);
  w.Open();
  w.Make("hook");
  w.sim.RunFor(kS - w.sim.Monotonic() % kS);  // a moment that its text says exactly
  const std::string now = FormatIso8601(w.sim.Now());
  w.Append();
  EXPECT_EQ(w.Replay({{"destination", "hook"}, {"from", "earliest"}, {"to", now}})["total"], 0);
  EXPECT_EQ(w.Replay({{"destination", "hook"}, {"from", "earliest"}})["total"], 1);
}

TEST(Replay, AnEmptyRangeIsDoneAtOnce) {
  DeliverWorld w(3);
  w.Open();
  w.Make("hook");
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.ShowReplay(id)["total"], 0);
}

TEST(Replay, AnInstantDestinationTakesWholeWindows) {
  DeliverWorld w(4);
  w.Open();
  w.Make("null", {{"type", "sink"}});
  w.AppendMany(50'000);
  w.sim.RunFor(kS);
  const std::string id = w.Replay({{"destination", "null"}, {"from", "earliest"}})["id"];
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 50'000);
  EXPECT_TRUE(w.receivers.seen.empty());
}

TEST(Replay, APausedOneSendsNothingAndGoesOnWhereItWas) {
  DeliverWorld w(5);
  w.Open();
  w.Make("hook", {{"start", "now"}, {"concurrency", 2}});
  w.AppendMany(200);
  w.sim.RunFor(10 * kS);
  const std::string id =
      w.Replay({{"destination", "hook"}, {"from", "earliest"}, {"rate", 20}})["id"];
  w.sim.RunFor(3 * kS);
  const auto paused = Call(w, &Replays::Pause, id);
  ASSERT_TRUE(paused);
  EXPECT_EQ(json::parse(*paused)["state"], "paused");
  w.sim.RunFor(kS);
  const std::size_t sent = w.Replayed(id);
  EXPECT_GT(sent, 20U);  // its own rate, not the destination's
  EXPECT_LT(sent, 120U);
  w.Crash(5);
  w.Open();
  w.sim.RunFor(60 * kS);
  EXPECT_EQ(w.ShowReplay(id)["state"], "paused");  // also after a restart
  EXPECT_EQ(w.Replayed(id), sent);
  ASSERT_TRUE(Call(w, &Replays::Resume, id));
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.Replayed(id), 200U);
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 200);
  EXPECT_EQ(Call(w, &Replays::Pause, id).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(Call(w, &Replays::Cancel, id).error().code(), ErrorCode::kConflict);
}

TEST(Replay, WaitsWhileItsDestinationIsPausedOrNotEnabled) {
  DeliverWorld w(6);
  w.Open();
  w.Make("hook");
  w.AppendMany(50);
  w.sim.RunFor(kS);
  const auto pause = [&] {
    return w.Answered<std::string>([&](auto done) { w.engine->Pause("hook", std::move(done)); });
  };
  const auto resume = [&] {
    return w.Answered<std::string>([&](auto done) { w.engine->Resume("hook", std::move(done)); });
  };
  ASSERT_TRUE(pause());
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Replayed(id), 0U);
  EXPECT_EQ(w.ShowReplay(id)["reason"], "waits: its destination is paused");
  ASSERT_TRUE(w.Patch("hook", {{"enabled", false}}));
  ASSERT_TRUE(resume());
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.Replayed(id), 0U);
  ASSERT_TRUE(w.Patch("hook", {{"enabled", true}}));
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(w.Replayed(id), 50U);
}

TEST(Replay, GoneDisablesTheDestinationAndTheReplayWaits) {
  DeliverWorld w(7);
  w.Open();
  w.Make("hook", {{"concurrency", 1}});
  w.AppendMany(5);
  w.sim.RunFor(kS);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = {.verdict = Verdict::kDisable, .error = "HTTP 410"}};
  };
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  w.sim.RunFor(kS);
  EXPECT_EQ(json::parse(*w.engine->Get("hook"))["status"], "disabled");
  EXPECT_EQ(w.ShowReplay(id)["dead_lettered"], 1);
  EXPECT_EQ(w.ShowReplay(id)["state"], "running");
}

TEST(Replay, ACancelledOneCountsEveryPairThatIsLeftAsDropped) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    DeliverWorld w(seed, 1 + seed % 3);
    w.Open();
    w.Make("hook", {{"names", {"Order"}}, {"retry", {{"schedule", {"0s", "1h"}}}}});
    w.AppendMany(300, "Order");
    w.AppendMany(30, "Else");
    w.sim.RunFor(30 * kS);
    w.receivers.answer = [&](const std::string&, const Delivery& d) {
      Receivers::Answer answer{.outcome = {}, .after = 10 * kMs};
      if (d.record->offset % 5 == 0) answer.outcome = Outcome::Retry("HTTP 500");
      if (d.record->offset % 7 == 1) answer.never = true;
      return answer;
    };
    const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
    w.sim.RunFor(static_cast<MonoNanos>(seed) * 5 * kMs);
    const auto cancelled = Call(w, &Replays::Cancel, id);
    ASSERT_TRUE(cancelled) << cancelled.error().ToString();
    EXPECT_EQ(json::parse(*cancelled)["state"], "cancelled");
    if (seed % 2 == 1) {
      w.Crash(seed);
      w.Open();
    }
    const std::size_t sent = w.receivers.seen.size();
    ASSERT_TRUE(w.ReplayEnds(id));
    const json done = w.ShowReplay(id);
    EXPECT_EQ(done["state"], "cancelled");
    EXPECT_EQ(Sum(done), 330U) << done;
    EXPECT_EQ(done["filtered"], 30);
    EXPECT_EQ(done["retrying"], 0);
    w.sim.RunFor(2 * 3'600 * kS);
    EXPECT_EQ(w.receivers.seen.size(), sent) << "nothing is sent any more";
    EXPECT_TRUE(Call(w, &Replays::Cancel, id));  // again is no mistake
    EXPECT_EQ(w.Stats("hook").delivered, 300U);
  }
}

TEST(Replay, ResumesAfterPowerCutsAndLosesNothing) {
  for (std::uint64_t seed = 0; seed < test::Scaled(60); ++seed) {
    DeliverWorld w(seed, 1 + seed % 4);
    std::mt19937_64 random(seed);
    w.Open();
    w.Make("hook", {{"concurrency", 4}, {"retry", {{"schedule", {"0s", "50ms", "100ms", "1s"}}}}});
    w.AppendMany(150);
    w.sim.RunFor(10 * kS);
    w.receivers.answer = [&](const std::string&, const Delivery&) {
      Receivers::Answer answer{.outcome = {},
                               .after = static_cast<MonoNanos>(random() % 20 + 1) * kMs};
      if (random() % 8 == 0) answer.outcome = Outcome::Retry("HTTP 500");
      return answer;
    };
    const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
    std::uint64_t before = 0;
    for (int cut = 0; cut < 4; ++cut) {
      w.sim.RunFor(static_cast<MonoNanos>(random() % 150) * kMs);
      w.Crash(random());
      w.Open();
      const std::uint64_t now = Sum(w.ShowReplay(id));
      EXPECT_GE(now, before) << "progress does not go back";
      before = now;
      w.AppendMany(5);  // live events are none of its business
    }
    ASSERT_TRUE(w.ReplayEnds(id)) << seed;
    const json done = w.ShowReplay(id);
    ASSERT_EQ(done["delivered"].get<std::uint64_t>() + done["dead_lettered"].get<std::uint64_t>(),
              150U)
        << "seed " << seed << done;
    std::set<Position> accepted;
    for (const Seen& s : w.receivers.seen) {
      if (s.replay == id && s.accepted) accepted.insert(s.at);
    }
    ASSERT_GE(accepted.size(), done["delivered"].get<std::size_t>()) << "seed " << seed;
    ASSERT_LE(accepted.size(), 150U);
  }
}

TEST(Replay, ChangesOfTheDestinationReachIt) {
  DeliverWorld w(9);
  w.Open();
  w.Make("hook", {{"rate_limit", 10}, {"retry", {{"schedule", {"0s", "1h"}}}}});
  w.AppendMany(100);
  w.sim.RunFor(30 * kS);
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  w.sim.RunFor(3 * kS);
  EXPECT_LT(w.Replayed(id), 60U);  // the destination's limit, since it asked for none
  ASSERT_TRUE(w.Patch("hook", {{"rate_limit", 0}}));
  w.sim.RunFor(kS);
  EXPECT_EQ(w.Replayed(id), 100U);
}

TEST(Replay, GoesWithItsDestination) {
  DeliverWorld w(10);
  w.Open();
  w.Make("hook", {{"concurrency", 1}});
  w.AppendMany(30);
  w.sim.RunFor(kS);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = {}, .after = 100 * kMs};
  };
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  w.sim.RunFor(kS);
  ASSERT_TRUE(w.Delete("hook"));
  ASSERT_TRUE(w.ReplayEnds(id));
  const json gone = w.ShowReplay(id);
  EXPECT_EQ(gone["delivered"].get<int>() + gone["dropped"].get<int>(), 30) << gone;
  EXPECT_EQ(gone["state"], "cancelled");
  EXPECT_EQ(gone["reason"], "its destination was deleted");
  EXPECT_FALSE(gone["finished_at"].is_null());
  const std::size_t sent = w.receivers.seen.size();
  w.Make("hook");  // another lane
  w.sim.RunFor(10 * kS);
  w.Crash(1);
  w.Open();
  w.sim.RunFor(10 * kS);
  EXPECT_EQ(w.receivers.seen.size(), sent);
  EXPECT_EQ(w.ShowReplay(id)["delivered"], gone["delivered"]);
  EXPECT_EQ(w.ShowReplay(id)["state"], "cancelled");
  EXPECT_TRUE(Remove(w, id));
}

// Changes are made one after another, in whichever order they come.
TEST(Replay, ACancelThatMeetsTheDeletionOfItsDestinationIsAnswered) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    DeliverWorld w(seed);
    w.Open();
    w.Make("hook", {{"concurrency", 1}});
    w.AppendMany(10);
    w.sim.RunFor(kS);
    const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
    w.sim.RunFor(static_cast<MonoNanos>(seed) * kNanosPerMilli);
    bool deleted = false;
    std::size_t answers = 0;
    const auto cancel = [&] {
      w.engine->replays().Cancel(id, [&](const auto& answer) {
        ++answers;
        const bool fine = answer || answer.error().code() == ErrorCode::kConflict;
        EXPECT_TRUE(fine) << answer.error().ToString();
      });
    };
    if (seed % 2 == 0) cancel();
    w.engine->Delete("hook", [&](const Status& status) { deleted = status.has_value(); });
    cancel();
    ASSERT_TRUE(w.sim.RunUntil([&] { return deleted && answers == 2 - seed % 2; })) << seed;
    ASSERT_TRUE(w.ReplayEnds(id)) << seed;
    const std::string state = w.ShowReplay(id)["state"];
    EXPECT_TRUE(state == "cancelled" || state == "done") << state;
  }
}

TEST(Replay, ItsDeadLettersAreItsOwnAndStayUntilItIsDeleted) {
  DeliverWorld w(11);
  w.Open();
  w.Make("hook");
  w.AppendMany(10);
  w.sim.RunFor(kS);
  w.receivers.answer = [](const std::string&, const Delivery& d) {
    return Receivers::Answer{.outcome = d.record->offset < 3 ? Outcome::Reject("HTTP 400")
                                                             : Outcome::Delivered()};
  };
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  EXPECT_EQ(Remove(w, id).error().code(), ErrorCode::kConflict);  // it runs
  ASSERT_TRUE(w.ReplayEnds(id));
  const auto dead = [&](LaneId lane) {
    std::size_t n = 0;
    EXPECT_TRUE(w.store.ScanPrefix(store::Family::kOwned, store::keys::DeadLettersOf(lane),
                                   [&](auto, auto) {
                                     ++n;
                                     return store::Visit::kContinue;
                                   }));
    return n;
  };
  EXPECT_EQ(dead(1), 0U);
  EXPECT_EQ(dead(2), 3U);
  EXPECT_EQ(w.Stats("hook").dead_lettered, 0U);
  w.Crash(3);
  w.Open();
  EXPECT_EQ(dead(2), 3U);
  EXPECT_EQ(w.ShowReplay(id)["dead_lettered"], 3);
  ASSERT_TRUE(Remove(w, id));
  EXPECT_EQ(dead(2), 0U);
  EXPECT_EQ(w.engine->replays().Get(id).error().code(), ErrorCode::kNotFound);
  w.Crash(4);
  w.Open();
  EXPECT_EQ(w.engine->replays().Get(id).error().code(), ErrorCode::kNotFound);
}

// They are neither dead nor single rows then, and the replay has its end.
TEST(Replay, ItsRedrivenDeadLettersThatWaitInABatchGoOnAfterARestart) {
  DeliverWorld w(12);
  w.Open();
  w.Make("hook", {{"batch", {{"size", 4}}}, {"retry", {{"schedule", {"0s", "10s"}}}}});
  w.AppendMany(4);
  w.sim.RunFor(kS);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
  };
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  ASSERT_TRUE(w.ReplayEnds(id));
  ASSERT_EQ(w.ShowReplay(id)["dead_lettered"], 4);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
  };
  ASSERT_TRUE(w.Answered<DeadMoving>([&](auto done) {
    w.engine->dead_letters().Move(DeadAction::kRedrive, {}, std::move(done));
  }));
  w.sim.RunFor(kS);
  w.Crash(5);
  w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  w.Open();
  w.sim.RunFor(30 * kS);
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 4) << w.ShowReplay(id);
}

TEST(Replay, ADeletionOfItsDestinationThatThePowerTookTakesNothingOfIt) {
  for (MonoNanos cut = 0; cut < 40 * kMs; cut += kMs) {
    DeliverWorld w(static_cast<std::uint64_t>(cut));
    w.Open();
    w.Make("hook");
    w.AppendMany(3);
    w.sim.RunFor(kS);
    w.receivers.answer = [](const std::string&, const Delivery&) {
      return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
    };
    const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
    ASSERT_TRUE(w.ReplayEnds(id));
    w.verdicts.sync_takes = 20 * kMs;  // until then what the destination has done is not durable
    w.AppendMany(3);
    w.sim.RunFor(5 * kMs);
    w.engine->Delete("hook", [](const auto&) {});
    w.sim.RunFor(cut);
    w.Crash(6);
    w.Open();
    w.sim.RunFor(kS);
    const bool there = w.engine->Get("hook").has_value();
    EXPECT_EQ(w.ShowReplay(id)[there ? "dead_lettered" : "dropped"], 3) << cut;
  }
}

TEST(Replay, WhatRetentionTakesIsDroppedAndAFinishedOneHoldsNothing) {
  DeliverWorld w(12);
  w.Open();
  w.Make("hook", {{"concurrency", 1}});
  w.AppendMany(20);
  w.sim.RunFor(kS);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.never = true};
  };
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  w.sim.RunFor(kS);
  w.log.AskRelease(0, 15);
  w.sim.RunFor(kS);
  EXPECT_EQ(w.ShowReplay(id)["dropped"], 14);  // all but the one in flight
  w.Crash(1);
  w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  w.Open();
  ASSERT_TRUE(w.ReplayEnds(id));
  EXPECT_EQ(Sum(w.ShowReplay(id)), 20U);
  EXPECT_EQ(w.ShowReplay(id)["delivered"], 6);
}

TEST(Replay, SoManyRunAtOnceAndSoManyAreKept) {
  DeliverWorld w(13);
  w.Open();
  w.Make("hook");
  w.Append();
  w.sim.RunFor(kS);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.never = true};
  };
  const json ask{{"destination", "hook"}, {"from", "earliest"}};
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < kReplaysActiveMax; ++i) ids.push_back(w.Replay(ask)["id"]);
  const auto more = w.Answered<std::string>(
      [&](auto done) { w.engine->replays().Create(ask.dump(), std::move(done)); });
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), ErrorCode::kConflict);
  for (const std::string& id : ids) {
    ASSERT_TRUE(Call(w, &Replays::Cancel, id));
    ASSERT_TRUE(w.ReplayEnds(id));
  }
  for (std::size_t i = ids.size(); i < kReplaysKeptMax + 3; ++i) {
    const std::string id = w.Replay({{"destination", "hook"}, {"from", "now"}})["id"];
    ASSERT_TRUE(w.ReplayEnds(id));
  }
  EXPECT_EQ(w.engine->replays().List("", "", 1'000)->data.size(), kReplaysKeptMax);
  EXPECT_EQ(w.engine->replays().Get(ids[2]).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(w.engine->replays().Get(ids[3]).has_value());
}

// However they went, and also when a restart lies in between.
TEST(Replay, WithoutDeadLettersThatAreLeftItMakesRoomForOthers) {
  for (const DeadAction action : {DeadAction::kRedrive, DeadAction::kDelete}) {
    DeliverWorld w(14);
    w.Open();
    w.Make("hook");
    w.Append();
    w.sim.RunFor(kS);
    w.receivers.answer = [](const std::string&, const Delivery&) {
      return Receivers::Answer{.outcome = Outcome::Reject("HTTP 400")};
    };
    const json ask{{"destination", "hook"}, {"from", "earliest"}, {"to", "now"}};
    std::vector<std::string> ids;
    while (ids.size() < kReplaysKeptMax) {
      ids.push_back(w.Replay(ask)["id"]);
      w.verdicts.Decide(w.log);  // notices of dead letters are in the log too
      ASSERT_TRUE(w.ReplayEnds(ids.back()));
    }
    if (action == DeadAction::kDelete) {
      w.Crash(14);
      w.Open();
      w.sim.RunFor(kS);
    }
    const auto more = [&] {
      return w.Answered<std::string>(
          [&](auto done) { w.engine->replays().Create(ask.dump(), std::move(done)); });
    };
    EXPECT_EQ(w.ShowReplay(ids[0])["dead_lettered"], 1);
    ASSERT_FALSE(more());
    w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
    ASSERT_TRUE(w.Answered<DeadMoving>(
        [&](auto done) { w.engine->dead_letters().Move(action, {}, std::move(done)); }));
    w.sim.RunFor(10 * kS);
    const json gone = w.ShowReplay(ids.back());
    EXPECT_EQ(gone[action == DeadAction::kRedrive ? "delivered" : "dropped"], 1) << gone;
    EXPECT_EQ(gone["dead_lettered"], 0) << gone;
    EXPECT_EQ(Receivers::instances, 1);  // the live one
    EXPECT_TRUE(more());
    w.sim.RunFor(kS);
    w.Crash(15);
    w.Open();
    EXPECT_EQ(w.ShowReplay(ids.back()), gone);
  }
}

// Between its end and the record of it, its dead letters are on their way again.
TEST(Replay, ItsLaneStaysForDeadLettersThatAreRedrivenTheMomentItEnds) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    DeliverWorld w(seed);
    w.Open();
    w.Make("hook");
    w.AppendMany(3);
    w.sim.RunFor(kS);
    w.receivers.answer = [](const std::string&, const Delivery& d) {
      return Receivers::Answer{.outcome = d.attempt == 1 ? Outcome::Reject("HTTP 400")
                                                         : Outcome::Retry("HTTP 500")};
    };
    const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
    ASSERT_TRUE(w.sim.RunUntil([&] { return w.ShowReplay(id)["dead_lettered"] == 3; }));
    w.sim.RunFor(static_cast<MonoNanos>(seed) * kMs / 5);
    const auto redrive = [&] {
      w.engine->dead_letters().Move(DeadAction::kRedrive, {}, [](const auto&) {});
    };
    redrive();
    ASSERT_TRUE(w.ReplayEnds(id));
    w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
    redrive();  // those that had died again before it ended
    w.sim.RunFor(60 * kS);
    EXPECT_EQ(w.ShowReplay(id)["delivered"], 3) << seed << w.ShowReplay(id);
  }
}

TEST(Replay, ListsNewestFirstInPagesOfOneDestination) {
  DeliverWorld w(14);
  w.Open();
  w.Make("a");
  w.Make("b");
  std::vector<std::string> of_a;
  for (int i = 0; i < 5; ++i) {
    of_a.push_back(w.Replay({{"destination", "a"}, {"from", "now"}})["id"]);
    w.Replay({{"destination", "b"}, {"from", "now"}});
  }
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const auto page = w.engine->replays().List("a", cursor, 2);
    ASSERT_TRUE(page);
    for (const std::string& text : page->data) seen.push_back(json::parse(text)["id"]);
    cursor = page->next_cursor.value_or("");
  } while (!cursor.empty());
  std::ranges::reverse(of_a);
  EXPECT_EQ(seen, of_a);
  EXPECT_EQ(w.engine->replays().List("", "x", 2).error().field(), "cursor");
  EXPECT_EQ(w.engine->replays().List("nosuch", "", 2).error().field(), "destination");
}

}  // namespace
}  // namespace tributary::deliver
