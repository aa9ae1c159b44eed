#include "config/difference.h"

#include <nlohmann/json.hpp>

#include "config/loader.h"

namespace tributary::config {
namespace {

using nlohmann::json;

Settings Of(const std::string& yaml) {
  LoadInput input;
  input.text = yaml;
  auto loaded = Load(input);
  EXPECT_TRUE(loaded) << loaded.error().front().ToString();
  return loaded ? loaded->settings : Settings();
}

// As a type that has the options name, type, url, secret and n would be written out.
Result<std::string> Normal(const std::string& text, bool redact) {
  json object = json::parse(text);
  if (!object.contains("n")) object["n"] = 16;
  if (redact && object.contains("secret")) object["secret"] = "***";
  return object.dump();
}

std::vector<Difference> Between(const std::string& before, const std::string& after) {
  auto differences = DifferencesOf(Of(before), Of(after), Normal);
  EXPECT_TRUE(differences);
  return differences.value_or(std::vector<Difference>());
}

TEST(Difference, TheSameIsNone) {
  const std::string yaml = "retention: {age: 3d}\ndestinations: [{name: a, type: x}]\n";
  EXPECT_TRUE(Between(yaml, yaml).empty());
  EXPECT_TRUE(
      Between(yaml, "retention: {age: 72h}\ndestinations: [{name: a, type: x, n: 16}]\n").empty())
      << "what is only written otherwise has not changed";
}

TEST(Difference, DestinationsAreAddedChangedAndPaused) {
  const auto found = Between("destinations: [{name: a, type: x}, {name: b, type: x}]\n",
                             "destinations: [{name: c, type: x}, {name: b, type: x, n: 3}]\n");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].path(), "destinations.a");
  EXPECT_EQ(found[0].action, Difference::Action::kPause);
  EXPECT_EQ(found[1].path(), "destinations.b");
  EXPECT_EQ(found[1].action, Difference::Action::kChange);
  ASSERT_EQ(found[1].fields.size(), 1u);
  EXPECT_EQ(found[1].fields[0].field, "n");
  EXPECT_EQ(found[1].fields[0].before, "16");
  EXPECT_EQ(found[1].fields[0].after, "3");
  EXPECT_EQ(found[2].action, Difference::Action::kAdd);
  for (const Difference& difference : found) EXPECT_FALSE(difference.needs_restart);
}

TEST(Difference, SecretsChangeButAreNeverShown) {
  const auto found = Between(
      "destinations: [{name: a, type: x, secret: CANARY1}]\ntokens: [{token: CANARY3CANARY3CAN}]\n",
      "destinations: [{name: a, type: x, secret: CANARY2}]\ntokens: [{token: CANARY4CANARY4CAN}]\n"
      "sources: [{name: demo, write_key: CANARY5}]\n");
  EXPECT_EQ(found.size(), 3u);
  const std::string text = DifferencesJson(found);
  EXPECT_EQ(text.find("CANARY"), std::string::npos) << text;
}

TEST(Difference, SettingsAreNamedByPathAndSayWhetherTheyNeedARestart) {
  const auto found = Between("",
                             "listen: 127.0.0.1:1\nretention: {age: 1d}\nlogging: {level: warn}\n"
                             "egress: {allow: [127.0.0.1/32]}\n");
  std::map<std::string, bool> restart;
  for (const Difference& difference : found) restart[difference.path()] = difference.needs_restart;
  const std::map<std::string, bool> expected = {
      {"listen", true}, {"retention.age", true}, {"logging.level", false}, {"egress.allow", false}};
  EXPECT_EQ(restart, expected);
}

TEST(Difference, TakeOverTakesExactlyWhatAppliesAtOnce) {
  Settings running = Of("");
  const Settings next =
      Of("listen: 127.0.0.1:1\nthreads: 3\nretention: {age: 1d}\nlogging: {level: warn}\n"
         "egress: {allow: [127.0.0.1/32], https_only: true}\ntokens: [{token: 0123456789abcdef}]\n"
         "destinations: [{name: a, type: x}]\nsources: [{name: s, write_key: k}]\n");
  TakeOver(running, next);
  const auto left = DifferencesOf(running, next, Normal);
  ASSERT_TRUE(left);
  EXPECT_FALSE(left->empty());
  for (const Difference& difference : *left) {
    EXPECT_TRUE(difference.needs_restart) << difference.path();
  }
}

}  // namespace
}  // namespace tributary::config
