#include "cli/api.h"

#include <thread>

#include "cli/cli_kit_test.h"
#include "http/server.h"
#include "os/asio_loop.h"

namespace tributary::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ApiAnswer Answer(int status, std::string body) {
  return {.status = status, .headers = {}, .body = std::move(body)};
}

TEST(ApiOptions, CommandLineWinsOverEnvironmentOverDefault) {
  Terminal terminal;
  terminal.server.AnswerWith({Answer(200, R"({"data":[],"next_cursor":null})")});
  terminal.Run({"destinations", "list"});
  EXPECT_EQ(terminal.server.target.url, "http://127.0.0.1:8080");
  EXPECT_EQ(terminal.server.target.token, "");
  terminal.environment = {{"TRIBUTARY_URL", "http://a"}, {"TRIBUTARY_TOKEN", "t"}};
  terminal.Run({"destinations", "list"});
  EXPECT_EQ(terminal.server.target.url, "http://a");
  EXPECT_EQ(terminal.server.target.token, "t");
  terminal.Run({"destinations", "list", "--url", "http://b", "--token", "u"});
  EXPECT_EQ(terminal.server.target.url, "http://b");
  EXPECT_EQ(terminal.server.target.token, "u");
}

TEST(Allowance, IsTheHostOfTheUrlAndNothingWider) {
  EXPECT_EQ(*AllowanceFor("http://127.0.0.1:8080"), "127.0.0.1/32");
  EXPECT_EQ(*AllowanceFor("https://[::1]:8443/x"), "::1/128");
  EXPECT_EQ(*AllowanceFor("http://localhost/"), "localhost");
  EXPECT_EQ(*AllowanceFor("https://tributary.example"), "tributary.example");
}

TEST(Allowance, UrlsThatCannotBeAServerAreRefused) {
  for (const char* url :
       {"", "127.0.0.1:8080", "ftp://a", "http://", "http://:80", "http://u@a/", "http://[::1"}) {
    EXPECT_FALSE(AllowanceFor(url).has_value()) << url;
  }
}

TEST(EncodePathPart, LeavesNothingThatCouldChangeThePath) {
  EXPECT_EQ(EncodePathPart("a/b?c#d e%\xc3\xa9"), "a%2Fb%3Fc%23d%20e%25%C3%A9");
  EXPECT_EQ(EncodePathPart("Az09-_.~"), "Az09-_.~");
  EXPECT_EQ(EncodePathPart("."), "%2E");
  EXPECT_EQ(EncodePathPart(".."), "%2E%2E");
}

TEST(ListAll, FollowsCursorsToTheEnd) {
  FakeServer server;
  server.AnswerWith({Answer(200, R"({"data":[{"name":"a"}],"next_cursor":"x/y"})"),
                     Answer(200, R"({"data":[{"name":"b"}],"next_cursor":null})")});
  const auto api = *server.connect()({});
  EXPECT_THAT(*ListAll(*api, "/l"), ElementsAre(R"({"name":"a"})", R"({"name":"b"})"));
  EXPECT_EQ(server.calls.at(1).path, "/l?limit=1000&cursor=x%2Fy");
}

TEST(ListAll, EndlessListIsGivenUp) {
  FakeServer server;
  server.AnswerWith({Answer(200, R"({"data":[],"next_cursor":"again"})")});
  const auto api = *server.connect()({});
  EXPECT_EQ(ListAll(*api, "/l").error().code(), ErrorCode::kTooLarge);
  EXPECT_EQ(server.calls.size(), kPagesMax);
}

TEST(ListAll, StrangersAnswerIsAnErrorNotACrash) {
  for (const char* body : {"", "[]", "{}", R"({"data":3})", "<html>"}) {
    FakeServer server;
    server.AnswerWith({Answer(200, body)});
    const auto api = *server.connect()({});
    EXPECT_FALSE(ListAll(*api, "/l").has_value()) << body;
  }
}

TEST(MessageOf, PrefersTheServersSentence) {
  EXPECT_EQ(MessageOf(Answer(404, R"({"code":"not_found","message":"no such thing"})")),
            "no such thing (the server answered 404)");
  EXPECT_EQ(MessageOf(Answer(502, "Bad Gateway")), "the server answered 502: Bad Gateway");
  EXPECT_EQ(MessageOf(Answer(500, "")), "the server answered 500");
}

TEST(Destinations, AreListedAsATable) {
  Terminal terminal;
  terminal.server.AnswerWith({Answer(
      200,
      R"({"data":[{"name":"hook","type":"webhook","enabled":true,"status":"active","url":"http://h"},)"
      R"({"name":"f","type":"file","enabled":true,"status":"paused","status_reason":"asked"}],)"
      R"("next_cursor":null})")});
  EXPECT_EQ(terminal.Run({"destinations", "list"}).out,
            "NAME  TYPE     STATUS          URL\n"
            "hook  webhook  active          http://h\n"
            "f     file     paused (asked)  -\n");
  EXPECT_THAT(terminal.Run({"destinations", "list", "--json"}).out,
              HasSubstr("\"name\": \"hook\""));
}

