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
  EXPECT_EQ(sources.FindByKey("web-1")->name, "web");
  EXPECT_EQ(sources.FindByKey("web-2")->name, "web");
  EXPECT_EQ(sources.FindByKey("web-3"), nullptr);
  EXPECT_EQ(sources.FindByKey(""), nullptr);
  EXPECT_EQ(sources.FindByKey("WEB-1"), nullptr);
  EXPECT_EQ(sources.FindByName("demo")->id, 3u);
  EXPECT_EQ(sources.FindByName("nobody"), nullptr);
  EXPECT_EQ(sources.FindById(2)->name, "web");
  EXPECT_EQ(sources.FindById(9), nullptr);
}

TEST(SourceSnapshot, AnEmptyKeyOpensNothing) {
  const SourceSnapshot sources({{.id = 1, .name = "odd", .write_keys = {""}}});
  EXPECT_EQ(sources.FindByKey(""), nullptr);
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
  const SourceSnapshot sources = Sources();
  EXPECT_EQ((*SourceOfKey(sources, "web-1"))->id, 2u);
  EXPECT_EQ(SourceOfKey(sources, "").error().code, "write_key_missing");
  EXPECT_EQ(SourceOfKey(sources, "").error().status, 401);
  EXPECT_EQ(SourceOfKey(sources, "nope").error().code, "invalid_write_key");
  EXPECT_EQ(SourceOfKey(sources, "nope").error().status, 401);
  EXPECT_EQ(SourceOfKey(sources, "off-key").error().code, "source_disabled");
  EXPECT_EQ(SourceOfKey(sources, "off-key").error().status, 404);
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
