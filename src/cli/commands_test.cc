// The commands over the API: which call each makes, and what it prints.
#include "cli/assignments.h"
#include "cli/cli_kit_test.h"
#include "cli/event_stream.h"
#include "cli/plan_text.h"
#include "cli/progress_bar.h"
#include "support/temp_dir.h"

namespace tributary::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ApiAnswer Json(std::string body, int status = 200) {
  return {.status = status, .headers = {}, .body = std::move(body)};
}

class Commands : public ::testing::Test {
 protected:
  // "METHOD PATH BODY" of the last call.
  std::string Called(std::vector<std::string> arguments) {
    terminal.Run(std::move(arguments));
    if (terminal.server.calls.empty()) return "nothing";
    const ApiCall& call = terminal.server.calls.back();
    return call.method + " " + call.path + (call.body.empty() ? "" : " " + call.body);
  }
  Terminal terminal;
};

TEST_F(Commands, EveryVerbHasItsCall) {
  const std::string d = "/api/v1/destinations", s = "/api/v1/sources";
  EXPECT_EQ(Called({"destinations", "show", "a/b"}), "GET " + d + "/a%2Fb");
  EXPECT_EQ(
      Called({"destinations", "set", "x", "concurrency=3", "retry.schedule=[\"0s\"]", "url=u"}),
      "PATCH " + d + R"(/x {"concurrency":3,"retry":{"schedule":["0s"]},"url":"u"})");
  EXPECT_EQ(Called({"destinations", "test", "x"}), "POST " + d + "/x/test");
  EXPECT_EQ(Called({"destinations", "dry-run", "x"}), "POST " + d + "/x/dry-run");
  EXPECT_EQ(Called({"destinations", "dry-run", "x", "--message-id", "m"}),
            "POST " + d + R"(/x/dry-run {"message_id":"m"})");
  EXPECT_EQ(Called({"destinations", "revert", "x", "--to", "3"}),
            "POST " + d + R"(/x/revert {"revision":3})");
  EXPECT_EQ(Called({"sources", "create", "web", "--set", "browser=true"}),
            "POST " + s + R"( {"browser":true,"name":"web"})");
  EXPECT_EQ(Called({"sources", "delete", "web"}), "DELETE " + s + "/web");
  EXPECT_EQ(Called({"sources", "keys", "create", "web", "--scope", "track"}),
            "POST " + s + R"(/web/write-keys {"scopes":["track"]})");
  EXPECT_EQ(Called({"sources", "keys", "rotate", "web", "--overlap", "1h"}),
            "POST " + s + R"(/web/write-keys/rotate {"overlap":"1h"})");
  EXPECT_EQ(Called({"sources", "keys", "disable", "web", "k1"}),
            "POST " + s + "/web/write-keys/k1/disable");
  EXPECT_EQ(Called({"dead-letters", "show", "dlv_1"}), "GET /api/v1/dead-letters/dlv_1");
  EXPECT_EQ(Called({"dead-letters", "redrive", "--id", "a", "--id", "b"}),
            R"(POST /api/v1/dead-letters/redrive {"ids":["a","b"]})");
  EXPECT_EQ(Called({"dead-letters", "delete", "--all"}), "POST /api/v1/dead-letters/delete {}");
  EXPECT_EQ(Called({"replays", "create", "d", "--from", "2h", "--rate", "5"}),
            R"(POST /api/v1/replays {"destination":"d","from":"2h","rate":5})");
  EXPECT_EQ(Called({"replays", "cancel", "r"}), "POST /api/v1/replays/r/cancel");
  EXPECT_EQ(Called({"reload"}), "POST /api/v1/reload");
  EXPECT_EQ(Called({"plan"}), "POST /api/v1/plan");
}

