#include "ingest/authenticate.h"

#include "codec/base64.h"

namespace tributary::ingest {
namespace {

SourceSnapshot Sources() {
  return SourceSnapshot({{.id = 1, .name = "off", .write_keys = {"off-key"}, .enabled = false},
                         {.id = 2, .name = "web", .write_keys = {"web-1", "web-2"}},
                         {.id = 3, .name = "demo", .write_keys = {"demo"}}});
}

std::string Basic(std::string_view user) {
  return "Basic " + codec::Base64Encode(user);
}

TEST(SourceSnapshot, FindsByEveryKeyNameAndId) {
  const SourceSnapshot sources = Sources();
  EXPECT_EQ(sources.FindByKey("web-1").source->name, "web");
  EXPECT_EQ(sources.FindByKey("web-2").source->name, "web");
  for (const char* wrong : {"web-3", "", "WEB-1", "web-1 "}) {
    EXPECT_EQ(sources.FindByKey(wrong).source, nullptr) << wrong;
  }
  EXPECT_EQ(sources.FindByName("demo")->id, 3u);
  EXPECT_EQ(sources.FindByName("nobody"), nullptr);
  EXPECT_EQ(sources.FindById(2)->name, "web");
  EXPECT_EQ(sources.FindById(9), nullptr);
}

TEST(SourceSnapshot, AnEmptyKeyOpensNothing) {
  const SourceSnapshot sources({{.id = 1, .name = "odd", .write_keys = {""}}});
  EXPECT_EQ(sources.FindByKey("").source, nullptr);
}

TEST(SourceSnapshot, ADeletedSourceKeepsItsNumberAndNameAndNothingElse) {
  const SourceSnapshot sources({{.id = 1, .name = "web", .write_keys = {"old"}, .deleted_at_us = 5},
                                {.id = 7, .name = "web", .write_keys = {"new"}}});
  EXPECT_EQ(sources.FindByName("web")->id, 7u);
  EXPECT_EQ(sources.FindById(1)->name, "web");
  EXPECT_EQ(sources.IdsOfName("web"), (std::vector<log::SourceId>{1, 7}));
  EXPECT_EQ(sources.FindByKey("old").source, nullptr);
  EXPECT_EQ(sources.all().size(), 1u);
}

TEST(SourceDirectory, AKeyOfTheSnapshotBeforeIsForgotten) {
  SourceDirectory directory(os::SystemRandom());
  directory.Set(std::make_shared<SourceSnapshot>(
      std::vector<SourceSpec>{{.id = 1, .name = "a", .write_keys = {"k"}}}));
  EXPECT_EQ(directory.FindByKey("k").source->id, 1u);
  EXPECT_EQ(directory.FindByKey("k").source->id, 1u) << "from memory";
  directory.Set(std::make_shared<SourceSnapshot>(
      std::vector<SourceSpec>{{.id = 2, .name = "b", .write_keys = {"other"}}}));
  EXPECT_EQ(directory.FindByKey("k").source, nullptr);
}

TEST(SourceDirectory, MoreKeysThanItRemembersAllOpen) {
  std::vector<SourceSpec> sources;
  for (std::size_t i = 0; i <= kKeysRememberedMax; ++i) {
    sources.push_back({.id = static_cast<log::SourceId>(i + 1),
                       .name = std::to_string(i),
                       .write_keys = {"key-" + std::to_string(i)}});
  }
  SourceDirectory directory(os::SystemRandom());
  directory.Set(std::make_shared<SourceSnapshot>(std::move(sources)));
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i <= kKeysRememberedMax; ++i) {
      ASSERT_EQ(directory.FindByKey("key-" + std::to_string(i)).source->id, i + 1);
    }
  }
}

TEST(WriteKey, ScopesAreWordsAndBits) {
  EXPECT_EQ(*ScopesOf({}), kAllScopes);
  EXPECT_TRUE(ScopeNames(kAllScopes).empty());
  const KeyScopes two = *ScopesOf({"track", "import"});
  EXPECT_EQ(two, ScopeOfType(log::EventType::kTrack) | ImportScope());
  EXPECT_EQ(ScopeNames(two), (std::vector<std::string>{"track", "import"}));
  EXPECT_EQ(ScopesOf({"track", "Track"}).error().field(), "scopes[1]");
}

TEST(WriteKey, OnlyTheEndOfALongKeyIsShown) {
  EXPECT_EQ(WriteKey("demo").hint, "***");
  EXPECT_EQ(WriteKey("123456789012345").hint, "***");
  EXPECT_EQ(WriteKey("1234567890123456").hint, "***3456");
}

