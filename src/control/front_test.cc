#include "control/front.h"

#include <nlohmann/json.hpp>

#include "control/control_kit_test.h"
#include "store/keys.h"

namespace tributary::control {
namespace {

using http::Method;
using nlohmann::json;

json Records(ControlKit& kit) {
  return BodyOf(kit.Get("/api/v1/audit-log"))["data"];
}

http::Response PostWithKey(ControlKit& kit, const std::string& target, const std::string& body,
                           const std::string& key) {
  return kit.Ask({.method = Method::kPost,
                  .target = target,
                  .body = body,
                  .headers = {{"Idempotency-Key", key}}});
}

bool Replayed(const http::Response& response) {
  return std::ranges::count(response.headers, http::Header{"Idempotent-Replayed", "true"}) == 1;
}

TEST(AuditLog, AChangeIsRecordedWithWhoBeforeAndAfter) {
  ControlKit kit({{.name = "deploy", .token = "t", .admin = true}, {.token = "u", .write = true}});
  const auto ask = [&](Method method, std::string target, std::string body, std::string token) {
    return kit.Ask({.method = method,
                    .target = std::move(target),
                    .body = std::move(body),
                    .headers = {{"Authorization", "Bearer " + token}}});
  };
  const auto made = ask(Method::kPost, "/api/v1/sources",
                        R"({"name":"ios","write_key":"CANARY-SECRET-KEY"})", "t");
  EXPECT_EQ(made.status, 201);
  ask(Method::kPatch, "/api/v1/sources/ios", R"({"enabled":false})", "u");
  ask(Method::kDelete, "/api/v1/sources/ios", "", "t");
  const std::string text = ask(Method::kGet, "/api/v1/audit-log", "", "t").body;
  EXPECT_EQ(text.find("CANARY"), std::string::npos);
  const json records = json::parse(text)["data"];
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0]["action"], "DELETE /api/v1/sources/{name}") << "newest first";
  EXPECT_TRUE(records[0]["after"].is_null());
  EXPECT_EQ(records[1]["who"], "token 2");
  EXPECT_EQ(records[1]["before"]["enabled"], true);
  EXPECT_EQ(records[1]["after"]["enabled"], false);
  EXPECT_EQ(records[2]["who"], "deploy");
  EXPECT_EQ(records[2]["address"], "127.0.0.1");
  EXPECT_EQ(records[2]["subject"], json({{"kind", "source"}, {"name", "ios"}}));
  EXPECT_TRUE(records[2]["before"].is_null());
  EXPECT_EQ(records[2]["status"], 201);
}

TEST(AuditLog, WhatWasRefusedOrOnlyLookedLeavesNoRecord) {
  ControlKit kit;
  EXPECT_EQ(kit.Post("/api/v1/sources", R"({"name":"a b"})").status, 400);
  kit.Get("/api/v1/sources");
  EXPECT_TRUE(Records(kit).empty());
}

TEST(AuditLog, TheRecordIsThereBeforeTheChangeIsDurable) {
  ControlKit kit;
  const auto asked =
      kit.Start({.method = Method::kPost, .target = "/api/v1/sources", .body = R"({"name":"a"})"});
  while (!kit.sources.current().FindByName("a") && kit.loop.RunOne()) {
  }
  ASSERT_FALSE(asked->response) << "made, not answered";
  kit.store.CrashKeeping(0);
  AuditLog audit(kit.store, kit.clock);
  const auto page = *audit.List("", 10);
  ASSERT_EQ(page.data.size(), 1u) << "the sync of the change covers the record before it";
  EXPECT_TRUE(json::parse(page.data[0])["status"].is_null());
}

TEST(Idempotency, TokensOfOneNameDoNotMeet) {
  ControlKit kit({{.name = "ci", .token = "t-one", .write = true},
                  {.name = "ci", .token = "t-two", .write = true}});
  const auto make = [&](const std::string& token, const std::string& name) {
    return kit.Ask({.method = Method::kPost,
                    .target = "/api/v1/sources",
                    .body = R"({"name":")" + name + "\"}",
                    .headers = {{"Authorization", "Bearer " + token}, {"Idempotency-Key", "k"}}});
  };
  const http::Response first = make("t-one", "a");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(make("t-one", "a").body, first.body);
  EXPECT_EQ(make("t-two", "b").status, 201) << "a key of somebody else's";
}