TEST_F(Commands, FiltersBecomeQueryParametersAndLimitsHold) {
  terminal.server.AnswerWith({Json(R"({"data":[{"a":1},{"a":2}],"next_cursor":"c"})")});
  EXPECT_EQ(
      Called({"deliveries", "list", "--state", "retrying", "--destination", "a b", "--limit", "2"}),
      "GET /api/v1/deliveries?destination=a%20b&state=retrying&limit=2");
  EXPECT_EQ(terminal.server.calls.size(), 1u) << "no page past the limit";
  EXPECT_EQ(Called({"events", "list", "--type", "track", "--limit", "1", "--oldest-first"}),
            "GET /api/v1/events?type=track&order=asc&limit=1");
}

TEST_F(Commands, AMoveOfDeadLettersMustSayWhich) {
  for (const char* verb : {"redrive", "delete"}) {
    EXPECT_EQ(terminal.Run({"dead-letters", verb}).code, kExitUsage);
    EXPECT_EQ(terminal.Run({"dead-letters", verb, "--all", "--id", "x"}).code, kExitUsage);
  }
  EXPECT_TRUE(terminal.server.calls.empty());
}

TEST_F(Commands, AWrongCommandLineIsTwoAndCallsNobody) {
  const std::vector<std::vector<std::string>> wrong = {
      {"destinations", "set", "q", "foo"},
      {"destinations", "revert", "q"},
      {"destinations", "test", "q", "--event", "f", "--message-id", "m"},
      {"sources", "create", "web", "--set", "foo"},
      {"replays", "create", "cl"},
      {"replays", "create", "cl", "--from", "2h", "--pattern", "{"}};
  for (const auto& line : wrong) EXPECT_EQ(terminal.Run(line).code, kExitUsage) << line[1];
  EXPECT_TRUE(terminal.server.calls.empty());
}

TEST_F(Commands, ATestOfADestinationFailsUnlessItWasDelivered) {
  for (const std::string verdict : {"delivered", "retry", "rejected", "disabled"}) {
    terminal.server.AnswerWith({Json("{\"verdict\":\"" + verdict + "\"}")});
    const Ran ran = terminal.Run({"destinations", "test", "x"});
    EXPECT_EQ(ran.code, verdict == "delivered" ? kExitFine : kExitFailed) << verdict;
    EXPECT_THAT(ran.out, HasSubstr(verdict)) << "it is shown all the same";
  }
  terminal.server.AnswerWith({Json(R"({"matched":false})")});
  EXPECT_EQ(terminal.Run({"destinations", "dry-run", "x"}).code, kExitFine);
}

TEST_F(Commands, ALongMoveIsWatchedToItsEnd) {
  terminal.server.AnswerWith(
      {Json(R"({"id":"m1","state":"running","done":1,"total":5,"redriven":1})", 202),
       Json(R"({"id":"m1","state":"running","done":3,"total":5,"redriven":3})"),
       Json(R"({"id":"m1","state":"done","done":5,"total":5,"redriven":5})")});
  const Ran ran = terminal.Run({"dead-letters", "redrive", "--all"});
  EXPECT_EQ(ran.out, "redriven 5\n");
  EXPECT_EQ(terminal.server.calls.back().path, "/api/v1/dead-letters/redrives/m1");
  EXPECT_EQ(ran.err, "") << "no bar where nobody watches";
}

TEST_F(Commands, AReplayIsWatchedUntilItHasFinished) {
  terminal.server.AnswerWith(
      {Json(R"({"id":"r1","state":"running","scanned":0,"total":4,"finished_at":null})", 201),
       Json(R"({"id":"r1","state":"running","scanned":2,"total":4,"finished_at":null})"),
       Json(R"({"id":"r1","state":"done","scanned":4,"total":4,"delivered":3,"filtered":1,)"
            R"("dead_lettered":0,"dropped":0,"finished_at":"T"})")});
  terminal.err_is_terminal = true;
  const Ran ran = terminal.Run({"replays", "create", "d", "--from", "earliest", "--watch"});
  EXPECT_EQ(ran.out, "done: 3 delivered, 1 filtered, 0 dead-lettered, 0 dropped\n");
  EXPECT_THAT(ran.err, HasSubstr("50 %  2 of 4"));
  EXPECT_EQ(ran.code, kExitFine);
}

