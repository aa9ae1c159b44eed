#include "cli/cli_kit_test.h"

namespace tributary::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ServeOptions g_served;
int g_serve_calls = 0;
int RecordServe(const ServeOptions& options) {
  g_served = options;
  ++g_serve_calls;
  return 7;
}

class CommandLine : public ::testing::Test {
 protected:
  CommandLine() {
    g_served = {};
    g_serve_calls = 0;
    terminal.hooks.serve = RecordServe;
  }
  Terminal terminal;
};

TEST_F(CommandLine, VersionIsPrintedAndFine) {
  const Ran ran = terminal.Run({"--version"});
  EXPECT_EQ(ran.code, kExitFine);
  EXPECT_EQ(ran.out, "tributary " + std::string(Version()) + "\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(CommandLine, HelpNamesEveryCommand) {
  const Ran ran = terminal.Run({"--help"});
  EXPECT_EQ(ran.code, kExitFine);
  for (const CommandRegistration* command : RegisteredCommands()) {
    EXPECT_THAT(ran.out, HasSubstr(std::string(command->name)));
    EXPECT_THAT(ran.out, HasSubstr(std::string(command->summary)));
  }
}

TEST_F(CommandLine, EveryCommandHasHelp) {
  for (const CommandRegistration* command : RegisteredCommands()) {
    const Ran ran = terminal.Run({std::string(command->name), "--help"});
    EXPECT_EQ(ran.code, kExitFine) << command->name;
    EXPECT_THAT(ran.out, HasSubstr(std::string(command->summary)));
  }
}

TEST_F(CommandLine, NothingGivenShowsTheHelpAndFails) {
  const Ran ran = terminal.Run({});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("serve"));
}

TEST_F(CommandLine, UnknownCommandIsAnsweredWithTheOneThatWasMeant) {
  const Ran ran = terminal.Run({"serv"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, StartsWith("tributary: 'serv' is not a command of 'tributary'; "
                                  "did you mean 'serve'?\n"));
  EXPECT_EQ(g_serve_calls, 0);
}

TEST_F(CommandLine, UnknownVerbIsAnsweredWithTheOneThatWasMeant) {
  const Ran ran = terminal.Run({"destinations", "lsit"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("did you mean 'list'?"));
  EXPECT_THAT(ran.err, HasSubstr("See 'tributary destinations --help'."));
}

TEST_F(CommandLine, UnknownOptionIsAnsweredWithTheOneThatWasMeant) {
  for (const char* option : {"--lisen", "--lisen=127.0.0.1:1"}) {
    const Ran ran = terminal.Run({"serve", option});
    EXPECT_EQ(ran.code, kExitUsage);
    EXPECT_THAT(ran.err, HasSubstr("'--lisen' is not an option of 'tributary serve'; "
                                   "did you mean '--listen'?"));
  }
  EXPECT_EQ(g_serve_calls, 0);
}

TEST_F(CommandLine, NothingCloseIsNotGuessed) {
  const Ran ran = terminal.Run({"quux"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, Not(HasSubstr("did you mean")));
}

TEST_F(CommandLine, ControlBytesOfAnArgumentAreEscaped) {
  EXPECT_THAT(terminal.Run({"\x1b[2J"}).err, HasSubstr("'\\x1b[2J'"));
}

TEST_F(CommandLine, MissingArgumentsAndValuesAreUsageErrors) {
  EXPECT_EQ(terminal.Run({"verify"}).code, kExitUsage);
  EXPECT_THAT(terminal.Run({"verify"}).err, HasSubstr("DIR"));
  EXPECT_EQ(terminal.Run({"serve", "--listen"}).code, kExitUsage);
  EXPECT_EQ(terminal.Run({"verify", "a", "b"}).code, kExitUsage);
  EXPECT_EQ(terminal.Run({"destinations"}).code, kExitUsage);
  EXPECT_EQ(terminal.Run({"destinations", "get"}).code, kExitUsage);
}

TEST_F(CommandLine, ServeGetsWhatWasGivenAndItsCodeIsTheAnswer) {
  EXPECT_EQ(
      terminal.Run({"serve", "--config", "t.yaml", "--data-dir=/d", "--listen", "127.0.0.1:0"})
          .code,
      7);
  EXPECT_EQ(g_served.config_file, "t.yaml");
  EXPECT_EQ(g_served.data_dir, "/d");
  EXPECT_EQ(g_served.listen, "127.0.0.1:0");
}

TEST_F(CommandLine, ServeLeavesOpenWhatWasNotGiven) {
  EXPECT_EQ(terminal.Run({"serve"}).code, 7);
  EXPECT_EQ(g_served.config_file, std::nullopt);
  EXPECT_EQ(g_served.data_dir, std::nullopt);
  EXPECT_EQ(g_served.listen, std::nullopt);
}

TEST_F(CommandLine, ConfigReferenceNamesOptionsAsPageAndAsFile) {
  EXPECT_THAT(terminal.Run({"config-reference"}).out, HasSubstr("data_dir"));
  EXPECT_THAT(terminal.Run({"config-reference", "--yaml"}).out, HasSubstr("data_dir:"));
}

TEST_F(CommandLine, NumbersOutsideTheirBoundsAreRefused) {
  for (const char* status : {"199", "600", "x", "2147483648"}) {
    EXPECT_EQ(terminal.Run({"receive", "--status", status, "--secret", "bad"}).code, kExitUsage);
  }
  // Inside the bounds the next thing that is wrong is found.
  for (const char* status : {"200", "599"}) {
    EXPECT_THAT(terminal.Run({"receive", "--status", status, "--secret", "bad"}).err,
                HasSubstr("whsec_"));
  }
}

TEST_F(CommandLine, OptionGivenSeveralTimesKeepsEachAndSwallowsNothing) {
  const std::string good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const Ran second = terminal.Run({"receive", "--secret", good, "--secret", "bad"});
  EXPECT_THAT(second.err, HasSubstr("whsec_"));
  const Ran swallowed = terminal.Run({"receive", "--secret", good, good});
  EXPECT_THAT(swallowed.err, HasSubstr("'whsec_***' is not an argument"));
}

TEST_F(CommandLine, ReceiveRefusesABadSecretWithoutRepeatingIt) {
  const Ran ran = terminal.Run({"receive", "--secret", "hunter2hunter2"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, Not(HasSubstr("hunter2")));
}

TEST_F(CommandLine, ReceiveRefusesAnAddressThatIsNone) {
  EXPECT_EQ(terminal.Run({"receive", "--listen", "9000"}).code, kExitUsage);
}

}  // namespace
}  // namespace tributary::cli