TEST(AuditLog, IsPagedAndKeepsTheNewest) {
  ControlKit kit;  // whose log keeps 20
  for (int i = 0; i < 25; ++i) {
    kit.clock.now_us += i % 3;  // several of one microsecond
    kit.Post("/api/v1/sources", R"({"name":"s)" + std::to_string(i) + "\"}");
  }
  std::vector<std::string> names;
  std::string cursor;
  do {
    const json page = BodyOf(kit.Get("/api/v1/audit-log?limit=7" + cursor));
    for (const json& record : page["data"]) names.push_back(record["subject"]["name"]);
    cursor =
        page["next_cursor"].is_null() ? "" : "&cursor=" + page["next_cursor"].get<std::string>();
  } while (!cursor.empty());
  ASSERT_LE(names.size(), 20u);
  ASSERT_GE(names.size(), 18u);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], "s" + std::to_string(24 - i));
  }
  EXPECT_EQ(kit.Get("/api/v1/audit-log?cursor=!").status, 400);
  EXPECT_EQ(kit.Get("/api/v1/audit-log?cursor=abc").status, 400);
}

TEST(AuditLog, SecretsOfOtherBodiesAreLeftOut) {
  EXPECT_EQ(
      json::parse(Redacted(R"({"a":1,"api_key":"x","headers":{"X":"y"},"b":[{"Password":2}]})")),
      json::parse(R"({"a":1,"api_key":"***","headers":{"X":"***"},"b":[{"Password":"***"}]})"));
  EXPECT_EQ(Redacted("{broken"), "");
  const std::string deep = std::string(30'000, '[') + std::string(30'000, ']');
  EXPECT_EQ(Redacted(deep), "") << "each level would be a frame of the stack";
  EXPECT_EQ(Redacted("\"" + std::string(kAuditTextBytesMax, 'x') + "\""),
            R"({"left_out_bytes":65538})");
}

TEST(Idempotency, ARepeatIsAnsweredTheSameAndDoneOnce) {
  ControlKit kit;
  const auto first = PostWithKey(kit, "/api/v1/sources", R"({"name":"a"})", "k1");
  ASSERT_EQ(first.status, 201);
  EXPECT_FALSE(Replayed(first));
  const auto again = PostWithKey(kit, "/api/v1/sources", R"({"name":"a"})", "\"k1\"");
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_TRUE(Replayed(again));
  EXPECT_EQ(PostWithKey(kit, "/api/v1/sources", R"({"name":"a"})", "k2").status, 409)
      << "another key is another request";
  EXPECT_EQ(Records(kit).size(), 1u);
}

TEST(Idempotency, ARefusalIsRememberedToo) {
  ControlKit kit;
  EXPECT_EQ(PostWithKey(kit, "/api/v1/sources", R"({"name":"demo"})", "k").status, 409);
  const auto again = PostWithKey(kit, "/api/v1/sources", R"({"name":"demo"})", "k");
  EXPECT_EQ(again.status, 409);
  EXPECT_TRUE(Replayed(again));
}

TEST(Idempotency, AKeyBelongsToOneRequest) {
  ControlKit kit;
  PostWithKey(kit, "/api/v1/sources", R"({"name":"a"})", "k");
  for (const auto& [target, body] : std::vector<std::pair<std::string, std::string>>{
           {"/api/v1/sources", R"({"name":"b"})"},
           {"/api/v1/destinations", R"({"name":"a"})"},
           {"/api/v1/sources?x=1", R"({"name":"a"})"}}) {
    const auto other = PostWithKey(kit, target, body, "k");
    EXPECT_EQ(other.status, 422) << target;
    EXPECT_EQ(BodyOf(other)["code"], "idempotency_key_reused");
  }
  EXPECT_EQ(kit.sources.current().FindByName("b"), nullptr);
  EXPECT_TRUE(kit.engine.calls.empty());
}

TEST(Idempotency, KeysOfTwoTokensAreTwoKeys) {
  ControlKit kit({{.token = "t", .admin = true}, {.token = "u", .admin = true}});
  for (const auto& [token, name] : {std::pair("t", "a"), std::pair("u", "b")}) {
    const auto answer = kit.Ask(
        {.method = Method::kPost,
         .target = "/api/v1/sources",
         .body = std::string(R"({"name":")") + name + "\"}",
         .headers = {{"Authorization", std::string("Bearer ") + token}, {"Idempotency-Key", "k"}}});
    EXPECT_EQ(answer.status, 201) << answer.body;
  }
}

TEST(Idempotency, AnswersSurviveARestartAndAreSealed) {
  ControlKit kit;
  const auto first = PostWithKey(kit, "/api/v1/sources", R"({"name":"a"})", "k");
  kit.store.CrashKeeping(0);
  EXPECT_EQ(kit.store.Dump().find(BodyOf(first)["write_key"].get<std::string>()),
            std::string::npos);
  Idempotency again({.store = &kit.store, .clock = &kit.clock, .sealer = &kit.sealer});
  ASSERT_TRUE(again.Load());
  EXPECT_EQ(again.Replay(Idempotency::RowOf("local", "k"))->body, first.body);
  const codec::Sealer other(codec::SealKey{1}, os::SystemRandom());
  Idempotency stranger({.store = &kit.store, .clock = &kit.clock, .sealer = &other});
  ASSERT_TRUE(stranger.Load());
  EXPECT_FALSE(stranger.Replay(Idempotency::RowOf("local", "k")).has_value());
}

TEST(Idempotency, AfterADeathInBetweenNobodyPretendsToKnow) {
  ControlKit kit;
  const auto asked = kit.Start({.method = Method::kPost,
                                .target = "/api/v1/sources",
                                .body = R"({"name":"a"})",
                                .headers = {{"Idempotency-Key", "k"}}});
  while (!kit.sources.current().FindByName("a") && kit.loop.RunOne()) {
  }
  kit.store.CrashKeeping(0);
  Idempotency again({.store = &kit.store, .clock = &kit.clock, .sealer = &kit.sealer});
  ASSERT_TRUE(again.Load());
  store::Batch batch;
  EXPECT_EQ(again.Begin(Idempotency::RowOf("local", "k"), "other", batch),
            Idempotency::State::kOther);
}

TEST(Idempotency, ARepeatWaitsForTheFirst) {
  ControlKit kit;
  const Call call{.method = Method::kPost,
                  .target = "/api/v1/sources",
                  .body = R"({"name":"a"})",
                  .headers = {{"Idempotency-Key", "k2"}}};
  const auto first = kit.Start(call);
  const auto second = kit.Start(call);
  while (!second->response && (kit.loop.RunOne() || kit.loop.NextTimer())) {
  }
  ASSERT_TRUE(first->response && second->response);
  EXPECT_EQ(first->response->status, 201);
  EXPECT_EQ(second->response->body, first->response->body);
  EXPECT_TRUE(Replayed(*second->response));
}

TEST(Idempotency, RowsAndAgeHaveLimits) {
  ControlKit kit;
  Idempotency small(
      {.store = &kit.store, .clock = &kit.clock, .sealer = &kit.sealer, .rows_max = 3});
  store::Batch batch;
  const auto begin = [&](const std::string& key) {
    return small.Begin(Idempotency::RowOf("w", key), "f", batch);
  };
  const auto end = [&](const std::string& key) {
    small.End(Idempotency::RowOf("w", key), "f", {200, "", ""}, batch);
    small.Ended(Idempotency::RowOf("w", key), true);
  };
  for (const char* key : {"1", "2", "3"}) {
    EXPECT_EQ(begin(key), Idempotency::State::kNew);
    if (*key != '2') end(key);
  }
  EXPECT_EQ(begin("1"), Idempotency::State::kNew) << "the oldest made room";
  EXPECT_EQ(begin("2"), Idempotency::State::kRunning) << "what is being done stays";
  kit.clock.now_us += kIdempotencyAge;
  EXPECT_EQ(begin("3"), Idempotency::State::kNew);
}

// What a row takes of the limit, from what it put into the store.
TEST(Idempotency, BytesHaveALimit) {
  ControlKit kit;
  const auto row = [](int i) { return Idempotency::RowOf("w", std::to_string(i)); };
  const RememberedAnswer answer{200, "application/json", std::string(1000, 'x')};
  const auto full_after = [&](std::size_t bytes_max) {
    Idempotency limited(
        {.store = &kit.store, .clock = &kit.clock, .sealer = &kit.sealer, .bytes_max = bytes_max});
    store::Batch batch;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(limited.Begin(row(i), "f", batch), Idempotency::State::kNew);
      limited.End(row(i), "f", answer, batch);
      limited.Ended(row(i), true);
    }
    EXPECT_TRUE(kit.store.Write(batch, store::Sync::kYes));
    return limited.Begin(row(0), "f", batch) == Idempotency::State::kNew;
  };
  EXPECT_FALSE(full_after(kIdempotencyBytesMax));
  const auto value = *kit.store.Get(store::Family::kOwned, store::keys::Idempotency(row(1)));
  const std::size_t three = 3 * (value->size() + kIdempotencyRowBytes);
  EXPECT_FALSE(full_after(three + 1)) << "one byte is left";
  EXPECT_TRUE(full_after(three)) << "the oldest made room";
}

