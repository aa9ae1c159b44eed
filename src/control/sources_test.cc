#include <nlohmann/json.hpp>

#include "control/control_kit_test.h"
#include "control/source_stored.h"
#include "store/keys.h"

namespace tributary::control {
namespace {

using http::Method;
using nlohmann::json;
using store::Family;

constexpr UnixMicros kHour = 3600 * kMicrosPerSecond;

// What the doors of collection would say of a key.
std::string Opens(const ControlKit& kit, const std::string& key) {
  const auto match = ingest::SourceOfKey(kit.sources, key, kit.clock.now_us);
  return match ? match->source->name : std::string(match.error().code);
}

TEST(Sources, OneIsMadeShownChangedAndRemoved) {
  ControlKit kit;
  const http::Response made = kit.Post("/api/v1/sources", R"({"name":"ios","event_size":"16KiB"})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string key = BodyOf(made)["write_key"];
  EXPECT_EQ(BodyOf(made)["write_keys"][0]["key"], key) << "shown whole, this once";
  EXPECT_EQ(Opens(kit, key), "ios");
  const http::Response shown = kit.Get("/api/v1/sources/ios");
  EXPECT_EQ(BodyOf(shown)["event_size"], 16384);
  EXPECT_EQ(BodyOf(shown)["declared"], false);
  EXPECT_EQ(shown.body.find(key), std::string::npos);
  EXPECT_EQ(BodyOf(shown)["write_keys"][0]["key"], "***" + key.substr(key.size() - 4));
  const auto patched = kit.Ask(
      {.method = Method::kPatch, .target = "/api/v1/sources/ios", .body = R"({"enabled":false})"});
  EXPECT_EQ(patched.status, 200) << patched.body;
  EXPECT_EQ(BodyOf(patched)["event_size"], 16384) << "what is not named stays";
  EXPECT_EQ(Opens(kit, key), "source_disabled");
  const auto put = kit.Ask(
      {.method = Method::kPut, .target = "/api/v1/sources/ios", .body = R"({"browser":true})"});
  EXPECT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(BodyOf(put)["event_size"], 32768) << "what is not named goes back to its default";
  EXPECT_EQ(Opens(kit, key), "ios") << "its keys stay";
  EXPECT_EQ(kit.Ask({.method = Method::kDelete, .target = "/api/v1/sources/ios"}).status, 204);
  EXPECT_EQ(kit.Get("/api/v1/sources/ios").status, 404);
  EXPECT_EQ(Opens(kit, key), "invalid_write_key");
  EXPECT_EQ(kit.Ask({.method = Method::kDelete, .target = "/api/v1/sources/ios"}).status, 404);
}

TEST(Sources, ANameMadeAgainIsAnotherSource) {
  ControlKit kit;
  const auto make = [&] { return BodyOf(kit.Post("/api/v1/sources", R"({"name":"a"})"))["id"]; };
  const log::SourceId first = make();
  kit.Ask({.method = Method::kDelete, .target = "/api/v1/sources/a"});
  const log::SourceId second = make();
  EXPECT_NE(first, second);
  EXPECT_EQ(kit.sources.current().IdsOfName("a"), (std::vector{first, second}));
  EXPECT_EQ(kit.registry->IdOf("a"), second);
}

TEST(Sources, OnesOfTheConfigurationAreReadOnly) {
  ControlKit kit;
  for (const auto& [method, path, body] : std::vector<std::tuple<Method, std::string, std::string>>{
           {Method::kPut, "demo", "{}"},
           {Method::kPatch, "demo", R"({"enabled":false})"},
           {Method::kDelete, "demo", ""},
           {Method::kPost, "demo/write-keys", "{}"},
           {Method::kPost, "demo/write-keys/rotate", "{}"},
           {Method::kPost, "demo/write-keys/config-1/disable", ""},
           {Method::kDelete, "demo/write-keys/config-1", ""}}) {
    const auto answer =
        kit.Ask({.method = method, .target = "/api/v1/sources/" + path, .body = body});
    EXPECT_EQ(answer.status, 409) << path << answer.body;
  }
  EXPECT_EQ(Opens(kit, "CANARY-KEY"), "demo");
  EXPECT_EQ(BodyOf(kit.Get("/api/v1/sources/demo"))["declared"], true);
}

TEST(Sources, BadInputNamesTheFieldAndChangesNothing) {
  ControlKit kit;
  const std::string before = kit.store.Dump();
  for (const auto& [body, field] : std::vector<std::pair<std::string, std::string>>{
           {R"({"name":"a b"})", "name"},
           {R"({"nam":"a"})", "nam"},
           {R"({})", "name"},
           {R"({"name":"a","event_size":"1GiB"})", "event_size"},
           {R"({"name":"a","write_key":"with space"})", "write_keys"},
           {R"({"name":"a","write_key":"with:colon"})", "write_keys"},
           {R"({"name":"a","ack":"never"})", "ack"}}) {
    const auto answer = kit.Post("/api/v1/sources", body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_EQ(BodyOf(answer)["field"], field) << answer.body;
  }
  EXPECT_EQ(kit.Post("/api/v1/sources", R"({"name":"demo"})").status, 409);
  EXPECT_EQ(kit.Post("/api/v1/sources", R"({"name":"b","write_key":"CANARY-KEY"})").status, 409)
      << "two sources with one key";
  EXPECT_EQ(kit.Post("/api/v1/sources?x=1", R"({"name":"b"})").status, 400);
  EXPECT_EQ(kit.store.Dump(), before);
}

TEST(Sources, OneAloneTakesEventsWithoutAKey) {
  ControlKit kit;
  EXPECT_EQ(kit.Post("/api/v1/sources", R"({"name":"a","keyless":true})").status, 201);
  EXPECT_EQ(kit.Post("/api/v1/sources", R"({"name":"b","keyless":true})").status, 409);
  EXPECT_EQ(kit.sources.current().keyless()->name, "a");
}

TEST(Sources, AreDurableBeforeTheAnswerAndComeBackAfterACrash) {
  ControlKit kit;
  const std::string key =
      BodyOf(kit.Post("/api/v1/sources", R"({"name":"ios","browser":true})"))["write_key"];
  kit.store.CrashKeeping(0);
  auto registry = SourceRegistry::Open(
      {.store = &kit.store, .clock = &kit.clock, .random = &os::SystemRandom()},
      ControlKit::Declared());
  ASSERT_TRUE(registry.has_value()) << registry.error().message();
  const auto snapshot = (*registry)->current();
  EXPECT_EQ(snapshot->FindByKey(key).source->name, "ios");
  EXPECT_TRUE(snapshot->FindByName("ios")->browser);
  EXPECT_EQ(snapshot->FindByName("demo")->id, 1u);
}

TEST(Sources, NoKeyIsInTheStore) {
  ControlKit kit;
  const std::string made = BodyOf(kit.Post("/api/v1/sources", R"({"name":"a"})"))["write_key"];
  kit.Post("/api/v1/sources/a/write-keys", R"({"key":"MY-OWN-OLD-KEY-OF-1999"})");
  EXPECT_EQ(Opens(kit, "MY-OWN-OLD-KEY-OF-1999"), "a");
  const std::string dump = kit.store.Dump();
  for (const std::string& key :
       {made, std::string("MY-OWN-OLD-KEY-OF-1999"), std::string("CANARY")}) {
    EXPECT_EQ(dump.find(key), std::string::npos) << key;
  }
}

TEST(Sources, TheAnswerComesAfterEveryLoopHasTheChange) {
  ControlKit kit;
  HandExecutor other;
  ingest::SourceDirectory slow(os::SystemRandom());
  kit.registry->Subscribe(other, slow);
  const auto asked = kit.Start({.method = Method::kPost,
                                .target = "/api/v1/sources",
                                .body = R"({"name":"a","write_key":"k"})"});
  while (kit.loop.RunOne()) {
  }
  EXPECT_FALSE(asked->response) << "one loop does not know it yet";
  EXPECT_TRUE(other.RunOne());
  EXPECT_EQ(slow.FindByKey("k").source->name, "a");
  while (kit.loop.RunOne()) {
  }
  ASSERT_TRUE(asked->response);
  EXPECT_EQ(asked->response->status, 201);
}

TEST(Sources, AFailedStoreChangesNothing) {
  ControlKit kit;
  kit.store.FailWrites("disk gone");
  EXPECT_EQ(kit.Post("/api/v1/sources", R"({"name":"a","write_key":"k"})").status, 503);
  EXPECT_EQ(Opens(kit, "k"), "invalid_write_key");
}

TEST(WriteKeys, AreMadeDisabledEnabledAndRemoved) {
  ControlKit kit;
  kit.Post("/api/v1/sources", R"({"name":"a"})");
  const std::string keys = "/api/v1/sources/a/write-keys";
  const json made = BodyOf(kit.Post(keys, R"({"scopes":["track","import"]})"));
  const std::string key = made["key"];
  const std::string one = keys + "/" + made["id"].get<std::string>();
  EXPECT_EQ(made["scopes"], json({"track", "import"}));
  EXPECT_EQ(BodyOf(kit.Get(keys))["data"].size(), 2u);
  EXPECT_EQ(kit.Get(keys).body.find(key), std::string::npos);
  EXPECT_EQ(Opens(kit, key), "a");
  EXPECT_EQ(BodyOf(kit.Post(one + "/disable", ""))["status"], "disabled");
  EXPECT_EQ(Opens(kit, key), "invalid_write_key");
  EXPECT_EQ(BodyOf(kit.Post(one + "/enable", ""))["status"], "active");
  EXPECT_EQ(Opens(kit, key), "a");
  EXPECT_EQ(kit.Post(one + "/enable", R"({"a":1})").status, 400);
  EXPECT_EQ(kit.Ask({.method = Method::kDelete, .target = one}).status, 204);
  EXPECT_EQ(Opens(kit, key), "invalid_write_key");
  EXPECT_EQ(kit.Post(one + "/enable", "").status, 404);
  EXPECT_EQ(kit.Post(keys, R"({"scopes":["tracks"]})").status, 400);
  EXPECT_EQ(kit.Post(keys, R"({"expires_at":"2001-01-01"})").status, 400);
  EXPECT_EQ(kit.Post(keys, R"({"expires_at":"soon"})").status, 400);
}

TEST(WriteKeys, RotationLetsTheOldOnesEndAfterTheOverlap) {
  ControlKit kit;
  const std::string old = BodyOf(kit.Post("/api/v1/sources", R"({"name":"a"})"))["write_key"];
  const std::string rotate = "/api/v1/sources/a/write-keys/rotate";
  const http::Response rotated = kit.Post(rotate, R"({"overlap":"1h"})");
  ASSERT_EQ(rotated.status, 201) << rotated.body;
  const std::string key = BodyOf(rotated)["key"];
  EXPECT_EQ(Opens(kit, old), "a");
  EXPECT_EQ(Opens(kit, key), "a");
  kit.Post(rotate, "");  // a day: that does not lengthen the hour
  kit.clock.now_us += kHour;
  EXPECT_EQ(Opens(kit, old), "invalid_write_key");
  EXPECT_EQ(Opens(kit, key), "a");
  EXPECT_EQ(kit.Post(rotate, R"({"overlap":"367d"})").status, 400);
  const json first = BodyOf(kit.Get("/api/v1/sources/a"))["write_keys"][0];
  EXPECT_EQ(first["status"], "expired");
  EXPECT_EQ(
      kit.Post("/api/v1/sources/a/write-keys/" + first["id"].get<std::string>() + "/enable", "")
          .status,
      409);
}

TEST(WriteKeys, ASourceHasAtMostAHundredAndForgetsEndedOnesFirst) {
  ControlKit kit;
  kit.Post("/api/v1/sources", R"({"name":"a"})");
  const std::string keys = "/api/v1/sources/a/write-keys";
  for (std::size_t i = 1; i < kWriteKeysMax; ++i) ASSERT_EQ(kit.Post(keys, "").status, 201);
  EXPECT_EQ(kit.Post(keys, "").status, 507);
  EXPECT_EQ(kit.Post(keys + "/rotate", R"({"overlap":"0s"})").status, 201) << "the others end";
  EXPECT_EQ(kit.Post(keys, "").status, 201);
}

TEST(SourceRegistry, ThereAreAtMostTenThousandSources) {
  ControlKit kit;
  std::vector<config::SourceSettings> declared(kSourcesMax - 1);
  for (std::size_t i = 0; i < declared.size(); ++i) declared[i].name = "s" + std::to_string(i);
  test::MemoryStore store;
  const auto registry = *SourceRegistry::Open(
      {.store = &store, .clock = &kit.clock, .random = &os::SystemRandom()}, declared);
  const auto create = [&](const std::string& body) {
    ErrorCode code = ErrorCode::kInternal;
    bool made = false;
    registry->Create(body, [&](const auto& result) {
      made = result.has_value();
      if (!result) code = result.error().code();
    });
    return made ? std::nullopt : std::optional(code);
  };
  EXPECT_EQ(create(R"({"name":"last"})"), std::nullopt);
  EXPECT_EQ(create(R"({"name":"more"})"), ErrorCode::kExhausted);
}

TEST(SourceRegistry, ANameInBothPlacesRefusesTheStart) {
  ControlKit kit;
  kit.Post("/api/v1/sources", R"({"name":"ios"})");
  auto declared = ControlKit::Declared();
  declared.emplace_back().name = "ios";
  const auto registry = SourceRegistry::Open(
      {.store = &kit.store, .clock = &kit.clock, .random = &os::SystemRandom()}, declared);
  ASSERT_FALSE(registry.has_value());
  EXPECT_EQ(registry.error().code(), ErrorCode::kConflict);
}

TEST(SourceRegistry, WhatLeavesTheConfigurationIsPausedUntilDeletedAndComesBackTheSame) {
  ControlKit kit;
  const auto open = [&](std::vector<config::SourceSettings> declared) {
    return *SourceRegistry::Open(
        {.store = &kit.store, .clock = &kit.clock, .random = &os::SystemRandom()}, declared);
  };
  auto less = ControlKit::Declared();
  less.pop_back();
  const auto without = open(less);
  const json web = SourceJson(*without->current()->FindByName("web"), 1);
  EXPECT_EQ(web["status"], "paused");
  EXPECT_EQ(web["declared"], true);
  EXPECT_EQ(open(ControlKit::Declared())->IdOf("web"), 2u);
  bool deleted = false;
  without->Delete("web", [&](const auto& result) { deleted = result.has_value(); });
  EXPECT_TRUE(deleted);
  EXPECT_EQ(open(ControlKit::Declared())->IdOf("web"), 3u) << "deleted: a new one";
}

TEST(SourceRegistry, AChangedConfigurationCountsWholeOrNotAtAll) {
  ControlKit kit;
  kit.Post("/api/v1/sources", R"({"name":"ios","write_key":"IOS"})");
  auto declared = ControlKit::Declared();
  declared[0].write_key = config::Secret("OTHER");
  declared.emplace_back().name = "ios";
  Status outcome;
  const auto apply = [&] {
    kit.registry->ApplyDeclared(declared, [&](const auto& result) {
      outcome = result ? Status() : std::unexpected(result.error());
    });
    while (kit.loop.RunOne()) {
    }
  };
  apply();
  EXPECT_FALSE(outcome.has_value());
  EXPECT_FALSE(kit.registry->CheckDeclared(declared).has_value());
  EXPECT_EQ(Opens(kit, "CANARY-KEY"), "demo");
  declared.pop_back();
  EXPECT_TRUE(kit.registry->CheckDeclared(declared).has_value());
  apply();
  EXPECT_TRUE(outcome.has_value());
  EXPECT_EQ(Opens(kit, "CANARY-KEY"), "invalid_write_key");
  EXPECT_EQ(Opens(kit, "OTHER"), "demo");
  EXPECT_EQ(Opens(kit, "IOS"), "ios");
}

TEST(SourceRegistry, ReadsWhatTheFirstVersionWrote) {
  test::MemoryStore store;
  store::Batch batch;
  batch.Put(Family::kOwned, store::keys::Meta("next_source"), std::string("\x08\0\0\0", 4));
  batch.Put(Family::kOwned, store::keys::SourceName("demo"), std::string("\x07\0\0\0", 4));
  batch.Put(Family::kOwned, store::keys::Source(7),
            "\x01"
            "demo");
  ASSERT_TRUE(store.Write(batch, store::Sync::kYes));
  SettableClock clock;
  const auto registry = *SourceRegistry::Open(
      {.store = &store, .clock = &clock, .random = &os::SystemRandom()}, ControlKit::Declared());
  EXPECT_EQ(registry->IdOf("demo"), 7u);
  EXPECT_EQ(registry->IdOf("web"), 8u);
}

TEST(StoredSource, BrokenBytesAreRefused) {
  const std::string good = EncodeSource({.id = 1, .name = "a", .write_keys = {"k"}});
  EXPECT_TRUE(DecodeSource(1, good).has_value());
  for (const std::string& bad :
       {std::string(), std::string("\x03{}"), std::string("\x02{}"), std::string("\x02{"),
        good.substr(0, good.size() - 1), std::string("\x02[]")}) {
    EXPECT_EQ(DecodeSource(1, bad).error().code(), ErrorCode::kCorrupt) << bad;
  }
}

}  // namespace
}  // namespace tributary::control
