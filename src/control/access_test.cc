#include "control/access.h"

#include "control/control_kit_test.h"

namespace tributary::control {
namespace {

using http::Scope;

const std::vector<AccessToken> kTokens = {{.token = "t-read", .read = true},
                                          {.token = "t-write", .write = true},
                                          {.token = "t-admin", .admin = true},
                                          {.token = "t-none"}};

bool IsRefusal(int status) {
  return status == 401 || status == 403;
}

// A real path for a pattern.
std::string Filled(std::string pattern) {
  for (std::size_t open = pattern.find('{'); open != std::string::npos; open = pattern.find('{')) {
    pattern.replace(open, pattern.find('}') - open + 1, "x");
  }
  return pattern;
}

Call CallOf(const http::Route& route) {
  Call call{.method = route.method, .target = Filled(route.pattern)};
  if (route.method != http::Method::kGet && route.method != http::Method::kDelete) call.body = "{}";
  return call;
}

// The one list of who may do what; a route that is missing here fails the test.
const std::map<std::string, Scope> kTable = {
    {"GET /healthz", Scope::kOpen},
    {"GET /readyz", Scope::kOpen},
    {"GET /metrics", Scope::kRead},
    {"GET /api/v1/openapi.json", Scope::kRead},
    {"GET /api/v1/destinations", Scope::kRead},
    {"POST /api/v1/destinations", Scope::kWrite},
    {"GET /api/v1/destinations/{name}", Scope::kRead},
    {"PUT /api/v1/destinations/{name}", Scope::kWrite},
    {"PATCH /api/v1/destinations/{name}", Scope::kWrite},
    {"DELETE /api/v1/destinations/{name}", Scope::kWrite},
    {"POST /api/v1/destinations/{name}/pause", Scope::kWrite},
    {"POST /api/v1/destinations/{name}/resume", Scope::kWrite},
    {"POST /api/v1/destinations/{name}/rotate-secret", Scope::kWrite},
    {"POST /api/v1/destinations/{name}/test", Scope::kWrite},
    {"POST /api/v1/destinations/{name}/dry-run", Scope::kRead},
    {"GET /api/v1/destinations/{name}/stats", Scope::kRead},
    {"GET /api/v1/audit-log", Scope::kAdmin},
    {"GET /api/v1/destinations/{name}/revisions", Scope::kRead},
    {"GET /api/v1/destinations/{name}/revisions/{revision}", Scope::kRead},
    {"POST /api/v1/destinations/{name}/revert", Scope::kWrite},
    {"GET /api/v1/sources", Scope::kRead},
    {"POST /api/v1/sources", Scope::kWrite},
    {"GET /api/v1/sources/{name}", Scope::kRead},
    {"GET /api/v1/events", Scope::kRead},
    {"GET /api/v1/events/tail", Scope::kRead},
    {"PUT /api/v1/sources/{name}", Scope::kWrite},
    {"PATCH /api/v1/sources/{name}", Scope::kWrite},
    {"DELETE /api/v1/sources/{name}", Scope::kWrite},
    {"GET /api/v1/sources/{name}/write-keys", Scope::kRead},
    {"POST /api/v1/sources/{name}/write-keys", Scope::kWrite},
    {"POST /api/v1/sources/{name}/write-keys/rotate", Scope::kWrite},
    {"DELETE /api/v1/sources/{name}/write-keys/{id}", Scope::kWrite},
    {"POST /api/v1/sources/{name}/write-keys/{id}/disable", Scope::kWrite},
    {"POST /api/v1/sources/{name}/write-keys/{id}/enable", Scope::kWrite},
    {"GET /api/v1/events/{message_id}", Scope::kRead},
    {"GET /api/v1/replays", Scope::kRead},
    {"POST /api/v1/replays", Scope::kWrite},
    {"GET /api/v1/replays/{id}", Scope::kRead},
    {"DELETE /api/v1/replays/{id}", Scope::kWrite},
    {"POST /api/v1/replays/{id}/pause", Scope::kWrite},
    {"POST /api/v1/replays/{id}/resume", Scope::kWrite},
    {"POST /api/v1/replays/{id}/cancel", Scope::kWrite},
    {"GET /api/v1/deliveries", Scope::kRead},
    {"GET /api/v1/deliveries/{id}", Scope::kRead},
    {"GET /api/v1/audit", Scope::kRead},
    {"GET /api/v1/dead-letters", Scope::kRead},
    {"GET /api/v1/dead-letters/{id}", Scope::kRead},
    {"DELETE /api/v1/dead-letters/{id}", Scope::kWrite},
    {"POST /api/v1/dead-letters/redrive", Scope::kWrite},
    {"POST /api/v1/dead-letters/delete", Scope::kWrite},
    {"GET /api/v1/dead-letters/redrives/{id}", Scope::kRead},
    {"GET /api/v1/dead-letters/deletions/{id}", Scope::kRead},
    {"POST /destinations", Scope::kWrite},
    {"GET /responses/{messageId}", Scope::kRead},
    {"POST /api/v1/reload", Scope::kAdmin},
    {"POST /api/v1/plan", Scope::kAdmin},
    {"GET /api/v1/backups", Scope::kAdmin},
    {"POST /api/v1/backups", Scope::kAdmin},
    {"GET /api/v1/backups/{id}", Scope::kAdmin},
};

TEST(Access, EveryRouteIsInTheTableAndTheTableHasNoOther) {
  ControlKit kit;
  std::map<std::string, Scope> found;
  for (const http::Route& route : kit.router.routes()) {
    found[std::string(http::MethodName(route.method)) + " " + route.pattern] = route.scope;
  }
  EXPECT_EQ(found, kTable);
}

TEST(Access, WithTokensEveryUnlistedPairIsRefused) {
  struct Who {
    std::string authorization;
    Scope reach;
  };
  const std::vector<Who> people = {{"", Scope::kOpen},
                                   {"Bearer wrong", Scope::kOpen},
                                   {"Bearer ", Scope::kOpen},
                                   {"Basic dC1hZG1pbjo=", Scope::kOpen},
                                   {"t-admin", Scope::kOpen},
                                   {"Bearer t-admin2", Scope::kOpen},
                                   {"Bearer t-admi", Scope::kOpen},
                                   {"Bearer t-none", Scope::kOpen},
                                   {"Bearer t-read", Scope::kRead},
                                   {"bearer t-write", Scope::kWrite},
                                   {"Bearer t-admin", Scope::kAdmin}};
  ControlKit kit(kTokens);
  int pairs = 0;
  for (const http::Route& route : kit.router.routes()) {
    for (const Who& who : people) {
      Call call = CallOf(route);
      if (!who.authorization.empty()) call.headers = {{"Authorization", who.authorization}};
      const std::size_t calls = kit.engine.calls.size();
      const std::size_t others = kit.backups.calls.size() + kit.configuration.calls.size();
      const std::string before = kit.store.Dump();
      const int status = kit.Ask(call).status;
      const bool allowed = who.reach >= route.scope;
      EXPECT_EQ(!IsRefusal(status), allowed) << route.pattern << " by " << who.authorization;
      if (!allowed) {
        EXPECT_EQ(kit.engine.calls.size(), calls) << "changed by a refused call";
        EXPECT_EQ(kit.backups.calls.size() + kit.configuration.calls.size(), others);
        EXPECT_EQ(kit.store.Dump(), before) << "changed by a refused call";
      }
      ++pairs;
    }
  }
  EXPECT_EQ(pairs, static_cast<int>(kTable.size() * people.size()));
}

TEST(Access, WithTokensTheAnswerSaysWhatIsMissing) {
  ControlKit kit(kTokens);
  const http::Response none = kit.Get("/api/v1/sources");
  EXPECT_EQ(none.status, 401);
  EXPECT_TRUE(std::ranges::count(none.headers, http::Header{"WWW-Authenticate", "Bearer"}));
  const http::Response low = kit.Ask({.method = http::Method::kPost,
                                      .target = "/api/v1/destinations",
                                      .body = "{}",
                                      .headers = {{"Authorization", "Bearer t-read"}}});
  EXPECT_EQ(low.status, 403);
  EXPECT_THAT(low.body, testing::HasSubstr("scope 'write'"));
}

TEST(Access, WithoutTokensWhatActsForOthersIsRefusedOnEveryRoute) {
  const std::vector<std::vector<std::pair<std::string, std::string>>> hostile = {
      {{"Host", "evil.example"}},
      {{"Host", "evil.example:8080"}},
      {{"Host", "localhost.evil.example"}},
      {{"Host", "127.0.0.1.nip.io:8080"}},
      {{"Host", "127.0.0.1@evil.example"}},
      {{"Host", "127.0.0"}},
      {{"Host", "127.0.0.1.1"}},
      {{"Host", "127.0.0.0x1"}},
      {{"Host", "0.0.0.0:8080"}},
      {{"Host", "[::2]:8080"}},
      {{"Host", "localhost:80:80x"}},
      {{"Host", ""}},
      {{"Origin", "https://evil.example"}},
      {{"Origin", "http://localhost:3000"}},
      {{"Origin", "https://localhost:8080"}},
      {{"Origin", "http://localhost:8080.evil.example"}},
      {{"Origin", "null"}},
      {{"Origin", ""}},
      {{"Sec-Fetch-Site", "cross-site"}},
      {{"sec-fetch-site", "same-site"}},
      {{"Forwarded", "for=1.2.3.4"}},
      {{"X-Forwarded-For", "1.2.3.4"}},
      {{"x-forwarded-host", "a"}},
      {{"X-FORWARDED-PROTO", "https"}},
      {{"X-Real-IP", "1.2.3.4"}},
      {{"Via", "1.1 proxy"}},
  };
  ControlKit kit;
  for (const http::Route& route : kit.router.routes()) {
    if (route.scope == Scope::kOpen) continue;
    for (const auto& headers : hostile) {
      Call call = CallOf(route);
      call.headers = headers;
      EXPECT_EQ(kit.Ask(call).status, 403)
          << route.pattern << " " << headers[0].first << ": " << headers[0].second;
    }
    Call call = CallOf(route);
    call.peer = "192.168.1.7";
    EXPECT_EQ(kit.Ask(call).status, 403) << route.pattern << " from another machine";
  }
  EXPECT_TRUE(kit.engine.calls.empty());
}

TEST(Access, WithoutTokensThisMachineMay) {
  const std::vector<std::vector<std::pair<std::string, std::string>>> friendly = {
      {},
      {{"Host", "localhost"}},
      {{"Host", "LOCALHOST:8080"}},
      {{"Host", "127.0.0.1:9"}},
      {{"Host", "127.255.1.1"}},
      {{"Host", "[::1]:8080"}},
      {{"Host", "[::1]"}},
      {{"Origin", "http://localhost:8080"}},
      {{"Sec-Fetch-Site", "same-origin"}},
      {{"Sec-Fetch-Site", "none"}},
      {{"Authorization", "Bearer whatever"}},
  };
  ControlKit kit;
  for (const http::Route& route : kit.router.routes()) {
    for (const auto& headers : friendly) {
      Call call = CallOf(route);
      call.headers = headers;
      const int status = kit.Ask(call).status;
      EXPECT_FALSE(IsRefusal(status)) << route.pattern << " " << status;
    }
  }
}

TEST(Access, WithoutTokensABodyThatIsNotJsonIsRefused) {
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                           "", "application/json-seq", "text/plain; application/json"}) {
    ControlKit kit;
    for (const http::Route& route : kit.router.routes()) {
      if (route.scope == Scope::kOpen) continue;
      Call call = CallOf(route);
      call.body = "{}";
      call.headers = {{"Content-Type", type}};
      EXPECT_EQ(kit.Ask(call).status, 415) << route.pattern << " " << type;
    }
    EXPECT_TRUE(kit.engine.calls.empty());
  }
  ControlKit kit;
  for (const char* type : {"application/json", "Application/JSON ; charset=utf-8"}) {
    EXPECT_EQ(kit.Ask({.method = http::Method::kPost,
                       .target = "/api/v1/destinations",
                       .body = "{}",
                       .headers = {{"Content-Type", type}}})
                  .status,
              201);
  }
}

