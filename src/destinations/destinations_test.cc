// What each type sends, and what its options refuse.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "destinations/destination_kit_test.h"
#include "destinations/line_file.h"
#include "destinations/route_matcher.h"

namespace tributary::destinations {
namespace {

using nlohmann::json;

using test::FieldOf;
using test::World;

TEST(Types, AllAreRegisteredAndSeedTypesAreFoundInAnyLetterCase) {
  std::string names;
  for (const auto* type : deliver::RegisteredTypes()) names += std::string(type->name) + " ";
  EXPECT_EQ(names, "CDP analytics file null tributary webhook ");
  EXPECT_EQ(deliver::FindType("cdp")->name, "CDP");
  EXPECT_EQ(deliver::FindType("ANALYTICS")->name, "analytics");
  EXPECT_EQ(deliver::FindType("smtp"), nullptr);
}

TEST(Webhook, SendsTheEventAsItIsSignedAndWithItsHeaders) {
  World w;
  const auto hook =
      w.Make("webhook", {{"url", "https://a.example/x"},
                         {"headers", {{"Authorization", "Bearer t"}}},
                         {"signing_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}});
  w.Deliver(*hook, R"({"test": 2432232314})");
  ASSERT_EQ(w.client.requests.size(), 1U);
  const http::ClientRequest& request = w.client.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://a.example/x");
  EXPECT_EQ(*request.body, R"({"test": 2432232314})");
  EXPECT_EQ(request.timeout_ns, 3 * kNanosPerSecond);
  EXPECT_EQ(w.Header(0, "Content-Type"), "application/json");
  EXPECT_EQ(w.Header(0, "User-Agent"), "Tributary/1");
  EXPECT_EQ(w.Header(0, "Authorization"), "Bearer t");
  EXPECT_EQ(w.Header(0, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
  EXPECT_EQ(w.Header(0, "webhook-timestamp"), "1614265330");
  EXPECT_EQ(w.Header(0, "webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  w.client.Answer(1, 204);
  ASSERT_EQ(w.outcomes.size(), 1U);
  EXPECT_EQ(w.outcomes[0].verdict, deliver::Verdict::kDelivered);
}

TEST(Webhook, DestroyedInFlightCancelsAndIsNeverAnswered) {
  World w;
  auto hook = w.Make("webhook", {{"url", "https://a.example/"}, {"method", "PUT"}});
  w.Deliver(*hook, "{}");
  w.Deliver(*hook, "{}");
  EXPECT_EQ(w.client.requests[0].method, "PUT");
  EXPECT_EQ(w.Header(0, "webhook-signature"), "(none)");
  hook.reset();
  EXPECT_EQ(w.client.canceled, 2U);
  EXPECT_TRUE(w.outcomes.empty());
}

TEST(Webhook, BadOptionsAreNamed) {
  World w;
  const http::EgressGuard guard = http::EgressGuard::Make({}).value();
  EXPECT_EQ(FieldOf(w.Check("webhook", json::object(), &guard)), "url");
  EXPECT_EQ(FieldOf(w.Check("webhook", {{"url", "ftp://a.example"}}, &guard)), "url");
  EXPECT_EQ(FieldOf(w.Check("webhook", {{"url", "http://127.0.0.1:9/"}}, &guard)), "url");
  EXPECT_EQ(FieldOf(w.Check("webhook", {{"url", "https://u:p@a.example"}}, &guard)), "url");
  EXPECT_EQ(FieldOf(w.Check("webhook", {{"url", "https://a.example"}, {"method", "GET"}}, &guard)),
            "method");
  EXPECT_EQ(FieldOf(w.Check("webhook",
                            {{"url", "https://a.example"}, {"signing_secret", "whsec_x"}}, &guard)),
            "signing_secret");
  EXPECT_EQ(FieldOf(w.Check("webhook", {{"url", "https://a.example"}, {"headers", {{"Host", "x"}}}},
                            &guard)),
            "headers.Host");
  EXPECT_EQ(FieldOf(w.Check("webhook", {{"url", "https://a.example"}}, &guard)), "accepted");
}

constexpr const char* kSeedEvent =
    R"({"type":"track","messageId":"m","userId":"u1","event":"Buy",)"
    R"("originalTimestamp":"2024-01-01T00:00:00Z",)"
    R"("properties":{"promoId":"p","device":"d","preferredChannel":"email"}})";

TEST(Cdp, AppendsTheChannelAndSendsTheSeedsForm) {
  World w;
  const auto cdp = w.Make("CDP", {{"url", "https://a.example/in?key=1"}});
  w.Deliver(*cdp, kSeedEvent, log::kFlagSeedForm);
  EXPECT_EQ(w.client.requests[0].url, "https://a.example/in/email?key=1");
  EXPECT_EQ(json::parse(*w.client.requests[0].body),
            json::parse(R"({"userId":"u1","event":"Buy","timestamp":"2024-01-01T00:00:00Z",)"
                        R"("metadata":{"promoId":"p","device":"d","preferredChannel":"email"}})"));
}

TEST(Cdp, WithoutAChannelASlashRemains) {
  World w;
  const auto cdp = w.Make("CDP", {{"url", "https://a.example/in"}});
  const std::string fax = R"({"type":"track","event":"x","properties":{"preferredChannel":"fax"}})";
  w.Deliver(*cdp, fax);
  w.Deliver(*cdp, R"({"type":"identify","userId":"u"})");
  EXPECT_EQ(w.client.requests[0].url, "https://a.example/in/");
  EXPECT_EQ(*w.client.requests[0].body, fax);  // no event of the seed's: as it is
  EXPECT_EQ(w.client.requests[1].url, "https://a.example/in/");
  const auto slash = w.Make("CDP", {{"url", "https://a.example/in/"}});
  w.Deliver(*slash, kSeedEvent);
  EXPECT_EQ(w.client.requests[2].url, "https://a.example/in/email");
}

TEST(Analytics, SendsToTheUrlAsItIs) {
  World w;
  const auto analytics = w.Make("analytics", {{"url", "https://a.example/in"}});
  w.Deliver(*analytics, kSeedEvent, log::kFlagSeedForm);
  w.Deliver(*analytics, kSeedEvent);
  EXPECT_EQ(w.client.requests[0].url, "https://a.example/in");
  EXPECT_TRUE(json::parse(*w.client.requests[0].body).contains("metadata"));
  EXPECT_EQ(*w.client.requests[1].body, kSeedEvent);
}

TEST(Null, IsInstantAndAlsoAnswersOneByOne) {
  World w;
  const auto null = w.Make("null", json::object());
  EXPECT_TRUE(null->instant());
  w.Deliver(*null, "{}");
  EXPECT_TRUE(w.outcomes.empty());  // never from inside the call
  w.loop.Run();
  EXPECT_EQ(w.outcomes.size(), 1U);
}

TEST(File, AppendsWholeLinesInOrder) {
  World w;
  const auto file = w.Make("file", json::object());
  w.Deliver(*file, "{\"a\":\n1}");
  w.Deliver(*file, "{\"b\":2}");
  w.loop.Run();
  ASSERT_EQ(w.outcomes.size(), 2U);
  EXPECT_EQ(w.outcomes[0].verdict, deliver::Verdict::kDelivered) << w.outcomes[0].error;
  // The default name is made of the destination's, which may have any character.
  EXPECT_EQ(w.FileText("my%20dest%2F1.ndjson"), "{\"a\": 1}\n{\"b\":2}\n");
}

TEST(File, WhatACrashTornIsCutBeforeTheNextLine) {
  World w;
  {
    const auto file = w.Make("file", {{"path", "sub/dir/x.ndjson"}});
    w.Deliver(*file, "{\"a\":1}");
    w.loop.Run();
  }
  auto raw = os::PosixFileSystem().Open(w.root + "/sub/dir/x.ndjson", os::OpenMode::kReadWrite);
  ASSERT_TRUE((*raw)->WriteAt(8, std::string_view("{\"torn")).has_value());
  const auto again = w.Make("file", {{"path", "sub/dir/x.ndjson"}});
  w.Deliver(*again, "{\"b\":2}");
  w.loop.Run();
  EXPECT_EQ(w.FileText("sub/dir/x.ndjson"), "{\"a\":1}\n{\"b\":2}\n");
}

TEST(File, OldAndNewInstanceDoNotOverwriteEachOther) {
  World w;
  const auto first = w.Make("file", {{"path", "x"}});
  const auto second = w.Make("file", {{"path", "x"}});
  for (int i = 0; i < 3; ++i) {
    w.Deliver(*first, "1");
    w.Deliver(*second, "2");
    w.loop.Run();
  }
  EXPECT_EQ(w.FileText("x"), "1\n2\n1\n2\n1\n2\n");
}

TEST(File, AFailureIsRetriedAndDestroyingIsSafe) {
  World w;
  ASSERT_TRUE(os::PosixFileSystem().CreateDir(w.root).has_value());
  ASSERT_TRUE(os::PosixFileSystem().CreateDir(w.root + "/x").has_value());
  auto file = w.Make("file", {{"path", "x"}});  // a directory is in the way
  w.Deliver(*file, "1");
  w.loop.Run();
  ASSERT_EQ(w.outcomes.size(), 1U);
  EXPECT_EQ(w.outcomes[0].verdict, deliver::Verdict::kRetry);
  w.Deliver(*file, "1");
  file.reset();
  w.loop.Run();
  EXPECT_EQ(w.outcomes.size(), 1U);
}

TEST(File, PathsThatLeaveTheRootAreRefused) {
  World w;
  for (const char* path : {"/etc/passwd", "../x", "a/../../x", "a/..", ".", "a//b", "a/", "a\nb"}) {
    EXPECT_EQ(FieldOf(w.Check("file", {{"path", path}})), "path") << path;
  }
  EXPECT_EQ(FieldOf(w.Check("file", {{"path", std::string(201, 'a')}})), "path");
  EXPECT_EQ(FieldOf(w.Check("file", {{"path", std::string(200, 'a')}})), "accepted");
  EXPECT_EQ(FieldOf(w.Check("file", {{"path", "a/..b/c.ndjson"}})), "accepted");
}

TEST(File, NamesThatDifferHaveFilesThatDiffer) {
  World w;
  const std::vector<std::pair<std::string, std::string>> files{
      {"Plain-1_a.b", "Plain-1_a.b"},
      {"a/b", "a%2Fb"},
      {"a#b", "a%23b"},
      {"a_b", "a_b"},
      {"a%2Fb", "a%252Fb"},
      {".", "%2E"},
      {" ", "%20"},
      {"\xC3\xA9", "%C3%A9"},
      {"..", "%2E."},
      {std::string(100, 'n'), std::string(100, 'n')}};
  for (const auto& [name, file] : files) {
    const auto made = w.Make("file", json::object(), name);
    w.Deliver(*made, "{}");
    w.loop.Run();
    EXPECT_EQ(w.FileText(file + ".ndjson"), "{}\n") << name;
  }
  // Too long for a file system, and the same up to there.
  for (const char last : {'x', 'y'}) {
    const auto made = w.Make("file", json::object(), std::string(99, '/') + last);
    w.Deliver(*made, "{}");
    w.loop.Run();
  }
  for (const auto& outcome : w.outcomes) {
    EXPECT_EQ(outcome.verdict, deliver::Verdict::kDelivered) << outcome.error;
  }
  const auto entries = std::filesystem::directory_iterator(w.root);
  EXPECT_EQ(std::distance(begin(entries), end(entries)), std::ssize(files) + 2);
}

TEST(RouteMatcher, CompilesShowsAndLoads) {
  const auto matchers =
      MakeRouteMatchers([](std::string_view name) -> std::optional<log::SourceId> {
        return name == "web" ? std::optional<log::SourceId>(4) : std::nullopt;
      });
  const auto compiled =
      matchers->Compile(json{{"events", {"track"}}, {"sources", {"web"}}}, {"hook", "webhook"});
  ASSERT_TRUE(compiled.has_value());
  EXPECT_EQ(json::parse(compiled->fields),
            json::parse(
                R"({"events":["track"],"names":[],"sources":["web"],"include_historical":false,
                    "kind":"event","pattern":null,"filter":""})"));
  const auto matcher = matchers->Load(compiled->stored);
  ASSERT_TRUE(matcher.has_value());
  EXPECT_TRUE((*matcher)->Matches({.source = 4, .type = log::EventType::kTrack}));
  EXPECT_FALSE((*matcher)->Matches({.source = 5, .type = log::EventType::kTrack}));
  EXPECT_EQ(matchers->Compile(json{{"sources", {"shop"}}}, {}).error().field(), "sources[0]");
}

TEST(RouteMatcher, ASourceThatIsGoneStaysInTheRuleThatHadIt) {
  std::map<std::string, log::SourceId, std::less<>> live{{"shop", 4}, {"web", 7}};
  const auto matchers = MakeRouteMatchers(
      [&](std::string_view name) -> std::optional<log::SourceId> {
        const auto found = live.find(name);
        return found == live.end() ? std::nullopt : std::optional(found->second);
      },
      nullptr,
      [](std::string_view name) {
        return name == "shop" ? std::vector<log::SourceId>{4, 9} : std::vector<log::SourceId>{3};
      });
  const auto before = matchers->Compile(json{{"sources", {"web", "shop"}}}, {});
  ASSERT_TRUE(before.has_value());
  live.erase("shop");
  const auto with = [&](std::vector<std::string> sources) {
    return matchers->Compile(json{{"sources", sources}}, {.name = "", .before = &*before});
  };
  const auto after = with({"web", "shop"});
  ASSERT_TRUE(after.has_value()) << after.error().message();
  EXPECT_EQ(after->stored, before->stored) << "4, though 9 had the name later";
  EXPECT_TRUE(with({"shop"}).has_value());
  EXPECT_EQ(with({"shop", "ios"}).error().field(), "sources[1]") << "it is not in the rule yet";
  live["shop"] = 11;
  const auto again = with({"shop"});
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE((*matchers->Load(again->stored))->Matches({.source = 11}));
}

}  // namespace
}  // namespace tributary::destinations