TEST(Destinations, VerbsCallTheirPaths) {
  Terminal terminal;
  const auto last = [&] { return terminal.server.calls.back(); };
  EXPECT_EQ(terminal.Run({"destinations", "pause", "a b"}).out, "paused 'a b'\n");
  EXPECT_EQ(last().method + last().path, "POST/api/v1/destinations/a%20b/pause");
  terminal.Run({"destinations", "resume", "x"});
  EXPECT_EQ(last().method + last().path, "POST/api/v1/destinations/x/resume");
  terminal.Run({"destinations", "get", "x"});
  EXPECT_EQ(last().method + last().path, "GET/api/v1/destinations/x");
  terminal.server.AnswerWith({Answer(204, "")});
  EXPECT_EQ(terminal.Run({"destinations", "delete", "x"}).out, "deleted 'x'\n");
  EXPECT_EQ(last().method + last().path, "DELETE/api/v1/destinations/x");
}

TEST(Destinations, AddReadsStandardInputAndSendsItAsItIs) {
  Terminal terminal;
  terminal.input = R"({"name":"n","rate_limit":1.50})";
  terminal.server.AnswerWith({Answer(201, R"({"name":"n"})")});
  EXPECT_EQ(terminal.Run({"destinations", "add", "-"}).out, "made 'n'\n");
  EXPECT_EQ(terminal.server.calls.at(0).body, terminal.input);
}

TEST(Destinations, RefusalIsPrintedAndFails) {
  Terminal terminal;
  terminal.server.AnswerWith({Answer(404, R"({"message":"there is no \u001b[1m"})")});
  const Ran ran = terminal.Run({"destinations", "get", "x"});
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_EQ(ran.err, "tributary: there is no \\x1b[1m (the server answered 404)\n");
}

TEST(Destinations, StatsAreOnePerLine) {
  Terminal terminal;
  terminal.server.AnswerWith({Answer(200, R"({"delivered":3,"breaker":"closed"})")});
  EXPECT_EQ(terminal.Run({"destinations", "stats", "x"}).out,
            "delivered       3\nbreaker         closed\n");
}

TEST(Events, GetShowsWhatBecameOfIt) {
  Terminal terminal;
  terminal.server.AnswerWith({Answer(
      200,
      R"({"message_id":"m1","source":"demo","received_at":"T","offset":4,)"
      R"("event":{"type":"track","event":"Paid"},"deliveries":[{"destination":"hook",)"
      R"("state":"retrying","attempts_total":2,"attempts":[{"at":"1","status":500,"error":null},)"
      R"({"at":"2","status":0,"error":"ECONNRESET"}],"next_attempt_at":"N"}]})")});
  const Ran ran = terminal.Run({"events", "get", "m1", "--source", "demo"});
  EXPECT_EQ(terminal.server.calls.at(0).path, "/api/v1/events/m1?source=demo");
  EXPECT_EQ(ran.out,
            "m1  track \"Paid\"\n"
            "received T by source demo, offset 4\n"
            "DESTINATION  STATE     ATTEMPTS  LAST        NEXT ATTEMPT  REASON\n"
            "hook         retrying  2         ECONNRESET  N             -\n");
}

// The real client against the real server, on threads of their own.
class Echo final : public http::Handler {
 public:
  std::size_t BodyBytesMax(const http::Request&) override { return 1024; }
  void Handle(const http::Request& request, http::Responder responder) override {
    responder.Send(http::Response::Text(
        200, std::string(request.method_text) + " " + std::string(request.path) + " " +
                 std::string(request.header("Authorization")) + " " + std::string(request.body)));
  }
};

TEST(ConnectOverHttp, CallsAServerOnLoopbackAlthoughThatIsPrivate) {
  os::AsioLoop loop;
  Echo echo;
  auto server = http::Listen(loop, "127.0.0.1", 0, http::PortUse::kAlone, {}, echo);
  ASSERT_TRUE(server.has_value());
  std::thread thread([&] { loop.Run(); });
  const std::string url = "http://127.0.0.1:" + std::to_string((*server)->port()) + "/";
  const auto api = ConnectOverHttp({.url = url, .token = "secret"});
  ASSERT_TRUE(api.has_value());
  for (int i = 0; i < 2; ++i) {
    const auto answer = (*api)->Call({.method = "POST", .path = "/p", .body = "{}"});
    EXPECT_EQ(answer.value_or(ApiAnswer()).body, "POST /p Bearer secret {}");
  }
  loop.Stop();
  thread.join();
}

TEST(ConnectOverHttp, NobodyThereIsSaidWithAHint) {
  const auto api = ConnectOverHttp({.url = "http://127.0.0.1:1", .token = ""});
  const auto answer = (*api)->Call({.path = "/"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(answer.error().message(), HasSubstr("--url"));
}

TEST(ConnectOverHttp, TokenThatWouldBreakTheHeaderIsRefused) {
  EXPECT_FALSE(ConnectOverHttp({.url = "http://a", .token = "a\r\nX: y"}).has_value());
}

}  // namespace
}  // namespace tributary::cli
