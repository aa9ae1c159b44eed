#include "cli/batch_sender.h"

#include "cli/cli_kit_test.h"
#include "support/temp_dir.h"

namespace tributary::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ApiAnswer Accepted() {
  return {.status = 200, .headers = {}, .body = R"({"success":true})"};
}

class EventsSend : public ::testing::Test {
 protected:
  EventsSend() { terminal.server.AnswerWith({Accepted()}); }
  Ran Send(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"events", "send", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return terminal.Run(arguments);
  }
  std::vector<std::string> Bodies() const {
    std::vector<std::string> bodies;
    for (const ApiCall& call : terminal.server.calls) bodies.push_back(call.body);
    return bodies;
  }
  Terminal terminal;
};

TEST_F(EventsSend, LinesAreSentAsTheyAreInOrderInBatches) {
  terminal.input = "{\"n\":1.0}\r\n\n{\"n\":1e400}\n{\"n\":3}";  // the last one without its newline
  const Ran ran = Send({"--batch", "2"});
  EXPECT_EQ(ran.code, kExitFine) << ran.err;
  EXPECT_THAT(Bodies(),
              ElementsAre(R"({"batch":[{"n":1.0},{"n":1e400}]})", R"({"batch":[{"n":3}]})"));
  EXPECT_EQ(ran.out, "3 accepted, 0 rejected\n");
  EXPECT_EQ(ran.err, "");  // no progress where nobody watches
}

TEST_F(EventsSend, WriteKeyIsSentAsTheUserName) {
  terminal.input = "{}\n";
  Send();
  terminal.environment["TRIBUTARY_WRITE_KEY"] = "k1";
  Send();
  Send({"--write-key", "k2"});
  std::vector<std::string> sent;
  for (const ApiCall& call : terminal.server.calls) sent.push_back(call.headers.at(0).second);
  EXPECT_THAT(sent, ElementsAre("Basic ZGVtbzo=", "Basic azE6", "Basic azI6"));
}

TEST_F(EventsSend, BatchNeverGrowsPastTheBytesOfABody) {
  const std::string line = "{\"a\":\"" + std::string(1000, 'x') + "\"}\n";
  for (int i = 0; i < 1200; ++i) terminal.input += line;
  EXPECT_EQ(Send({"--batch", "2500"}).out, "1200 accepted, 0 rejected\n");
  EXPECT_GT(terminal.server.calls.size(), 1u);
  for (const std::string& body : Bodies()) EXPECT_LE(body.size(), kBatchBytesMax);
}

TEST_F(EventsSend, LineThatIsNoEventIsNamedAndTheOthersAreSent) {
  terminal.input = "{\"n\":1}\nnonsense\n[]\n{\"n\":2}\n";
  const Ran ran = Send();
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_THAT(ran.err, HasSubstr("line 2: "));
  EXPECT_THAT(ran.err, HasSubstr("line 3: not a JSON object"));
  EXPECT_THAT(Bodies(), ElementsAre(R"({"batch":[{"n":1},{"n":2}]})"));
  EXPECT_EQ(ran.out, "2 accepted, 2 rejected\n");
}

TEST_F(EventsSend, WhatTheServerRejectsIsNamedByItsLine) {
  terminal.input = "\n{}\n{}\n";
  terminal.server.AnswerWith({{.status = 200,
                               .headers = {},
                               .body = R"({"success":true,"rejected":[{"index":1,"messageId":null,)"
                                       R"("code":"x","message":"no user"}]})"}});
  const Ran ran = Send();
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_EQ(ran.err, "line 3: no user\n");
  EXPECT_EQ(ran.out, "1 accepted, 1 rejected\n");
}

TEST_F(EventsSend, RejectionsPastTheListedOnesAreCounted) {
  terminal.input = "{}\n{}\n{}\n";
  terminal.server.AnswerWith(
      {{.status = 200,
        .headers = {},
        .body = R"({"success":true,"rejected":[{"index":0,"message":"a"},{"index":99},7],)"
                R"("rejected_total":3})"}});
  EXPECT_EQ(Send().out, "0 accepted, 3 rejected\n");
}

