// GET /api/v1/events: order, filters, pages, bounds, and what is refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control/control_kit_test.h"
#include "control/event_filter.h"

namespace tributary::control {
namespace {

using nlohmann::json;

constexpr UnixMicros kStart = 1'700'000'000'000'000;

struct ListKit : ControlKit {
  // One second after the one before it.
  void Add(log::RecordFields fields, std::string payload = "{\"a\":\n1}", log::Partition p = 0) {
    auto batch = std::make_unique<log::Batch>();
    const std::string id = "m" + std::to_string(added);
    fields.received_at_us = kStart + added * kMicrosPerSecond;
    fields.event_time_us = fields.received_at_us - 1'000;
    if (fields.source == 0) fields.source = 1;
    if (fields.message_id.empty()) fields.message_id = id;
    CHECK(batch->Add(fields, payload).has_value());
    CHECK(log.Append(p, batch, [](const Result<log::Appended>&) {}).has_value());
    ++added;
  }
  void AddMany(int count) {
    for (int i = 0; i < count; ++i) Add({});
  }
  json List(const std::string& query) {
    const http::Response answer = Get("/api/v1/events" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body);
  }
  static std::vector<std::string> Ids(const json& page) {
    std::vector<std::string> ids;
    for (const json& entry : page["data"]) ids.push_back(entry["message_id"]);
    return ids;
  }
  // All pages joined.
  std::vector<std::string> All(const std::string& query) {
    std::vector<std::string> ids;
    std::string cursor;
    do {
      const json page = List(query + (cursor.empty() ? "" : "&cursor=" + cursor));
      for (const std::string& id : Ids(page)) ids.push_back(id);
      cursor = page["next_cursor"].is_null() ? "" : page["next_cursor"];
    } while (!cursor.empty());
    return ids;
  }
  std::string Refused(const std::string& query) {
    const http::Response answer = Get("/api/v1/events" + query);
    EXPECT_EQ(answer.status, 400) << query << " " << answer.body;
    return json::parse(answer.body).value("field", "");
  }
  int added = 0;
};

using Ids = std::vector<std::string>;

TEST(EventList, NewestComesFirstUnlessAskedOtherwise) {
  ListKit kit;
  EXPECT_EQ(kit.List("")["data"], json::array());
  kit.AddMany(3);
  EXPECT_EQ(kit.All("?"), (Ids{"m2", "m1", "m0"}));
  EXPECT_EQ(kit.All("?order=desc"), (Ids{"m2", "m1", "m0"}));
  EXPECT_EQ(kit.All("?order=asc"), (Ids{"m0", "m1", "m2"}));
}

TEST(EventList, AnEntryHasHeaderAndEvent) {
  ListKit kit;
  kit.Add({.source = 2,
           .type = log::EventType::kTrack,
           .flags = log::kFlagHistorical,
           .key = "k\"1",
           .name = "Order Completed"});
  const json entry = kit.List("")["data"][0];
  EXPECT_EQ(entry, json::parse(R"({"message_id":"m0","source":"web","kind":"event",
      "type":"track","name":"Order Completed","key":"k\"1","received_at":"2023-11-14T22:13:20.000Z",
      "event_time":"2023-11-14T22:13:19.999Z","partition":0,"offset":0,"duplicate":false,
      "historical":true,"test":false,"event":{"a":1}})"));
}

TEST(EventList, PagesMeetWithoutGapOrRepeatInEveryPartition) {
  ListKit kit;
  Ids expected;
  for (int i = 0; i < 300; ++i) {
    expected.push_back("m" + std::to_string(i));
    kit.Add({}, "{}", static_cast<log::Partition>(i * 7 % 4));
  }
  for (const int limit : {1, 7, 299, 300, 301}) {
    const std::string query = "?limit=" + std::to_string(limit);
    EXPECT_EQ(kit.All(query + "&order=asc"), expected);
    EXPECT_EQ(kit.All(query), Ids(expected.rbegin(), expected.rend()));
  }
}

TEST(EventList, WhatComesMeanwhileDoesNotShiftAPage) {
  ListKit kit;
  kit.AddMany(4);
  const json first = kit.List("?limit=2");
  kit.AddMany(5);
  EXPECT_EQ(ListKit::Ids(first), (Ids{"m3", "m2"}));
  const json second = kit.List("?limit=2&cursor=" + std::string(first["next_cursor"]));
  EXPECT_EQ(ListKit::Ids(second), (Ids{"m1", "m0"}));
  EXPECT_TRUE(second["next_cursor"].is_null());
}

TEST(EventList, EveryFilterLooksAtItsField) {
  ListKit kit;
  kit.Add({.type = log::EventType::kTrack, .key = "u1", .name = "Order Completed"});
  kit.Add({.source = 2, .type = log::EventType::kTrack, .key = "u2", .name = "Order Refunded"});
  kit.Add({.type = log::EventType::kPage, .key = "u1", .name = "Home"});
  kit.Add({.kind = log::Kind::kSystem, .name = "breaker_opened"}, "not json");
  EXPECT_EQ(kit.All("?source=web"), (Ids{"m1"}));
  EXPECT_EQ(kit.All("?type=page"), (Ids{"m2"}));
  EXPECT_EQ(kit.All("?type=other"), (Ids{}));
  EXPECT_EQ(kit.All("?name=Home"), (Ids{"m2"}));
  EXPECT_EQ(kit.All("?name=Order*"), (Ids{"m1", "m0"}));
  EXPECT_EQ(kit.All("?key=u1&type=track"), (Ids{"m0"}));
  EXPECT_EQ(kit.All("?kind=system"), (Ids{"m3"}));
  EXPECT_EQ(kit.All("?kind=all"), (Ids{"m3", "m2", "m1", "m0"}));
  EXPECT_TRUE(kit.List("?kind=system")["data"][0]["event"].is_null());
}

TEST(EventList, TimesAreThoseOfReceiptFromSinceUpToBeforeUntil) {
  ListKit kit;
  kit.AddMany(10);
  EXPECT_EQ(kit.All("?since=2023-11-14T22:13:23Z&until=2023-11-14T22:13:26Z"),
            (Ids{"m5", "m4", "m3"}));
  EXPECT_EQ(kit.All("?order=asc&limit=1&since=2023-11-14T22:13:28Z"), (Ids{"m8", "m9"}));
  EXPECT_EQ(kit.All("?until=2023-11-14T22:13:20Z"), (Ids{}));
  EXPECT_EQ(kit.All("?since=2033-01-01"), (Ids{}));
}

TEST(EventList, DuplicatesAreLeftOutUnlessAskedFor) {
  ListKit kit;
  kit.AddMany(3);
  kit.verdicts.repeats.insert({0, 1});
  EXPECT_EQ(kit.All("?"), (Ids{"m2", "m0"}));
  const json all = kit.List("?duplicates=true");
  EXPECT_EQ(all["data"].size(), 3u);
  EXPECT_EQ(all["data"][1]["duplicate"], true);
}

TEST(EventList, WhatIsAcknowledgedIsWaitedForNotMissed) {
  ListKit kit;
  kit.AddMany(2);
  kit.verdicts.decided_to = 1;
  kit.index.ready = false;
  const auto waiting = kit.Start({.target = "/api/v1/events"});
  while (kit.loop.RunOne()) {
  }
  ASSERT_FALSE(waiting->response.has_value());
  kit.verdicts.decided_to.reset();
  for (EventIndex::Wake& wake : std::exchange(kit.index.waiting, {})) wake(true);
  while (kit.loop.RunOne()) {
  }
  ASSERT_TRUE(waiting->response.has_value());
  EXPECT_EQ(json::parse(waiting->response->body)["data"].size(), 2u);
}

TEST(EventList, APageEndsWhenItsBudgetIsSpentAndTheNextGoesOn) {
  ListKit kit;
  kit.Add({.name = "needle"});
  std::string payload(1024 * 1024, ' ');
  payload.front() = '{';
  payload.back() = '}';
  for (int i = 0; i < 130; ++i) kit.Add({}, payload);
  const json first = kit.List("?name=needle");  // 64 MiB of 130 are looked at
  EXPECT_EQ(first["data"].size(), 0u);
  EXPECT_TRUE(first["next_cursor"].is_string());
  EXPECT_EQ(kit.All("?name=needle"), (Ids{"m0"}));
}

TEST(EventList, APageOfLargeEventsIsShort) {
  ListKit kit;
  std::string payload(1024 * 1024, ' ');
  payload.front() = '{';
  payload.back() = '}';
  for (int i = 0; i < 9; ++i) kit.Add({}, payload);
  EXPECT_LE(kit.List("?limit=9")["data"].size(), 5u);
  EXPECT_EQ(kit.All("?limit=9").size(), 9u);
}

TEST(EventList, ADamagedRecordIsPassedOver) {
  ListKit kit;
  kit.AddMany(5);
  kit.log.Lose(0, 2);
  EXPECT_EQ(kit.All("?limit=2"), (Ids{"m4", "m3", "m1", "m0"}));
}

// Window by window this would not end.
TEST(EventList, ALeapOfTheLogIsPassedInOneStep) {
  ListKit kit;
  kit.AddMany(3);
  kit.log.Leap(0, log::Offset{1} << 60U);
  kit.AddMany(2);
  EXPECT_EQ(kit.All("?"), (Ids{"m4", "m3", "m2", "m1", "m0"}));
  EXPECT_EQ(kit.All("?limit=1"), (Ids{"m4", "m3", "m2", "m1", "m0"}));
  EXPECT_EQ(kit.All("?order=asc"), (Ids{"m0", "m1", "m2", "m3", "m4"}));
}

TEST(EventList, ACursorBelowRetentionEndsTheList) {
  ListKit kit;
  kit.AddMany(6);
  const std::string cursor = kit.List("?limit=2")["next_cursor"];
  kit.log.RetainTo(0, 5);
  const json page = kit.List("?limit=2&cursor=" + cursor);
  EXPECT_EQ(page["data"].size(), 0u);
  EXPECT_TRUE(page["next_cursor"].is_null());
}

TEST(EventList, TheLimitIsFrom1To1000) {
  ListKit kit;
  kit.AddMany(1001);
  EXPECT_EQ(kit.List("?limit=1000")["data"].size(), 1000u);
  EXPECT_EQ(kit.List("")["data"].size(), kPageEntriesDefault);
  EXPECT_EQ(kit.Refused("?limit=1001"), "limit");
  EXPECT_EQ(kit.Refused("?limit=0"), "limit");
}

TEST(EventList, WhatIsWrongIsNamed) {
  ListKit kit;
  kit.AddMany(1);
  EXPECT_EQ(kit.Refused("?since=yesterday"), "since");
  EXPECT_EQ(kit.Refused("?until=12345x"), "until");
  EXPECT_EQ(kit.Refused("?since=2026-01-02&until=2026-01-02"), "until");
  EXPECT_EQ(kit.Refused("?source=nobody"), "source");
  EXPECT_EQ(kit.Refused("?type=Track"), "type");
  EXPECT_EQ(kit.Refused("?kind=events"), "kind");
  EXPECT_EQ(kit.Refused("?name="), "name");
  EXPECT_EQ(kit.Refused("?order=up"), "order");
  EXPECT_EQ(kit.Refused("?duplicates=1"), "duplicates");
  EXPECT_EQ(kit.Refused("?surce=demo"), "surce");
  EXPECT_EQ(kit.Refused("?key=a&key=b"), "key");
  EXPECT_EQ(kit.Refused("?key=" + std::string(kFilterTextBytesMax + 1, 'k')), "key");
  EXPECT_EQ(kit.List("?key=" + std::string(kFilterTextBytesMax, 'k'))["data"].size(), 0u);
  for (const char* cursor : {"x", "d", "d-1", "d-1-2-3", "d-1-2-3-4-5", "d-1-2-3-x", "d-1-2-3-4x",
                             "d-1-2-3-99999999999999999999", "a-1-2-3-4", "%00"}) {
    EXPECT_EQ(kit.Refused("?cursor=" + std::string(cursor)), "cursor") << cursor;
  }
}

TEST(EventList, EventsOfARemovedSourceKeepItsName) {
  ListKit kit;
  kit.Post("/api/v1/sources", R"({"name":"gone"})");
  kit.Add({.source = *kit.registry->IdOf("gone")});
  kit.Ask({.method = http::Method::kDelete, .target = "/api/v1/sources/gone"});
  kit.Post("/api/v1/sources", R"({"name":"gone"})");
  kit.Add({.source = *kit.registry->IdOf("gone")});
  kit.Add({.source = 100});
  EXPECT_EQ(kit.All("?source=gone"), (Ids{"m1", "m0"})) << "all that ever had the name";
  EXPECT_EQ(kit.List("?source=gone")["data"][0]["source"], "gone");
  EXPECT_TRUE(kit.List("")["data"][0]["source"].is_null());
}

}  // namespace
}  // namespace tributary::control
