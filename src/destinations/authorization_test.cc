// How requests are authorized, what is refused, and how access tokens live.
#include "destinations/destination_kit_test.h"

namespace tributary::destinations {
namespace {

using nlohmann::json;
using test::FieldOf;
using test::World;

constexpr const char* kUrl = "https://a.example/in";
const json kClient = {{"type", "oauth2"},
                      {"token_url", "https://id.example/token"},
                      {"client_id", "me & you"},
                      {"client_secret", "s=cret"},
                      {"scope", "events:write"}};

json With(const json& auth) {
  return {{"url", kUrl}, {"auth", auth}};
}
Status Check(const json& options) {
  World w;
  const http::EgressGuard guard = http::EgressGuard::Make({}).value();
  return w.Check("webhook", options, &guard);
}
std::string HeaderOf(const json& auth, const std::string& name) {
  World w;
  const auto hook = w.Make("webhook", With(auth));
  w.Deliver(*hook, "{}");
  return w.Header(0, name);
}

TEST(Authorization, HeadersThatNeverChange) {
  EXPECT_EQ(HeaderOf({{"type", "bearer"}, {"token", "t0k.en"}}, "Authorization"), "Bearer t0k.en");
  EXPECT_EQ(HeaderOf({{"type", "basic"}, {"username", "Aladdin"}, {"password", "open sesame"}},
                     "Authorization"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(HeaderOf({{"type", "basic"}, {"username", "u"}}, "Authorization"), "Basic dTo=");
  EXPECT_EQ(HeaderOf({{"type", "api_key"}, {"header", "X-Api-Key"}, {"value", "k"}}, "X-Api-Key"),
            "k");
  EXPECT_EQ(HeaderOf({{"type", "none"}}, "Authorization"), "(none)");
}

TEST(Authorization, BadOptionsAreNamed) {
  const auto field = [](const json& auth) { return FieldOf(Check(With(auth))); };
  EXPECT_EQ(field({{"type", "kerberos"}}), "auth.type");
  EXPECT_EQ(field({{"type", "bearer"}}), "auth.token");
  EXPECT_EQ(field({{"type", "bearer"}, {"token", "two words"}}), "auth.token");
  EXPECT_EQ(field({{"type", "bearer"}, {"token", std::string(8193, 'a')}}), "auth.token");
  EXPECT_EQ(field({{"type", "bearer"}, {"token", std::string(8192, 'a')}}), "accepted");
  EXPECT_EQ(field({{"type", "basic"}, {"password", "p"}}), "auth.username");
  EXPECT_EQ(field({{"type", "basic"}, {"username", "a:b"}}), "auth.username");
  EXPECT_EQ(field({{"type", "basic"}, {"username", "u"}, {"token", "t"}}), "auth.token");
  EXPECT_EQ(field({{"token", "t"}}), "auth.token");
  EXPECT_EQ(field({{"type", "api_key"}, {"header", "X-A"}}), "auth.value");
  EXPECT_EQ(field({{"type", "api_key"}, {"header", "Host"}, {"value", "v"}}), "auth.header");
  EXPECT_EQ(field({{"type", "api_key"}, {"header", "no name"}, {"value", "v"}}), "auth.header");
  EXPECT_EQ(field({{"type", "api_key"}, {"header", "X-A"}, {"value", "a\r\nb"}}), "auth.header");
  for (const char* part : {"token_url", "client_id", "client_secret"}) {
    json auth = kClient;
    auth.erase(part);
    EXPECT_EQ(field(auth), std::string("auth.") + part);
  }
  EXPECT_EQ(field(kClient), "accepted");
}

TEST(Authorization, TheTokenUrlPassesTheEgressGuard) {
  json auth = kClient;
  auth["token_url"] = "http://169.254.169.254/token";
  const Status status = Check(With(auth));
  EXPECT_EQ(FieldOf(status), "auth.token_url");
  EXPECT_EQ(status.error().code(), ErrorCode::kDenied);
}

TEST(Authorization, ASecondWayToSayItIsRefused) {
  json options = With({{"type", "basic"}, {"username", "u"}});
  options["headers"] = {{"authorization", "Bearer x"}};
  EXPECT_EQ(FieldOf(Check(options)), "headers.authorization");
  options = With({{"type", "api_key"}, {"header", "X-Key"}, {"value", "v"}});
  options["headers"] = {{"x-key", "v"}};
  EXPECT_EQ(FieldOf(Check(options)), "headers.x-key");
}

TEST(Authorization, SecretsAreShownAsStarsAndStarsKeepThem) {
  World w;
  auto options = w.Read("webhook", With(kClient)).value();
  const auto& specs = deliver::FindType("webhook")->specs();
  const json shown = config::WriteObject(specs, options.get(), true);
  EXPECT_EQ(shown["auth"]["client_secret"], "***");
  EXPECT_EQ(shown.dump().find("s=cret"), std::string::npos);
  ASSERT_TRUE(config::ReadObject(specs, shown, options.get()).has_value());
  EXPECT_EQ(config::WriteObject(specs, options.get(), false)["auth"]["client_secret"], "s=cret");
}

TEST(Tls, BadPemIsRefusedByName) {
  const auto field = [](const json& tls) { return FieldOf(Check({{"url", kUrl}, {"tls", tls}})); };
  EXPECT_EQ(field({{"ca", "no pem"}}), "tls.ca");
  EXPECT_EQ(field({{"client_key", "k"}}), "tls.client_certificate");
  EXPECT_EQ(field({{"client_certificate", "c"}}), "tls.client_key");
  EXPECT_EQ(field({{"client_certificate", "c"}, {"client_key", "k"}}), "tls.client_certificate");
  EXPECT_EQ(field(json::object()), "accepted");
}

// ---- Access tokens ----

struct Tokens : World {
  explicit Tokens(const json& auth = kClient) : hook(Make("webhook", With(auth))) {}
  // Answers the newest request of the token endpoint.
  void Grant(const json& answer, int status = 200) {
    client.Answer(NewestTo("https://id.example/token"), {.status = status, .body = answer.dump()});
  }
  http::Client::Id NewestTo(const std::string& url) {
    for (std::size_t i = client.requests.size(); i > 0; --i) {
      if (client.requests[i - 1].url == url && client.dones.contains(i)) return i;
    }
    ADD_FAILURE() << "nothing asked of " << url;
    return 0;
  }
  std::size_t Asked(const std::string& url) const {
    return static_cast<std::size_t>(
        std::ranges::count(client.requests, url, &http::ClientRequest::url));
  }
  std::size_t fetches() const { return Asked("https://id.example/token"); }
  std::size_t sent() const { return Asked(kUrl); }
  std::shared_ptr<deliver::Destination> hook;
};
json Token(const char* text, int expires_in = 3600) {
  return {{"access_token", text}, {"token_type", "Bearer"}, {"expires_in", expires_in}};
}

TEST(AccessToken, IsFetchedOnceForAllWhoWait) {
  Tokens t;
  t.Deliver(*t.hook, "1");
  t.Deliver(*t.hook, "2");
  ASSERT_EQ(t.client.requests.size(), 1U);
  EXPECT_EQ(*t.client.requests[0].body,
            "grant_type=client_credentials&scope=events%3Awrite&client_id=me%20%26%20you"
            "&client_secret=s%3Dcret");
  EXPECT_EQ(t.Header(0, "Content-Type"), "application/x-www-form-urlencoded");
  t.Grant(Token("abc"));
  ASSERT_EQ(t.client.requests.size(), 3U);
  EXPECT_EQ(t.Header(1, "Authorization"), "Bearer abc");
  EXPECT_EQ(t.Header(2, "Authorization"), "Bearer abc");
  t.Deliver(*t.hook, "3");
  EXPECT_EQ(t.fetches(), 1U);
}

TEST(AccessToken, InBasicStyleTheSecretIsInNoBody) {
  json auth = kClient;
  auth["style"] = "basic";
  auth["audience"] = "https://api";
  Tokens t(auth);
  t.Deliver(*t.hook, "1");
  EXPECT_EQ(t.Header(0, "Authorization"), "Basic bWUlMjAlMjYlMjB5b3U6cyUzRGNyZXQ=");
  EXPECT_EQ(*t.client.requests[0].body,
            "grant_type=client_credentials&scope=events%3Awrite&audience=https%3A%2F%2Fapi");
}

TEST(AccessToken, IsRenewedBeforeItsEndWhileTheOldOneServes) {
  Tokens t;
  t.Deliver(*t.hook, "1");
  t.Grant(Token("old", 100));
  t.loop.Advance(79 * kNanosPerSecond);
  t.Deliver(*t.hook, "2");
  EXPECT_EQ(t.fetches(), 1U);
  t.loop.Advance(2 * kNanosPerSecond);
  t.Deliver(*t.hook, "3");  // not held up
  t.Deliver(*t.hook, "4");
  EXPECT_EQ(t.sent(), 4U);
  EXPECT_EQ(t.fetches(), 2U);
  t.Grant(Token("new"));
  t.Deliver(*t.hook, "5");
  EXPECT_EQ(t.Header(t.client.requests.size() - 1, "Authorization"), "Bearer new");
  EXPECT_EQ(t.Header(t.client.requests.size() - 2, "Authorization"), "Bearer old");
}

TEST(AccessToken, AnUnauthorizedAnswerRenewsItOnceAndRepeatsTheRequest) {
  Tokens t;
  t.Deliver(*t.hook, "1");
  t.Grant(Token("bad"));
  t.client.Answer(t.NewestTo(kUrl), 401);
  EXPECT_TRUE(t.outcomes.empty());
  t.Grant(Token("good"));
  EXPECT_EQ(t.Header(t.client.requests.size() - 1, "Authorization"), "Bearer good");
  EXPECT_EQ(t.Header(t.client.requests.size() - 1, "webhook-id"), t.Header(1, "webhook-id"));
  t.client.Answer(t.NewestTo(kUrl), 401);  // again: now it counts
  ASSERT_EQ(t.outcomes.size(), 1U);
  EXPECT_EQ(t.outcomes[0].verdict, deliver::Verdict::kReject);
  EXPECT_EQ(t.outcomes[0].status, 401);
  EXPECT_EQ(t.fetches(), 2U);
}

TEST(AccessToken, AFailedFetchIsARetryWithTheReasonAndNoSecret) {
  Tokens t;
  t.Deliver(*t.hook, "1");
  t.Grant({{"error", "invalid_client"}, {"error_description", "s=cret is wrong"}}, 401);
  ASSERT_EQ(t.outcomes.size(), 1U);
  EXPECT_EQ(t.outcomes[0].verdict, deliver::Verdict::kRetry);
  EXPECT_EQ(t.outcomes[0].error, "oauth2: the token endpoint answered HTTP 401 (invalid_client)");
  // For a second nobody asks again; the answer still never comes from inside the call.
  t.Deliver(*t.hook, "2");
  EXPECT_EQ(t.outcomes.size(), 1U);
  t.loop.Run();
  EXPECT_EQ(t.outcomes.size(), 2U);
  EXPECT_EQ(t.fetches(), 1U);
  t.loop.Advance(kNanosPerSecond);
  t.Deliver(*t.hook, "3");
  EXPECT_EQ(t.fetches(), 2U);
  EXPECT_EQ(t.sent(), 0U);
}

TEST(AccessToken, AnswersThatAreNoTokenAreRetries) {
  for (const json& answer : {json::object(), json::array(), json("x"), json{{"access_token", 5}},
                             json{{"access_token", ""}}, json{{"access_token", "a\r\nb"}},
                             json{{"access_token", std::string(16 * 1024 + 1, 'a')}},
                             json{{"access_token", "a"}, {"token_type", "mac"}}}) {
    Tokens t;
    t.Deliver(*t.hook, "1");
    t.Grant(answer);
    ASSERT_EQ(t.outcomes.size(), 1U) << answer;
    EXPECT_EQ(t.outcomes[0].verdict, deliver::Verdict::kRetry);
    EXPECT_TRUE(t.outcomes[0].error.starts_with("oauth2: the token endpoint gave")) << answer;
  }
}

TEST(AccessToken, AbsurdLivesAreBounded) {
  const auto lives = [](const json& expires_in, MonoNanos after) {
    Tokens t;
    t.Deliver(*t.hook, "1");
    t.Grant({{"access_token", "a"}, {"expires_in", expires_in}});
    t.loop.Advance(after);
    t.Deliver(*t.hook, "2");
    EXPECT_EQ(t.outcomes.size(), 0U);
    return t.fetches() == 1;
  };
  EXPECT_FALSE(lives(-5, 0));
  EXPECT_FALSE(lives(0, 0));
  EXPECT_TRUE(lives("100", 79 * kNanosPerSecond));
  EXPECT_FALSE(lives("100", 81 * kNanosPerSecond));
  EXPECT_TRUE(lives(nullptr, 3500 * kNanosPerSecond));
  EXPECT_FALSE(lives(1e300, 86'400 * kNanosPerSecond));
}

TEST(AccessToken, WaitingForItIsPartOfTheTimeout) {
  Tokens t;
  t.Deliver(*t.hook, "1");
  t.loop.Advance(kNanosPerSecond);
  t.Grant(Token("a"));
  EXPECT_EQ(t.client.requests.back().timeout_ns, 2 * kNanosPerSecond);
}

TEST(AccessToken, DestroyedWhileFetchingCancelsAndAnswersNobody) {
  Tokens t;
  t.Deliver(*t.hook, "1");
  t.hook.reset();
  EXPECT_EQ(t.client.canceled, 1U);
  EXPECT_TRUE(t.outcomes.empty());
}

}  // namespace
}  // namespace tributary::destinations