TEST(Idempotency, TenThousandRowsAreKept) {
  ControlKit kit;
  Idempotency keys({.store = &kit.store, .clock = &kit.clock, .sealer = &kit.sealer});
  const auto begin = [&](std::size_t i) {
    store::Batch batch;
    const std::string row = Idempotency::RowOf("w", std::to_string(i));
    const auto state = keys.Begin(row, "f", batch);
    if (state == Idempotency::State::kNew) keys.Ended(row, true);
    return state;
  };
  for (std::size_t i = 1; i < kIdempotencyRowsMax; ++i) {
    kit.clock.now_us += 1;
    ASSERT_EQ(begin(i), Idempotency::State::kNew);
  }
  EXPECT_EQ(begin(1), Idempotency::State::kAnswered) << "there is room for one more";
  EXPECT_EQ(begin(0), Idempotency::State::kNew);
  EXPECT_EQ(begin(1), Idempotency::State::kNew) << "the oldest made room";
  EXPECT_EQ(begin(0), Idempotency::State::kAnswered);
}

TEST(Idempotency, AChangeEndsAlthoughTheWorkersQueueIsFull) {
  ControlKit kit;
  const Call call{.method = Method::kPost,
                  .target = "/api/v1/sources",
                  .body = R"({"name":"a"})",
                  .headers = {{"Idempotency-Key", "k"}}};
  const auto asked = kit.Start(call);
  while (!kit.sources.current().FindByName("a") && kit.loop.RunOne()) {
  }
  ASSERT_FALSE(asked->response);
  std::vector<std::shared_ptr<Catch>> others;
  for (std::size_t i = 0; i <= kBlockingWaitingMax; ++i) {
    others.push_back(kit.Start({.target = "/api/v1/audit-log"}));
  }
  EXPECT_EQ(others.back()->response->status, 503) << "it is full";
  while (kit.loop.RunOne()) {
  }
  ASSERT_TRUE(asked->response);
  EXPECT_EQ(asked->response->status, 201);
  EXPECT_TRUE(Replayed(kit.Ask(call)));
}