TEST_F(EventsSend, BusyServerIsAskedAgainAfterTheTimeItNames) {
  terminal.input = "{}\n";
  terminal.server.AnswerWith({{.status = 503, .headers = {{"retry-after", "3"}}, .body = ""},
                              {.status = 429, .headers = {{"Retry-After", "99999"}}, .body = ""},
                              Accepted()});
  EXPECT_EQ(Send().code, kExitFine);
  EXPECT_THAT(terminal.server.waits, ElementsAre(3 * kNanosPerSecond, kRetryAfterMax));
  EXPECT_EQ(Bodies().at(0), Bodies().at(2));
}

TEST_F(EventsSend, ServerThatStaysBusyIsGivenUp) {
  terminal.input = "{}\n";
  terminal.server.AnswerWith({{.status = 503, .headers = {}, .body = ""}});
  EXPECT_EQ(Send().code, kExitFailed);
  EXPECT_EQ(terminal.server.calls.size(), static_cast<std::size_t>(kBatchAttemptsMax));
}

TEST_F(EventsSend, RefusedBatchEndsTheRunAndSaysWhereToGoOn) {
  terminal.input = "{}\n{}\n{}\n";
  terminal.server.AnswerWith({Accepted(), {.status = 401, .headers = {}, .body = "{}"}});
  const Ran ran = Send({"--batch", "1"});
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_THAT(ran.err, HasSubstr("go on with --from-line 2"));
  EXPECT_EQ(ran.out, "1 accepted, 0 rejected\n");
  EXPECT_EQ(terminal.server.calls.size(), 2u);
}

TEST_F(EventsSend, GoesOnFromALine) {
  terminal.input = "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n";
  Send({"--from-line", "3"});
  EXPECT_THAT(Bodies(), ElementsAre(R"({"batch":[{"n":3}]})"));
}

TEST_F(EventsSend, AnswerOfSomebodyElseIsNoAcceptance) {
  terminal.input = "{}\n";
  for (const char* body : {"", "OK", "{}", R"({"success":false})", "[]"}) {
    terminal.server.AnswerWith({{.status = 200, .headers = {}, .body = body}});
    const Ran ran = Send();
    EXPECT_EQ(ran.code, kExitFailed) << body;
    EXPECT_EQ(ran.out, "0 accepted, 0 rejected\n") << body;
  }
}

TEST_F(EventsSend, ProgressIsDrawnWhereSomebodyWatches) {
  terminal.input = "{}\n{}\n";
  terminal.err_is_terminal = true;
  const std::string err = Send({"--batch", "1"}).err;
  EXPECT_TRUE(err.starts_with("\rsending  ")) << err;
  EXPECT_TRUE(err.ends_with("\rsending  6 bytes\n")) << err;
  terminal.err_is_terminal = false;
  terminal.input = "{}\n";
  EXPECT_EQ(Send().err, "");
}

TEST_F(EventsSend, EmptyInputSendsNothing) {
  EXPECT_EQ(Send().out, "0 accepted, 0 rejected\n");
  EXPECT_THAT(Bodies(), IsEmpty());
}

TEST_F(EventsSend, LineAtItsLimitIsTakenAndOnePastItIsPassedOver) {
  const auto line = [](std::size_t bytes) {
    return "{\"a\":\"" + std::string(bytes - 8, 'x') + "\"}";
  };
  terminal.input = line(LineReader::kLineBytesMax) + "\n" + line(LineReader::kLineBytesMax + 1) +
                   "\n" + line(2 * LineReader::kLineBytesMax) + "\n{\"n\":4}\n";
  const Ran ran = Send();
  EXPECT_EQ(ran.out, "2 accepted, 2 rejected\n");
  EXPECT_THAT(ran.err, HasSubstr("line 2: longer than"));
  EXPECT_THAT(ran.err, HasSubstr("line 3: longer than"));
  EXPECT_EQ(Bodies().back(), R"({"batch":[{"n":4}]})");
}

TEST_F(EventsSend, FileIsReadToItsEnd) {
  const test::TempDir temp;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "{\"n\":" + std::to_string(i) + "}\n";
  ASSERT_TRUE(os::WriteFileAtomic(os::PosixFileSystem(), temp / "e.ndjson", text).has_value());
  EXPECT_EQ(terminal.Run({"events", "send", temp / "e.ndjson"}).out,
            "20000 accepted, 0 rejected\n");
  EXPECT_EQ(terminal.Run({"events", "send", temp / "none"}).code, kExitUsage);
}

}  // namespace
}  // namespace tributary::cli