TEST(Access, RefusalsOnTheSeedsPathsHaveTheSeedsForm) {
  ControlKit locked(kTokens);
  const http::Response none = locked.Get("/responses/x");
  EXPECT_EQ(none.status, 401);
  EXPECT_TRUE(none.body.starts_with(R"({"error":")")) << none.body;
  EXPECT_TRUE(std::ranges::count(none.headers, http::Header{"WWW-Authenticate", "Bearer"}));
  ControlKit open;
  const auto post = [&](std::vector<std::pair<std::string, std::string>> headers) {
    return open.Ask({.method = http::Method::kPost,
                     .target = "/destinations",
                     .body = "{}",
                     .headers = std::move(headers)});
  };
  EXPECT_TRUE(post({{"Host", "evil"}}).body.starts_with(R"({"error":")"));
  EXPECT_TRUE(post({{"Content-Type", "text/plain"}}).body.starts_with(R"({"error":")"));
  EXPECT_TRUE(open.Ask({.target = "/api/v1/sources", .headers = {{"Host", "evil"}}})
                  .body.starts_with(R"({"success":false)"));
}

TEST(Access, HealthIsForWhoeverAsks) {
  ControlKit kit(kTokens);
  EXPECT_EQ(
      kit.Ask({.target = "/healthz", .headers = {{"Host", "evil"}}, .peer = "8.8.8.8"}).status,
      200);
  EXPECT_EQ(kit.Ask({.target = "/readyz", .headers = {{"Via", "x"}}, .peer = "8.8.8.8"}).status,
            200);
}

TEST(Access, OtherTokensCountFromTheNextRequest) {
  Access access(kTokens);
  const std::string old_token = "Bearer t-admin", new_token = "Bearer t-new";
  http::Request with_old, with_new, with_none;
  with_old.headers = {{"Authorization", old_token}};
  with_new.headers = {{"Authorization", new_token}};
  EXPECT_FALSE(access.Judge(Scope::kAdmin, with_old));
  access.Change({{.token = "t-new", .admin = true}});
  EXPECT_EQ(access.Judge(Scope::kAdmin, with_old)->status, 401);
  EXPECT_FALSE(access.Judge(Scope::kAdmin, with_new));
  EXPECT_EQ(access.Judge(Scope::kRead, with_none)->status, 401);
}

}  // namespace
}  // namespace tributary::control
