#include "cli/cli_kit_test.h"
#include "support/temp_dir.h"

namespace tributary::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckConfig : public ::testing::Test {
 protected:
  Ran Check(std::string_view yaml) {
    const std::string file = temp / "t.yaml";
    EXPECT_TRUE(os::WriteFileAtomic(os::PosixFileSystem(), file, yaml).has_value());
    return terminal.Run({"check-config", file});
  }
  test::TempDir temp;
  Terminal terminal;
};

TEST_F(CheckConfig, GoodFileIsFine) {
  const Ran ran = Check("listen: 127.0.0.1:9999\nretention: {age: 3d}\n");
  EXPECT_EQ(ran.code, kExitFine) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("t.yaml: fine\n"));
  EXPECT_THAT(ran.err, IsEmpty());
}

TEST_F(CheckConfig, SlipIsNamedWithLineColumnAndSuggestion) {
  const Ran ran = Check("threads: 1\nlisen: 127.0.0.1:9999\n");
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("t.yaml:2:1: "));
  EXPECT_THAT(ran.err, HasSubstr("did you mean 'listen'?"));
  EXPECT_THAT(ran.out, IsEmpty());
}

TEST_F(CheckConfig, EveryProblemHasItsLine) {
  const Ran ran = Check("thread: 1\nretention: {age: soon}\n");
  EXPECT_THAT(ran.err, HasSubstr("t.yaml:1:1: "));
  EXPECT_THAT(ran.err, HasSubstr("t.yaml:2:"));
}

TEST_F(CheckConfig, FileThatIsNotThereIsAUsageError) {
  const Ran ran = terminal.Run({"check-config", temp / "none.yaml"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("none.yaml"));
}

TEST_F(CheckConfig, EnvironmentCountsAsItDoesForServe) {
  terminal.environment["TRIBUTARY_THREADS"] = "many";
  const Ran ran = Check("listen: 127.0.0.1:9999\n");
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("TRIBUTARY_THREADS"));
}

TEST_F(CheckConfig, DestinationsAreJudgedByTheirType) {
  EXPECT_EQ(Check("destinations:\n  - {name: a, type: 'null'}\n").code, kExitFine);
  const Ran ran = Check("destinations:\n  - {name: a, type: nul}\n");
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("t.yaml:2:"));
}

TEST_F(CheckConfig, EgressOfTheSameFileDecidesAboutItsDestinations) {
  const std::string hook =
      "destinations:\n  - {name: a, type: webhook, url: 'http://127.0.0.1:9000/'}\n";
  const Ran refused = Check(hook);
  EXPECT_EQ(refused.code, kExitUsage);
  EXPECT_THAT(refused.err, HasSubstr("egress"));
  const Ran allowed = Check("egress: {allow: [127.0.0.1/32]}\n" + hook);
  EXPECT_EQ(allowed.code, kExitFine) << allowed.err;
}

TEST_F(CheckConfig, AWrongEgressRuleHasItsLine) {
  const Ran ran = Check("egress:\n  allow:\n    - 127.0.0.1/32\n    - 10.0.0.0/33\n");
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("t.yaml:4:7: egress.allow[1] has no prefix length"));
  terminal.environment["TRIBUTARY_EGRESS_ALLOW"] = "127.0.0.1/32,a b";
  EXPECT_THAT(
      Check("").err,
      HasSubstr("environment variable TRIBUTARY_EGRESS_ALLOW: egress.allow[1] is no network"));
}

TEST_F(CheckConfig, AFileOfAuthoritiesIsLookedInto) {
  const std::string pem = temp / "ca.pem";
  const std::string yaml = "delivery:\n  ca_file: " + pem + "\n";
  EXPECT_THAT(Check(yaml).err, HasSubstr("t.yaml:2:3: delivery.ca_file cannot be read: "));
  EXPECT_TRUE(os::WriteFileAtomic(os::PosixFileSystem(), pem, "no certificate").has_value());
  const Ran ran = Check(yaml);
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("t.yaml:2:3: delivery.ca_file must be a certificate in PEM form"));
}

TEST_F(CheckConfig, SourcesOfTheSameFileCanBeNamedByItsDestinations) {
  const std::string rest = "destinations:\n  - {name: a, type: 'null', sources: [shop]}\n";
  EXPECT_EQ(Check("sources: [{name: shop, write_key: k}]\n" + rest).code, kExitFine);
  EXPECT_EQ(Check(rest).code, kExitUsage);
}

}  // namespace
}  // namespace tributary::cli
