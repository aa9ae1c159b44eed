#include "route/jq_process.h"

#include <gtest/gtest.h>

#include "os/clock.h"
#include "route/decimal.h"
#include "support/late_signals.h"

namespace tributary::route {
namespace {

constexpr auto kFilter = JqTask::kFilter;
constexpr auto kMapping = JqTask::kMapping;

class JqProcessTest : public testing::Test {
 protected:
  Result<std::string> Ask(JqTask task, std::string_view program, std::string_view input = "{}") {
    return process_.Ask({.task = task, .program = program, .input = input});
  }
  // "ok: …", or the code and the message.
  std::string Said(JqTask task, std::string_view program, std::string_view input = "{}") {
    const auto answer = Ask(task, program, input);
    if (answer) return "ok: " + *answer;
    return std::string(CodeName(answer.error().code())) + ": " + answer.error().message();
  }
  std::string Compiled(std::string_view program) { return Said(JqTask::kCompile, program); }

  JqProcess process_{{.command = {JQ_CHILD}, .limits = {}, .clock = &os::SystemClock()}};
  // With time enough for large texts on a busy machine.
  JqProcess patient_{
      {.command = {JQ_CHILD, "10000000000"}, .limits = {}, .clock = &os::SystemClock()}};
};

TEST_F(JqProcessTest, FilterIsItsFirstOutput) {
  EXPECT_EQ(Said(kFilter, ".a > 1", R"({"a":2})"), "ok: true");
  EXPECT_EQ(Said(kFilter, ".a > 1", R"({"a":1})"), "ok: false");
  EXPECT_EQ(Said(kFilter, ".missing"), "ok: false");
  EXPECT_EQ(Said(kFilter, "0"), "ok: true");
  EXPECT_EQ(Said(kFilter, "\"\""), "ok: true");
  EXPECT_EQ(Said(kFilter, "empty"), "ok: false");
  EXPECT_EQ(Said(kFilter, "true, error(\"never reached\")"), "ok: true");
  EXPECT_EQ(Said(kFilter, ".a.b", R"({"a":3})"), "invalid: Cannot index number with string \"b\"");
}

TEST_F(JqProcessTest, MappingHasExactlyOneOutput) {
  EXPECT_EQ(Said(kMapping, "{b: .a, \"ö\": [1.5, null]}", R"({"a":"x"})"),
            R"(ok: {"b":"x","ö":[1.5,null]})");
  EXPECT_NE(Said(kMapping, "empty").find("no output"), std::string::npos);
  EXPECT_NE(Said(kMapping, ".[]", "[1,2]").find("several outputs"), std::string::npos);
  EXPECT_EQ(Said(kMapping, "1, error(\"late\")"), "invalid: late");
  EXPECT_EQ(Said(kMapping, "error({a:1})"), R"(invalid: {"a":1})");
}

TEST_F(JqProcessTest, CompileErrorsAreJqsOwnWithTheProgramsLines) {
  EXPECT_EQ(Compiled(".a | select(.b)"), "ok: ");
  EXPECT_EQ(Compiled(".a +"),
            "invalid: jq: error: syntax error, unexpected $end at <top-level>, line 1: .a +");
  EXPECT_NE(Compiled("1 |\n2 | nonsense").find("nonsense/0 is not defined at <top-level>, line 2"),
            std::string::npos)
      << Compiled("1 |\n2 | nonsense");
  EXPECT_EQ(Compiled("# nothing but a comment"), "ok: ");
  EXPECT_NE(Compiled(std::string_view("1\0 | nonsense", 13)).find("NUL"), std::string::npos);
}

TEST_F(JqProcessTest, NamesThatSeeMoreThanTheEventAreRefused) {
  for (const char* program :
       {"now", "input", "[inputs]", "debug", "stderr", "halt", "halt_error", "halt_error(1)",
        "input_filename", "input_line_number", "\"x\" | modulemeta", "0 | localtime",
        "0 | strflocaltime(\"%Z\")", "get_search_list", "def f: now; f", "map(now)"}) {
    const std::string said = Compiled(program);
    EXPECT_NE(said.find("is not available"), std::string::npos) << program << " -> " << said;
  }
  for (const char* program :
       {"import \"a\" as a; 1", "include \"a\"; 1", "import \"/etc/passwd\" as $x; 1"}) {
    EXPECT_EQ(Compiled(program).find("ok"), std::string::npos) << program;
  }
  EXPECT_EQ(Said(kMapping, "[$ENV, env]"), "ok: [{},{}]");
}

TEST_F(JqProcessTest, RefusedNamesAreFineAsFieldsKeysAndOwnFunctions) {
  EXPECT_EQ(Said(kMapping, "{now, debug: .input}", R"({"now":1,"input":2})"),
            R"(ok: {"now":1,"debug":2})");
  EXPECT_EQ(Said(kMapping, "def now: 7; now"), "ok: 7");
  EXPECT_EQ(Said(kMapping, "0 | todate"), "ok: \"1970-01-01T00:00:00Z\"");
}

struct Hostile {
  const char* name;
  const char* program;
  bool always_slow = true;  // else whatever limit it meets first
};

// One line each, and jq 1.6 alone would hang, take all memory, abort or crash.
TEST_F(JqProcessTest, HostileProgramsEndAndTheNextOneRuns) {
  NEEDS_SIGNALS_AT_ONCE();
  const Hostile all[] = {
      {"endless recursion", "def f: f; f"},
      {"endless range", "[range(infinite)] | length"},
      {"endless repeat", "last(repeat(1))"},
      {"growing array", "[limit(1000000000; repeat(\"x\"))]"},
      {"long string", "\"x\" * 1000000000", false},
      {"huge array", ".[1000000000] = 1", false},
      {"slow regex", "(\"a\" * 40 + \"b\") | test(\"^(a|aa)+$\")", false},
  };
  for (const Hostile& hostile : all) {
    const MonoNanos began = os::SystemClock().Monotonic();
    const auto answer = Ask(kFilter, hostile.program, "null");
    const MonoNanos took = os::SystemClock().Monotonic() - began;
    ASSERT_FALSE(answer.has_value()) << hostile.name << ": " << *answer;
    const ErrorCode code = answer.error().code();
    EXPECT_TRUE(code == ErrorCode::kDeadline ||
                (code == ErrorCode::kInvalid && !hostile.always_slow))
        << hostile.name << ": " << answer.error().message();
    EXPECT_LT(took, 10 * kNanosPerSecond) << hostile.name;
    EXPECT_EQ(Said(kFilter, "true"), "ok: true") << "after " << hostile.name;
  }
}

TEST_F(JqProcessTest, TooMuchMemoryIsToldAndCostsOnlyItself) {
  // After other programs: jq 1.6 loses its handler each time it compiles one.
  const char* const greedy = ".[1000000000] = 1";
  for (const char* before : {"1", ".a == null", "[.]"}) {
    EXPECT_EQ(Said(kFilter, before, "null"), "ok: true");
    EXPECT_EQ(Said(kMapping, greedy, "null"),
              "invalid: the program needs more memory than it may have (256 MiB)");
  }
  std::vector<std::string> said;
  const std::vector<JqProcess::Question> questions = {
      {.task = kMapping, .program = "1", .input = "null"},
      {.task = kMapping, .program = greedy, .input = "null"},
      {.task = kMapping, .program = "2", .input = "null"}};
  process_.AskAll(questions, [&](std::size_t, const JqProcess::Answer& answer) {
    said.push_back(answer.result ? *answer.result
                                 : std::string(CodeName(answer.result.error().code())));
    return true;
  });
  EXPECT_EQ(said, (std::vector<std::string>{"1", "invalid", "2"}));
}

TEST_F(JqProcessTest, DeepValuesDoNotTakeAnybodyElseDown) {
  // Slow, or too deep for its stack: either way this run fails and the next is fine.
  for (const char* program : {"reduce range(1000000) as $i (null; [.])", "def f: 1 + f; f",
                              "reduce range(100000) as $i (null; [.]) | tojson | length"}) {
    IgnoreError(Ask(kMapping, program, "null"), "any ending is fine, as long as it ends");
    EXPECT_EQ(Said(kFilter, "true"), "ok: true") << "after " << program;
  }
}

TEST_F(JqProcessTest, OutputHasALimit) {
  const auto echo = [this](std::size_t bytes) {
    const std::string text = "\"" + std::string(bytes - 2, 'x') + "\"";
    return patient_.Ask({.task = kMapping, .program = ".", .input = text});
  };
  EXPECT_EQ(echo(kJqOutputBytesMax).value().size(), kJqOutputBytesMax);
  const auto over = echo(kJqOutputBytesMax + 1);
  ASSERT_FALSE(over.has_value());
  EXPECT_NE(over.error().message().find("more than 4194304 bytes"), std::string::npos);
}

TEST_F(JqProcessTest, OneBadRunOfManyCostsOnlyItself) {
  NEEDS_SIGNALS_AT_ONCE();
  std::vector<JqProcess::Question> questions;
  for (int i = 0; i < 20; ++i) {
    questions.push_back({.task = kMapping, .program = ".", .input = "[1]"});
  }
  questions[3].program = "\"x\" * 1000000000";  // its process dies
  questions[7].program = "def f: f; f";
  questions[12].program = ".a";
  std::vector<std::string> said(questions.size());
  std::size_t expected = 0;
  process_.AskAll(questions, [&](std::size_t i, JqProcess::Answer answer) {
    EXPECT_EQ(i, expected++);
    said[i] = answer.result ? *answer.result : std::string(CodeName(answer.result.error().code()));
    return true;
  });
  EXPECT_EQ(expected, questions.size());
  for (std::size_t i = 0; i < said.size(); ++i) {
    const bool slow = i == 3 || i == 7;
    EXPECT_EQ(said[i], slow ? "deadline" : i == 12 ? "invalid" : "[1]") << i;
  }
}

TEST_F(JqProcessTest, LargeInputsAndOutputsDoNotBlockEachOther) {
  const std::string input = "\"" + std::string(1 << 20, 'y') + "\"";
  std::vector<JqProcess::Question> questions(8, {.task = kMapping, .program = ".", .input = input});
  std::size_t fine = 0;
  patient_.AskAll(questions, [&](std::size_t, const JqProcess::Answer& answer) {
    fine += answer.result && *answer.result == input ? 1 : 0;
    return true;
  });
  EXPECT_EQ(fine, questions.size());
}

TEST_F(JqProcessTest, WhatJqPrintsIsWhatTheNumberRuleExpects) {
  for (const char* number :
       {"0.1", "1e20", "123456789012345680", "5e-324", "1.5e300", "-0.00001234", "9007199254740992",
        "1.7976931348623157e308", "0.30000000000000004"}) {
    EXPECT_EQ(FirstInexactNumber(number), std::nullopt) << number;
    const auto printed = Ask(kMapping, ".", number);
    EXPECT_EQ(Decimal(printed.value()), Decimal(number)) << number << " became " << *printed;
  }
}

TEST(JqProcess, WithoutItsExecutableAProgramMayBeAskedAgain) {
  JqProcess process(
      {.command = {"/nonexistent/tributary"}, .limits = {}, .clock = &os::SystemClock()});
  const auto answer = process.Ask({.task = kFilter, .program = "true", .input = "{}"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace tributary::route
