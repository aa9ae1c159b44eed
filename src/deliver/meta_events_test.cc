// What the program tells of itself: to whom, how often, and never in a circle.
#include "deliver/meta_events.h"

#include "deliver/notice.h"
#include "deliver/sim_kit_test.h"
#include "support/durations.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

Receivers::Answer Refuse(const char* error) {
  return {.outcome = Outcome::Reject(error)};
}

// Every notice in the log, in order.
std::vector<json> Notices(const DeliverWorld& w) {
  std::vector<json> out;
  for (log::Partition p = 0; p < w.log.partitions(); ++p) {
    for (log::Offset o = w.log.first(p); o < w.log.committed(p); ++o) {
      const auto found = const_cast<test::MemoryLog&>(w.log).ReadOne(p, o);
      if (found->record.fields.kind != log::Kind::kSystem) continue;
      out.push_back(json::parse(found->record.payload));
      EXPECT_EQ(out.back()["type"], found->record.fields.name);
      EXPECT_EQ(out.back()["messageId"], found->record.fields.message_id);
      EXPECT_EQ(found->record.fields.source, 0U);
    }
  }
  return out;
}

// Runs, deciding what the program appends as the dedupe stage would.
void RunSeconds(DeliverWorld& w, int seconds) {
  for (int i = 0; i < seconds * 10; ++i) {
    w.sim.RunFor(kS / 10);
    w.verdicts.Decide(w.log);
  }
}

TEST(MetaEvents, ANoticeReachesWhoAskedForItAndNobodyElse) {
  DeliverWorld w(1);
  w.Open();
  w.Make("ops", {{"kind", "system"}});
  w.Make("bad");
  w.Make("fine");
  w.receivers.answer = [](const std::string& name, const Delivery&) {
    return name == "bad" ? Refuse("HTTP 400") : Receivers::Answer{};
  };
  const Position event = w.Append();
  RunSeconds(w, 3);
  const auto notices = Notices(w);
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_EQ(notices[0]["type"], "event.dead_lettered");
  EXPECT_EQ(notices[0]["data"]["destination"], "bad");
  EXPECT_EQ(notices[0]["data"]["count"], 1);
  EXPECT_EQ(notices[0]["data"]["reason"], "HTTP 400");
  EXPECT_EQ(notices[0]["data"]["delivery_id"], w.Trace("bad", event).delivery_id);
  EXPECT_EQ(w.receivers.Accepted("ops"), 1U);
  EXPECT_EQ(w.receivers.Accepted("fine"), 1U);  // the event only
  // Records of another kind form no pair, not even a filtered one.
  EXPECT_EQ(w.Stats("ops").filtered, 0U);
  EXPECT_EQ(w.Stats("fine").filtered, 0U);
  EXPECT_EQ(w.Trace("ops", event).destination, "(no pair)");
}

TEST(MetaEvents, AStormIsOneNoticeASecondWithACount) {
  DeliverWorld w(2);
  w.Open();
  w.Make("bad", {{"rate_limit", 100}});
  w.receivers.answer = [](const std::string&, const Delivery&) { return Refuse("HTTP 400"); };
  w.AppendMany(1'000);
  RunSeconds(w, 15);
  const auto notices = Notices(w);
  EXPECT_LE(notices.size(), 12U);
  std::uint64_t told = 0;
  for (const json& notice : notices) told += notice["data"]["count"].get<std::uint64_t>();
  EXPECT_EQ(told, 1'000U);
}

TEST(MetaEvents, FailingToTellIsNeverTold) {
  DeliverWorld w(3);
  w.Open();
  w.Make("ops", {{"kind", "system"}, {"retry", {{"schedule", {"0s"}}}}});
  w.Make("bad");
  w.receivers.answer = [](const std::string& name, const Delivery& d) {
    return Refuse(name == "ops" ? "ops is broken" : d.record->offset == 0 ? "HTTP 400" : "x");
  };
  w.Append();
  RunSeconds(w, 60);
  EXPECT_EQ(Notices(w).size(), 1U);
  EXPECT_EQ(w.Stats("ops").dead_lettered, 1U);
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = {.verdict = Verdict::kDisable, .error = "HTTP 410"}};
  };
  w.Append();
  RunSeconds(w, 10);
  const auto notices = Notices(w);
  ASSERT_EQ(notices.size(), 3U);  // bad: dead and disabled; ops, which is disabled too: nothing
  for (const json& notice : notices) EXPECT_EQ(notice["data"]["destination"], "bad");
  EXPECT_EQ(json::parse(*w.engine->Get("ops"))["status"], "disabled");
}

// Appends an event that another server sent as a notice.
Position AppendNotice(DeliverWorld& w) {
  return w.AppendAs({}, "Event", R"({"event":1})", 0, kFlagNotice);
}

TEST(MetaEvents, WhatBecomesOfAnEventThatWasANoticeIsNotTold) {
  DeliverWorld w(7);
  w.Open();
  w.Make("bad");
  w.receivers.answer = [](const std::string&, const Delivery&) { return Refuse("HTTP 400"); };
  AppendNotice(w);
  RunSeconds(w, 5);
  EXPECT_EQ(w.Stats("bad").dead_lettered, 1U);
  EXPECT_EQ(Notices(w).size(), 0U);
  w.Append();
  RunSeconds(w, 5);
  ASSERT_EQ(Notices(w).size(), 1U);
  EXPECT_EQ(Notices(w)[0]["data"]["count"], 1);
}

