// GET /api/v1/events/tail: what is streamed, resumed, skipped, bounded and given back.
#include "control/event_tail.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "control/control_kit_test.h"

namespace tributary::control {
namespace {

using nlohmann::json;

struct Said {
  std::string id;
  std::string event;
  json data;
};

struct TailKit : ControlKit {
  using ControlKit::ControlKit;
  void Add(log::RecordFields fields = {}, int count = 1, std::string payload = "{\"a\":\r\n1}",
           log::Partition partition = 0) {
    auto batch = std::make_unique<log::Batch>();
    for (int i = 0; i < count; ++i) {
      const std::string id = "m" + std::to_string(added++);
      fields.message_id = id;
      CHECK(batch->Add(fields, payload).has_value());
    }
    CHECK(log.Append(partition, batch, [](const Result<log::Appended>&) {}).has_value());
    verdicts.Tell();
  }
  std::shared_ptr<Catch> Open(const std::string& query = "", const std::string& last_id = "") {
    Call call{.target = "/api/v1/events/tail" + query};
    if (!last_id.empty()) call.headers = {{"Last-Event-ID", last_id}};
    auto stream = Start(call);
    Run();
    return stream;
  }
  // Everything there is to do without time going by, but for the pauses between wake-ups.
  void Run() {
    for (int i = 0; i < 3; ++i) {
      while (loop.RunOne()) {
      }
      loop.NextTimer();
    }
    while (loop.RunOne()) {
    }
  }
  int added = 0;
};

std::vector<Said> Parse(const std::string& text) {
  std::vector<Said> out;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = text.find("\n\n", from);
    std::istringstream lines(text.substr(from, end - from));
    Said said;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("id: ")) said.id = line.substr(4);
      if (line.starts_with("event: ")) said.event = line.substr(7);
      if (line.starts_with("data: ")) said.data = json::parse(line.substr(6));
    }
    if (!said.event.empty()) out.push_back(std::move(said));
    from = end + 2;
  }
  return out;
}

std::vector<std::string> IdsSaid(const std::vector<Said>& said) {
  std::vector<std::string> ids;
  for (const Said& one : said) ids.push_back(one.event == "event" ? one.data["message_id"] : "-");
  return ids;
}

using List = std::vector<std::string>;

TEST(EventTail, SaysWhatComesAfterItWasOpened) {
  TailKit kit;
  kit.Add();
  const auto stream = kit.Open();
  ASSERT_TRUE(stream->response.has_value());
  EXPECT_EQ(stream->response->status, 200);
  EXPECT_EQ(stream->response->headers[0].second, "text/event-stream");
  EXPECT_TRUE(stream->streamed.starts_with("retry: "));  // the head leaves at once
  kit.Add({.source = 1, .type = log::EventType::kTrack, .name = "N"}, 2);
  kit.Run();
  const auto said = Parse(stream->streamed);
  ASSERT_EQ(IdsSaid(said), (List{"m1", "m2"}));
  EXPECT_EQ(said[1].id, "0-2");
  EXPECT_EQ(said[1].data["name"], "N");
  EXPECT_EQ(said[1].data["event"], json::parse("{\"a\":1}"));
}

TEST(EventTail, EveryWakeUpIsFollowedByAnother) {
  TailKit kit;
  const auto stream = kit.Open();
  for (int i = 0; i < 20; ++i) {
    kit.Add();
    kit.Run();
    EXPECT_EQ(Parse(stream->streamed).size(), static_cast<std::size_t>(i + 1));
  }
}

TEST(EventTail, FiltersByHeader) {
  TailKit kit;
  const auto stream = kit.Open("?type=track&name=Order*&key=k");
  kit.Add({.type = log::EventType::kTrack, .key = "k", .name = "Order Paid"});
  kit.Add({.type = log::EventType::kPage, .key = "k", .name = "Order Paid"});
  kit.Add({.type = log::EventType::kTrack, .key = "j", .name = "Order Paid"});
  kit.Add(
      {.kind = log::Kind::kSystem, .type = log::EventType::kTrack, .key = "k", .name = "Order"});
  kit.Run();
  EXPECT_EQ(IdsSaid(Parse(stream->streamed)), (List{"m0"}));
}