TEST_F(Commands, TailPrintsWhatComesAndEndsAtItsCount) {
  terminal.server.AnswerWith({Json(
      "retry: 2000\n\nid: 0-1\nevent: event\ndata: {\"message_id\":\"m1\",\"source\":\"s\","
      "\"type\":\"track\",\"name\":\"A\\u001b\",\"key\":\"k\",\"received_at\":\"T\"}\n\n"
      ":\n\nevent: skipped\ndata: {\"count\":7,\"reason\":\"slow\"}\n\n"
      "id: 0-2\ndata: {\"message_id\":\"m2\"}\n\nid: 0-3\ndata: {\"message_id\":\"m3\"}\n\n")});
  const Ran ran = terminal.Run({"events", "tail", "--count", "2", "--source", "s"});
  EXPECT_EQ(ran.code, kExitFine);
  EXPECT_THAT(ran.out, HasSubstr("T  s  track A\\x1b  k  m1\n"));
  EXPECT_THAT(ran.out, HasSubstr("m2"));
  EXPECT_EQ(ran.out.find("m3"), std::string::npos);
  EXPECT_THAT(ran.err, HasSubstr("skipped 7 events: slow"));
  EXPECT_EQ(terminal.server.calls.at(0).path, "/api/v1/events/tail?source=s");
}

TEST_F(Commands, TailGoesOnWhereItWasWhenTheConnectionBreaks) {
  terminal.server.AnswerWith(
      {Json("id: 0-1\ndata: {\"message_id\":\"m1\"}\n\nid: 0-2\ndata: {\"half"),
       Json("id: 0-2\ndata: {\"message_id\":\"m2\"}\n\n")});
  const Ran ran = terminal.Run({"events", "tail", "--count", "2", "--json"});
  EXPECT_EQ(ran.out, "{\"message_id\":\"m1\"}\n{\"message_id\":\"m2\"}\n");
  const ApiCall& again = terminal.server.calls.at(1);
  EXPECT_THAT(again.headers, ElementsAre(http::Header("Last-Event-ID", "0-2")));
}

TEST_F(Commands, APlanSaysWhatWouldChangeAndAnswersTwo) {
  terminal.server.AnswerWith({Json(
      R"({"changes":[{"kind":"destination","name":"a","action":"change","needs_restart":false,)"
      R"("fields":[{"field":"n","before":1,"after":2},)"
      R"({"field":"s","before":"***","after":"***"}]},)"
      R"({"kind":"source","name":"w","action":"pause","needs_restart":false,"fields":[]},)"
      R"({"kind":"setting","name":"listen","action":"change","needs_restart":true,"fields":)"
      R"([{"field":"listen","before":"a","after":"b"}]}],"needs_restart":["listen"]})")});
  terminal.input = "listen: b\n";
  const Ran ran = terminal.Run({"plan", "--config", "-"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out,
            "~ destination \"a\"\n    n  1 -> 2\n    s  changed\n"
            "- source \"w\": no longer declared, is paused\n"
            "~ listen  a -> b (needs a restart)\n");
  EXPECT_EQ(terminal.server.calls.back().body, R"({"file":"-","text":"listen: b\n"})");
  terminal.server.AnswerWith({Json(R"({"changes":[],"needs_restart":[]})")});
  EXPECT_EQ(terminal.Run({"plan"}).code, kExitFine);
  terminal.server.AnswerWith({Json(
      R"({"success":false,"code":"invalid","message":"m","problems":[{"file":"t.yaml","line":3,)"
      R"("column":5,"field":"x","message":"x is wrong"}]})",
      400)});
  const Ran wrong = terminal.Run({"plan"});
  EXPECT_EQ(wrong.code, kExitFailed);
  EXPECT_EQ(wrong.out, "");
  EXPECT_EQ(wrong.err, "t.yaml:3:5: x is wrong\n");
}

TEST(Assignments, ValuesAreJsonOrText) {
  EXPECT_EQ(*ObjectOf({"a=1", "b=x y", "c=null", "d.e=true", "d.f=[1]", "g=", "h=a=b"}),
            R"({"a":1,"b":"x y","c":null,"d":{"e":true,"f":[1]},"g":"","h":"a=b"})");
  EXPECT_FALSE(ObjectOf({"a"}));
  EXPECT_FALSE(ObjectOf({"=1"}));
  EXPECT_FALSE(ObjectOf({"a=1", "a.b=2"}));
}

TEST(EventStream, PiecesMayBeCutAnywhere) {
  const std::string text = "id: 7\r\nevent: e\r\ndata: a\r\ndata: b\r\n\r\n: hello\n\ndata:c\n\n";
  std::vector<std::string> whole;
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    std::vector<std::string> seen;
    EventStream stream([&](const EventStream::Event& e) {
      seen.push_back(e.name + ":" + e.data);
      return true;
    });
    EXPECT_TRUE(stream.Take(text.substr(0, cut)) && stream.Take(text.substr(cut)));
    EXPECT_THAT(seen, ElementsAre("e:a\nb", "message:c")) << cut;
    EXPECT_EQ(stream.last_id(), "7");
  }
}