TEST(Idempotency, OneChangeTooManyIsRefusedBeforeAnythingIsDone) {
  ControlKit kit;
  std::vector<std::shared_ptr<Catch>> asked;
  for (std::size_t i = 0; i <= kChangesUnderWayMax; ++i) {
    asked.push_back(kit.Start({.method = Method::kPost,
                               .target = "/api/v1/destinations",
                               .body = "{}",
                               .headers = {{"Idempotency-Key", std::to_string(i)}}}));
  }
  EXPECT_EQ(asked.back()->response->status, 503);
  while (kit.loop.RunOne()) {
  }
  asked.pop_back();
  for (const auto& one : asked) EXPECT_EQ(one->response->status, 201);
  EXPECT_EQ(kit.engine.calls.size(), kChangesUnderWayMax);
  EXPECT_EQ(PostWithKey(kit, "/api/v1/destinations", "{}", "again").status, 201);
}

TEST(Idempotency, AnAnswerThatCouldNotBeKeptIsNotUnderWayForEver) {
  ControlKit kit;
  store::Batch batch;
  const std::string row = Idempotency::RowOf("w", "k");
  EXPECT_EQ(kit.idempotency.Begin(row, "f", batch), Idempotency::State::kNew);
  kit.idempotency.Ended(row, false);
  EXPECT_EQ(kit.idempotency.Begin(row, "f", batch), Idempotency::State::kUnknown);
}

TEST(Idempotency, BadKeysAreRefusedByName) {
  ControlKit kit;
  for (const std::string& key : {std::string(), std::string(256, 'k'), std::string("a\xff")}) {
    const auto answer = PostWithKey(kit, "/api/v1/sources", R"({"name":"a"})", key);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(BodyOf(answer)["field"], "Idempotency-Key");
  }
  EXPECT_EQ(PostWithKey(kit, "/api/v1/sources", R"({"name":"a"})", std::string(255, 'k')).status,
            201);
}

TEST(Revisions, ARevertNamesWhoAsked) {
  ControlKit kit;
  EXPECT_EQ(kit.Post("/api/v1/destinations/d/revert", R"({"revision":3})").status, 200);
  EXPECT_EQ(kit.engine.fake_revisions.calls, std::vector<std::string>{"Revert d 3 local"});
  EXPECT_EQ(kit.Post("/api/v1/destinations/d/revert", "{}").status, 400);
  EXPECT_EQ(kit.Post("/api/v1/destinations/d/revert", R"({"revision":0})").status, 400);
  EXPECT_EQ(kit.Get("/api/v1/destinations/d/revisions/x").status, 404);
  EXPECT_EQ(kit.Get("/api/v1/destinations/d/revisions/1").status, 200);
}

}  // namespace
}  // namespace tributary::control