TEST(EventTail, OnlyWhatDedupeHasDecidedAndNoRepeat) {
  TailKit kit;
  const auto stream = kit.Open();
  kit.verdicts.decided_to = 1;
  kit.verdicts.repeats.insert({0, 2});
  kit.Add({}, 4);
  kit.Run();
  EXPECT_EQ(IdsSaid(Parse(stream->streamed)), (List{"m0"}));
  kit.verdicts.decided_to.reset();
  kit.verdicts.Tell();
  kit.Run();
  EXPECT_EQ(IdsSaid(Parse(stream->streamed)), (List{"m0", "m1", "m3"}));
}

TEST(EventTail, ResumesAfterTheLastEventId) {
  TailKit kit;
  kit.Add({}, 5);
  EXPECT_EQ(IdsSaid(Parse(kit.Open("", "0-2")->streamed)), (List{"m3", "m4"}));
  EXPECT_EQ(IdsSaid(Parse(kit.Open("", "0-4")->streamed)), (List{}));
  EXPECT_EQ(IdsSaid(Parse(kit.Open("", "0-999")->streamed)), (List{}));  // of another log
  for (const char* bad :
       {"x", "0", "0-", "0-1,", "9-1", "0-1,0-2", "0-18446744073709551615", "-1"}) {
    const auto refused = kit.Open("", bad);
    EXPECT_EQ(refused->response->status, 400) << bad;
    EXPECT_EQ(json::parse(refused->response->body)["field"], "Last-Event-ID");
  }
}

// Every reader of the log reads all of its partitions.
TEST(EventTail, SaysEveryEventOfEveryPartitionOnceAndResumesInAll) {
  TailKit kit;
  ASSERT_GE(kit.log.partitions(), 4u);
  const auto live = kit.Open();
  for (int round = 0; round < 3; ++round) {
    for (log::Partition p = 0; p < kit.log.partitions(); ++p) kit.Add({}, 1 + round, "{}", p);
    kit.Run();
  }
  kit.verdicts.repeats.insert({3, 6});
  kit.Add({}, 1, "{}", 3);  // a repeat
  kit.Add({}, 1, "{}", 2);
  kit.Run();
  const auto said = Parse(live->streamed);
  std::multiset<std::string> all;
  for (const std::string& id : IdsSaid(said)) all.insert(id);
  EXPECT_EQ(all.size(), 4u * 6 + 1);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size()) << "none twice";
  for (std::size_t seen = 0; seen < said.size(); ++seen) {
    std::multiset<std::string> got;
    for (std::size_t i = 0; i <= seen; ++i) got.insert(said[i].data["message_id"]);
    const auto rest = kit.Open("", said[seen].id);
    for (const std::string& id : IdsSaid(Parse(rest->streamed))) got.insert(id);
    EXPECT_EQ(got, all) << "after " << said[seen].id;
  }
}

TEST(EventTail, LooksBackNoFurtherThanItsLimitAndSaysHowMuchItSkipped) {
  TailKit kit;
  const int lag = static_cast<int>(kTailLagRecordsMax);
  kit.Add({.name = "old"}, 1);
  kit.Add({.name = "old"}, 2);
  kit.Add({.name = "new"}, lag);
  const auto at_limit = kit.Open("?name=*d", "0-2");
  EXPECT_EQ(IdsSaid(Parse(at_limit->streamed)), (List{}));
  const auto past_it = kit.Open("?name=old", "0-0");
  const auto said = Parse(past_it->streamed);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].event, "skipped");
  EXPECT_EQ(said[0].data, json::parse(R"({"count":2,"reason":"look_back"})"));
  EXPECT_EQ(said[0].id, "0-2");
}

TEST(EventTail, WhatRetentionTookIsSaid) {
  TailKit kit;
  kit.Add({}, 10);
  kit.log.RetainTo(0, 6);
  const auto said = Parse(kit.Open("", "0-1")->streamed);
  ASSERT_EQ(IdsSaid(said), (List{"-", "m6", "m7", "m8", "m9"}));
  EXPECT_EQ(said[0].data, json::parse(R"({"count":4,"reason":"retention"})"));
}