TEST(EventStream, AnEventWithoutEndIsGivenUp) {
  EventStream stream([](const EventStream::Event&) { return true; });
  const std::string piece(1 << 20, 'x');
  std::size_t taken = 0;
  while (stream.Take(piece)) taken += piece.size();
  EXPECT_LE(taken, EventStream::kEventBytesMax);
}

TEST(ProgressBar, LineSaysHowFar) {
  using Unit = ProgressBar::Unit;
  EXPECT_EQ(ProgressBar::Line("x", Unit::kCount, 1'250, 5'000),
            "x  [######------------------]  25 %  1,250 of 5,000");
  EXPECT_EQ(ProgressBar::Line("x", Unit::kBytes, 2048, 0), "x  2.0 KiB");
  EXPECT_THAT(ProgressBar::Line("x", Unit::kBytes, 9, 3), HasSubstr("100 %"));
  EXPECT_EQ(BytesText(1023), "1023 bytes");
  EXPECT_EQ(BytesText(1024), "1.0 KiB");
  EXPECT_EQ(BytesText(std::uint64_t{3} << 39), "1.5 TiB");
}

TEST_F(Commands, AnAuditThatDoesNotAddUpExits1AndNamesIt) {
  const auto line = [](int problems, const std::string& named) {
    return R"({"lane":1,"destination":"hook","replay":null,"deleted_at":null,"events":3,)"
           R"("delivered":2,"filtered":0,"dead_lettered":0,"dropped":0,"pending":0,"undecided":0,)"
           R"("counts_checked":true,"problems_total":)" +
           std::to_string(problems) + R"(,"problems":[)" + named + "]}";
  };
  const auto part = [](bool balanced, const std::string& lines, const std::string& cursor) {
    return R"({"from":0,"to":3,"records":3,"duplicates":0,"conditions":0,"replays":[],)"
           R"("next_from":null,"next_cursor":)" +
           cursor + R"(,"balanced":)" + (balanced ? "true" : "false") + R"(,"destinations":[)" +
           lines + "]}";
  };
  const std::string named = R"({"id":"dlv_7","partition":0,"offset":7,"what":"is in no state"})";
  // The first part is wrong, the last one is not: the whole is.
  terminal.server.AnswerWith(
      {Json(part(false, line(1, named), R"("next")")), Json(part(true, line(0, ""), "null"))});
  const Ran ran = terminal.Run({"audit"});
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_NE(ran.out.find("hook dlv_7 is in no state\nsome deliveries do not add up (6 records"),
            std::string::npos)
      << ran.out;
  EXPECT_EQ(terminal.server.calls.back().path, "/api/v1/audit?cursor=next");
  terminal.server.AnswerWith({Json(part(true, line(0, ""), "null"))});
  EXPECT_EQ(terminal.Run({"audit"}).code, kExitFine);
}

}  // namespace
}  // namespace tributary::cli