// Given up without an attempt, when only the copies know what the events were.
TEST(MetaEvents, ANoticeThatTheLogHasForgottenIsNotToldEither) {
  DeliverWorld w(8);
  w.Open();
  w.Make("bad", {{"retry", {{"schedule", {"0s", "10s"}}, {"total", "1m"}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
  };
  AppendNotice(w);
  AppendNotice(w);
  const Position event = w.Append();
  RunSeconds(w, 1);
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("bad", std::move(d)); }));
  w.log.AskRelease(0, 3);
  RunSeconds(w, 120);
  w.log.RetainTo(0, 3);
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Resume("bad", std::move(d)); }));
  RunSeconds(w, 5);
  EXPECT_EQ(w.Stats("bad").dead_lettered, 3U);
  ASSERT_EQ(Notices(w).size(), 1U);
  EXPECT_EQ(Notices(w)[0]["data"]["count"], 1);
  EXPECT_EQ(Notices(w)[0]["data"]["delivery_id"], DeliveryId(1, event));
}

TEST(MetaEvents, NoticesThatRetentionTookAreNotCounted) {
  DeliverWorld w(9);
  w.Open();
  w.Make("slow");
  ASSERT_TRUE(w.Answered<std::string>([&](auto d) { w.engine->Pause("slow", std::move(d)); }));
  for (int i = 0; i < 5; ++i) AppendNotice(w);
  RunSeconds(w, 1);
  w.log.AskRelease(0, 5);
  RunSeconds(w, 3);
  EXPECT_EQ(w.Stats("slow").dropped, 5U);
  EXPECT_EQ(Notices(w).size(), 0U);
  AppendNotice(w);
  w.Append();
  RunSeconds(w, 1);
  w.log.AskRelease(0, 7);
  RunSeconds(w, 3);
  ASSERT_EQ(Notices(w).size(), 1U);
  EXPECT_EQ(Notices(w)[0]["data"]["count"], 1);
}

TEST(MetaEvents, BreakersAndRetentionAreTold) {
  DeliverWorld w(4);
  w.Open();
  w.Make("bad", {{"retry", {{"schedule", {"0s", "1h"}}}}});
  w.receivers.answer = [](const std::string&, const Delivery&) {
    return Receivers::Answer{.outcome = Outcome::Retry("HTTP 500")};
  };
  w.AppendMany(100);
  RunSeconds(w, 20);
  w.log.AskRelease(0, 90);
  RunSeconds(w, 3);
  w.receivers.answer = [](const std::string&, const Delivery&) { return Receivers::Answer{}; };
  RunSeconds(w, 60);
  std::vector<std::string> types;
  for (const json& notice : Notices(w)) types.push_back(notice["type"]);
  EXPECT_EQ(types, (std::vector<std::string>{"destination.breaker_opened", "event.retention_lost",
                                             "destination.breaker_closed"}));
  EXPECT_EQ(Notices(w)[0]["data"]["reason"], "HTTP 500");
  EXPECT_EQ(Notices(w)[1]["data"]["count"], w.Stats("bad").dropped);
}

TEST(MetaEvents, OfAReplayNameItAndItsDestination) {
  DeliverWorld w(5);
  w.Open();
  w.Make("hook");
  w.Append();
  RunSeconds(w, 1);
  w.receivers.answer = [](const std::string&, const Delivery&) { return Refuse("HTTP 400"); };
  const std::string id = w.Replay({{"destination", "hook"}, {"from", "earliest"}})["id"];
  RunSeconds(w, 2);
  ASSERT_EQ(Notices(w).size(), 1U);
  EXPECT_EQ(Notices(w)[0]["data"]["destination"], "hook");
  EXPECT_EQ(Notices(w)[0]["data"]["replay"], id);
}

TEST(MetaEvents, AreLostAndCountedWhenTheLogTakesNothingAndBoundedWhileTheyWait) {
  Sim sim(6);
  test::MemoryLog log(2);
  SeededRandom random(6);
  Sim::Exec& executor = sim.NewExecutor();
  MetaEventWriter writer({.log = &log, .executor = &executor, .clock = &sim, .random = &random});
  for (std::size_t i = 0; i < kMetaEventsWaitingMax + 3; ++i) {
    const auto lane = static_cast<LaneId>(i);
    writer.Note(MetaEvent::kDeadLettered, {.lane = lane, .destination = lane, .name = "d"}, "x", 1,
                "");
  }
  EXPECT_EQ(writer.lost(), 3U);
  sim.RunFor(2 * kS);
  EXPECT_EQ(writer.appended(), kMetaEventsWaitingMax);
  log.RefuseAppends(Error(ErrorCode::kUnavailable, "poisoned"));
  writer.Note(MetaEvent::kBreakerOpened, {.name = "d"}, "x", 1, "");
  sim.RunFor(2 * kS);
  EXPECT_EQ(writer.lost(), 4U);
  EXPECT_EQ(writer.appended(), kMetaEventsWaitingMax);
}

TEST(MetaEvents, TheKindOfADestinationStays) {
  DeliverWorld w(7);
  w.Open();
  w.Make("ops", {{"kind", "system"}});
  EXPECT_EQ(w.Patch("ops", {{"kind", "event"}}).error().field(), "kind");
  // Not enabled: its pairs are filtered, and still only those of its kind.
  ASSERT_TRUE(w.Patch("ops", {{"enabled", false}}));
  w.Make("bad");
  w.receivers.answer = [](const std::string&, const Delivery&) { return Refuse("HTTP 400"); };
  w.AppendMany(5);
  RunSeconds(w, 3);
  w.Crash(1);
  w.Open();
  w.Append();
  RunSeconds(w, 3);
  const std::size_t told = Notices(w).size();
  EXPECT_GT(told, 1U);
  ASSERT_TRUE(w.Patch("ops", {{"enabled", true}}));
  RunSeconds(w, 3);
  EXPECT_EQ(w.Stats("ops").filtered, told);
  EXPECT_EQ(w.Stats("ops").delivered, 0U);
}

}  // namespace
}  // namespace tributary::deliver