TEST(KeyFromHead, FirstPlaceThatNamesAKeyDecides) {
  const std::string basic = Basic("from-basic:");
  http::Request request{.query = "writeKey=from-query",
                        .headers = {{"X-Write-Key", "ID:SECRET"}, {"Authorization", basic}}};
  EXPECT_EQ(KeyFromHead(request), "from-basic");
  request.headers.pop_back();
  EXPECT_EQ(KeyFromHead(request), "ID:SECRET");
  request.headers.clear();
  EXPECT_EQ(KeyFromHead(request), "from-query");
  request.query = "a=b&writekey=lower%20case";
  EXPECT_EQ(KeyFromHead(request), "lower case");
  request.query = {};
  EXPECT_EQ(KeyFromHead(request), "");
}

TEST(KeyFromHead, BasicIsReadGenerously) {
  for (const std::string& value : {Basic("key:"), Basic("key"), Basic("key:password"),
                                   std::string("bAsIc a2V5Og=="), std::string("Basic a2V5Og")}) {
    EXPECT_EQ(KeyFromHead({.headers = {{"authorization", value}}}), "key") << value;
  }
}

TEST(KeyFromHead, OtherAuthorizationCarriesNoKey) {
  for (const std::string& value : {std::string("Bearer a2V5Og=="), Basic(":password"),
                                   std::string("Basic"), std::string("Basic ***"), std::string()}) {
    EXPECT_EQ(KeyFromHead({.query = "writeKey=q", .headers = {{"Authorization", value}}}), "q")
        << value;
  }
}

TEST(SourceOfKey, SaysWhyNot) {
  SourceDirectory sources(os::SystemRandom());
  sources.Set(std::make_shared<SourceSnapshot>(Sources()));
  const auto refusal = [&](std::string_view key) { return SourceOfKey(sources, key, 1).error(); };
  EXPECT_EQ(SourceOfKey(sources, "web-1", 1)->source->id, 2u);
  EXPECT_EQ(refusal("").code, "write_key_missing");
  EXPECT_EQ(refusal("").status, 401);
  EXPECT_EQ(refusal("nope").code, "invalid_write_key");
  EXPECT_EQ(refusal("nope").status, 401);
  EXPECT_EQ(refusal("off-key").code, "source_disabled");
  EXPECT_EQ(refusal("off-key").status, 404);
}

TEST(SourceOfKey, ADisabledOrEndedKeyIsAsUnknownAsAnyOther) {
  WriteKey disabled("disabled");
  disabled.enabled = false;
  WriteKey ended("ended");
  ended.expires_at_us = 100;
  SourceDirectory sources(os::SystemRandom());
  sources.Set(std::make_shared<SourceSnapshot>(std::vector<SourceSpec>{
      {.id = 1, .name = "a", .write_keys = {disabled, ended}},
      {.id = 2, .name = "gone", .write_keys = {"unlisted"}, .declared = true, .unlisted = true}}));
  EXPECT_EQ(SourceOfKey(sources, "disabled", 1).error().code, "invalid_write_key");
  EXPECT_TRUE(SourceOfKey(sources, "ended", 99).has_value());
  EXPECT_EQ(SourceOfKey(sources, "ended", 100).error().code, "invalid_write_key");
  EXPECT_EQ(SourceOfKey(sources, "unlisted", 1).error().code, "source_disabled");
}

TEST(KeylessSource, OnLoopbackTheDemoSourceElseTheFirstEnabled) {
  EXPECT_EQ(KeylessSource(Sources(), true)->name, "demo");
  EXPECT_EQ(KeylessSource(Sources(), false), nullptr);
  const SourceSnapshot others(
      {{.id = 1, .name = "off", .enabled = false}, {.id = 2, .name = "web"}});
  EXPECT_EQ(KeylessSource(others, true)->name, "web");
  EXPECT_EQ(KeylessSource(SourceSnapshot({}), true), nullptr);
}

TEST(KeylessSource, ADeclaredOneCountsEverywhereUnlessDisabled) {
  const auto with = [](bool enabled) {
    return SourceSnapshot({{.id = 1, .name = "demo"},
                           {.id = 2, .name = "open", .enabled = enabled, .keyless = true}});
  };
  EXPECT_EQ(KeylessSource(with(true), true)->name, "open");
  EXPECT_EQ(KeylessSource(with(true), false)->name, "open");
  EXPECT_EQ(KeylessSource(with(false), true), nullptr);
}

TEST(ClientAddress, OnlyAProxyOnThisMachineIsBelieved) {
  http::Request request{.headers = {{"X-Forwarded-For", "203.0.113.9, 198.51.100.7"}},
                        .peer = "192.0.2.1"};
  EXPECT_EQ(ClientAddress(request), "192.0.2.1");
  request.peer = "127.0.0.1";
  request.peer_is_loopback = true;
  EXPECT_EQ(ClientAddress(request), "198.51.100.7");
  request.headers.clear();
  EXPECT_EQ(ClientAddress(request), "127.0.0.1");
}

}  // namespace
}  // namespace tributary::ingest