TEST(EventTail, ASlowReaderHoldsOnePieceAndIsToldWhatItMissed) {
  TailKit kit;
  const auto stream = kit.Open();
  stream->room = 0;
  kit.Add({.name = "first"});
  kit.Run();
  kit.Add({.name = "more"}, static_cast<int>(kTailLagRecordsMax) + 10);
  kit.Run();
  EXPECT_TRUE(Parse(stream->streamed).empty());
  stream->room = 2;
  stream->watcher();
  while (kit.loop.RunOne()) {
  }
  const auto said = Parse(stream->streamed);
  ASSERT_GE(said.size(), 2u);
  EXPECT_EQ(said[0].data["name"], "first");
  EXPECT_EQ(said[1].data, json::parse(R"({"count":10,"reason":"slow"})"));
  EXPECT_LT(stream->streamed.size(), 3 * kTailPieceBytes);  // the rest is still in the log
  stream->room = 1'000'000;
  stream->watcher();
  while (kit.loop.RunOne()) {
  }
  EXPECT_EQ(Parse(stream->streamed).size(), kTailLagRecordsMax + 2);
}

TEST(EventTail, ThereAreSoManyAndOneThatLeavesMakesRoom) {
  TailKit kit;
  std::vector<std::shared_ptr<Catch>> open;
  for (std::size_t i = 0; i < kTailsMax; ++i) {
    open.push_back(kit.Open());
    EXPECT_EQ(open.back()->response->status, 200);
  }
  EXPECT_EQ(kit.Open()->response->status, 503);
  EXPECT_EQ(kit.tails, kTailsMax);
  open[3]->ended = true;
  open[3]->watcher();
  EXPECT_EQ(kit.Open()->response->status, 200);
}

TEST(EventTail, RefusalsGiveTheirPlaceBack) {
  TailKit kit;
  EXPECT_EQ(kit.Open("?source=nobody")->response->status, 400);
  EXPECT_EQ(kit.Open("?type=nothing")->response->status, 400);
  EXPECT_EQ(kit.Open("?since=2026-01-01")->response->status, 400);
  EXPECT_EQ(kit.tails, 0u);
}

TEST(EventTail, EndsWithinASecondOfItsTokensEnd) {
  const std::vector<AccessToken> both = {{.token = "t-leaked", .read = true},
                                         {.token = "t-other", .read = true}};
  TailKit kit(both);
  const auto open = [&](const std::string& token) {
    auto stream = kit.Start(
        {.target = "/api/v1/events/tail", .headers = {{"Authorization", "Bearer " + token}}});
    kit.Run();
    return stream;
  };
  const auto leaked = open("t-leaked");
  const auto other = open("t-other");
  const auto later = [&] {
    const MonoNanos begin = kit.loop.Now();
    while (kit.loop.Now() < begin + 2 * kNanosPerSecond && kit.loop.NextTimer()) {
    }
  };
  later();
  EXPECT_FALSE(leaked->ended);
  kit.access->Change({{.token = "t-other", .read = true}});
  later();
  EXPECT_TRUE(leaked->ended);
  EXPECT_FALSE(other->ended);
  kit.access->Change({{.token = "t-other"}});
  later();
  EXPECT_TRUE(other->ended) << "its scope was taken away";
  EXPECT_EQ(kit.tails, 0u);
}

TEST(EventTail, AHeartbeatIsSentAfter15SecondsOfSilence) {
  TailKit kit;
  const MonoNanos begin = kit.loop.Now();
  const auto stream = kit.Open();
  const std::string before = stream->streamed;
  while (kit.loop.Now() < begin + kTailHeartbeatNs - kNanosPerSecond) kit.loop.NextTimer();
  EXPECT_EQ(stream->streamed, before);
  while (kit.loop.Now() < begin + kTailHeartbeatNs) kit.loop.NextTimer();
  EXPECT_EQ(stream->streamed, before + ":\n\n");
}

}  // namespace
}  // namespace tributary::control
