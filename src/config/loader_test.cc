#include "config/loader.h"

namespace tributary::config {
namespace {

std::expected<Loaded, Problems> LoadText(std::string text, Environment environment = {}) {
  LoadInput input;
  input.file_name = "t.yaml";
  input.text = std::move(text);
  input.environment = std::move(environment);
  return Load(input);
}

std::string FirstProblem(std::string text, Environment environment = {}) {
  const auto loaded = LoadText(std::move(text), std::move(environment));
  return loaded ? "no problem" : loaded.error().front().ToString();
}

TEST(Loader, AnEmptyFileIsTheDefaults) {
  for (const char* text : {"", "\n# nothing\n", "---\n", "sources:\n"}) {
    const auto loaded = LoadText(text);
    ASSERT_TRUE(loaded) << text << loaded.error().front().ToString();
    EXPECT_EQ(loaded->settings.listen, "127.0.0.1:8080");
    EXPECT_EQ(loaded->settings.data_dir, "./data");
    ASSERT_EQ(loaded->settings.sources.size(), 1u);
    EXPECT_EQ(loaded->settings.sources[0].name, "demo");
    EXPECT_EQ(loaded->settings.sources[0].keys().at(0).Reveal(), "demo");
  }
}

TEST(Loader, DefaultsHoldKeyByKey) {
  const auto loaded = LoadText("listen: 127.0.0.1:0\nretention: {age: 1h}\n");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings.listen, "127.0.0.1:0");
  EXPECT_EQ(loaded->settings.retention.age_ns, 3600 * kNanosPerSecond);
  EXPECT_EQ(loaded->settings.retention.hold_ns, 7 * 86'400 * kNanosPerSecond);
  EXPECT_EQ(loaded->settings.sources[0].name, "demo");
}

TEST(Loader, EverythingIsRead) {
  const auto loaded = LoadText(R"(
listen: "[::1]:9000"
admin: {listen: "localhost:9001"}
threads: 2
tokens:
  - {token: abc, scopes: [read, write]}
sources:
  - name: web
    write_key: 12345          # a text although it looks like a number
    write_keys: [k1, 0x10]
    keyless: true
    browser: true
    ack: applied
    event_size: 64KiB
destinations:
  - name: hook
    type: webhook
    url: https://example.com/h
    concurrency: 4
    enabled: true
    signing_secret: "007"
    headers: {X-Number: "1"}
    retry: {schedule: [0s, 5s]}
retention: {size: 2GiB, on_full: drop_oldest}
sync: interval
sync_interval: 10ms
egress: {allow: [127.0.0.1/32, hooks.internal], https_only: true}
logging: {level: debug, format: json}
access_keys: [{id: AKIA, secret: s}]
)");
  ASSERT_TRUE(loaded) << loaded.error().front().ToString();
  const Settings& s = loaded->settings;
  EXPECT_EQ(s.tokens[0].scopes, (std::vector<std::string>{"read", "write"}));
  ASSERT_EQ(s.sources[0].keys().size(), 3u);
  EXPECT_EQ(s.sources[0].keys()[0].Reveal(), "12345");
  EXPECT_EQ(s.sources[0].keys()[2].Reveal(), "0x10");
  EXPECT_EQ(s.sources[0].ack, Ack::kApplied);
  EXPECT_EQ(s.sources[0].event_bytes_max, 64u << 10);
  EXPECT_EQ(s.destinations.at(0).text,
            R"({"concurrency":4,"enabled":true,"headers":{"X-Number":"1"},"name":"hook",)"
            R"("retry":{"schedule":["0s","5s"]},"signing_secret":"007","type":"webhook",)"
            R"("url":"https://example.com/h"})");
  EXPECT_EQ(s.retention.size_bytes, 2ULL << 30);
  EXPECT_EQ(s.retention.on_full, OnFull::kDropOldest);
  EXPECT_EQ(s.sync, SyncMode::kInterval);
  EXPECT_EQ(s.egress.allow.size(), 2u);
  EXPECT_EQ(s.logging.format, LogFormat::kJson);
  EXPECT_EQ(s.access_keys.at(0).secret.Reveal(), "s");
}

TEST(Loader, ProblemsHaveLineColumnAndSuggestion) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"threads: 1\nlisen: x\n", "t.yaml:2:1: lisen is not a known option; did you mean 'listen'?"},
      {"retention:\n  agee: 7d\n",
       "t.yaml:2:3: retention.agee is not a known option; did you mean 'age'?"},
      {"retention:\n  age: 7 days\n",
       "t.yaml:2:3: retention.age must be a duration: '7 days' is no duration: write it like "
       "250ms, "
       "5s, 10m, 2h or 7d"},
      {"sources:\n  - name: a\n  - write_key: b\n", "t.yaml:3:5: sources[1].name is required"},
      {"sources:\n  - name: a\n    ack: soon\n",
       "t.yaml:3:5: sources[0].ack must be one of: durable, applied"},
      {"threads: many\n", "t.yaml:1:1: threads must be a whole number"},
      {"threads: 257\n", "t.yaml:1:1: threads must be from 0 to 256"},
      {"log:\n  recompress: yes\n", "t.yaml:2:3: log.recompress must be true or false"},
      {"egress: {allow: 127.0.0.1/32}\n", "t.yaml:1:10: egress.allow must be a list"},
      {"retention: 5\n", "t.yaml:1:1: retention must be an object"},
      {"sync: allways\n",
       "t.yaml:1:1: sync must be one of: always, interval, none (did you mean 'always'?)"},
      {"listen: a\n", "t.yaml:1:1: listen must be HOST:PORT"},
      {"listen: 127.0.0.1:65536\n", "t.yaml:1:1: listen must end in a port from 0 to 65535"},
      {"threads: 1\nthreads: 2\n", "t.yaml:2:1: threads is given twice"},
      {"data_dir: ${NOWHERE}/x\n",
       "t.yaml:1:11: data_dir uses ${NOWHERE}, which is not set in the environment"},
      {"data_dir: ${}\n",
       "t.yaml:1:11: data_dir has '${' that is not followed by a name and '}'; "
       "write $${ for the two characters themselves"},
      {"- a\n", "t.yaml:1:1: the file must be a map of options"},
      {"a: 1\n---\nb: 2\n", "t.yaml: the file holds more than one YAML document"},
      {"tokens: [{token: a, scopes: [root]}]\n",
       "t.yaml:1:21: tokens[0].scopes must be of: read, write, admin"},
      {"access_keys: [{id: a, secret: ''}]\n",
       "t.yaml:1:23: access_keys[0].secret must not be empty"},
      {"access_keys: [{id: a, secret: s}, {id: a, secret: t}]\n",
       "t.yaml:1:36: access_keys[1].id is the id of an earlier access key"},
      {"sources: [{name: a}, {name: a}]\n",
       "t.yaml:1:23: sources[1].name is the name of an earlier source"},
      {"sources: [{name: a, write_key: k}, {name: b, write_keys: [k]}]\n",
       "t.yaml:1:46: sources[1].write_keys has a key that was given before"},
      {"sources: [{name: a b}]\n",
       "t.yaml:1:11: sources[0] name must be made of letters, digits, '-', '_' and '.'"},
      {"destinations: [{name: a}, {name: a}]\n",
       "t.yaml:1:28: destinations[1].name is the name of an earlier destination"},
      {"log: {segment_size: 64KiB}\n",
       "t.yaml:1:1: log.first_segment_size must not be larger than log.segment_size"},
  };
  for (const auto& [text, expected] : cases) {
    if (text.find("a b") != std::string::npos) {
      EXPECT_EQ(FirstProblem(text),
                "t.yaml:1:12: sources[0].name must be made of letters, digits, '-', '_' and '.'");
      continue;
    }
    EXPECT_EQ(FirstProblem(text), expected) << text;
  }
}

TEST(Loader, BrokenYamlIsPlaced) {
  EXPECT_THAT(FirstProblem("a: [1, 2\nb: }\n"), testing::StartsWith("t.yaml:2:"));
  EXPECT_THAT(FirstProblem("a:\n\t- b\n"), testing::StartsWith("t.yaml:2:"));
}

TEST(Loader, AllProblemsAreShownAtOnce) {
  const auto loaded =
      LoadText("lisen: x\nthreads: many\nretention: {age: x, size: y}\nsync: no\nlog: {x: 1}\n");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().size(), 6u);
}

TEST(Loader, ProblemsAreLimited) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "unknown_" + std::to_string(i) + ": 1\n";
  const auto loaded = LoadText(text);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().size(), kProblemsMax);
}

TEST(Loader, VariablesAreExpandedAfterParsingAndKeepTheOptionsType) {
  const auto loaded = LoadText(
      "data_dir: ${BASE}/data\nthreads: ${N}\nsources: [{name: s, write_key: '${KEY}'}]\n"
      "destinations: [{name: d, signing_secret: '${KEY}', x: ${KEY}, y: 5, z: $${raw}}]\n",
      {{"BASE", "/srv"}, {"N", "3"}, {"KEY", "12: [34"}});
  ASSERT_TRUE(loaded) << loaded.error().front().ToString();
  EXPECT_EQ(loaded->settings.data_dir, "/srv/data");
  EXPECT_EQ(loaded->settings.threads, 3u);
  EXPECT_EQ(loaded->settings.sources[0].write_key.Reveal(), "12: [34");
  EXPECT_EQ(loaded->settings.destinations[0].text,
            R"({"name":"d","signing_secret":"12: [34","x":"12: [34","y":5,"z":"${raw}"})");
}

TEST(Loader, EnvironmentOverridesTheFileAndTheCommandLineBoth) {
  LoadInput input;
  input.file_name = "t.yaml";
  input.text = "listen: 127.0.0.1:1\ndata_dir: a\nretention: {age: 1h}\n";
  input.environment = {{"TRIBUTARY_LISTEN", "127.0.0.1:2"},
                       {"TRIBUTARY_DATA_DIR", "b"},
                       {"TRIBUTARY_RETENTION_AGE", "2h"},
                       {"TRIBUTARY_EGRESS_ALLOW", "127.0.0.1/32, 10.0.0.0/8"},
                       {"TRIBUTARY_TOKENS", "[{token: t${x}, scopes: [admin]}]"},
                       {"TRIBUTARY_SOURCES", R"([{"name":"env","write_key":"k"}])"},
                       {"TRIBUTARY_EGRESS_HTTPS_ONLY", "true"}};
  input.overrides = {{"listen", "127.0.0.1:3"}};
  const auto loaded = Load(input);
  ASSERT_TRUE(loaded) << loaded.error().front().ToString();
  const Settings& s = loaded->settings;
  EXPECT_EQ(s.listen, "127.0.0.1:3");
  EXPECT_EQ(s.data_dir, "b");
  EXPECT_EQ(s.retention.age_ns, 2 * 3600 * kNanosPerSecond);
  EXPECT_EQ(s.egress.allow, (std::vector<std::string>{"127.0.0.1/32", "10.0.0.0/8"}));
  EXPECT_TRUE(s.egress.https_only);
  EXPECT_EQ(s.tokens.at(0).token.Reveal(), "t${x}");
  EXPECT_EQ(s.sources.at(0).name, "env");
}

TEST(Loader, ProblemsOfVariablesNameTheVariable) {
  EXPECT_EQ(FirstProblem("", {{"TRIBUTARY_THREADS", "x"}}),
            "environment variable TRIBUTARY_THREADS: threads must be a whole number");
  EXPECT_EQ(FirstProblem("retention: 5\n", {{"TRIBUTARY_RETENTION_AGE", "1h"}}),
            "t.yaml:1:1: retention must be an object");
  EXPECT_EQ(FirstProblem("", {{"TRIBUTARY_TOKENS", "[{token"}}).substr(0, 51),
            "environment variable TRIBUTARY_TOKENS:1:1: not vali");
  LoadInput input;
  input.overrides = {{"listen", "nowhere"}};
  EXPECT_EQ(Load(input).error().at(0).ToString(), "--listen: listen must be HOST:PORT");
}

TEST(Loader, NearMissesAmongVariablesAreWarnedOf) {
  const auto loaded = LoadText("", {{"TRIBUTARY_LISTN", "x"},
                                    {"TRIBUTARY_SERVICE_HOST", "10.0.0.1"},
                                    {"TRIBUTARY_BINARY", "b"},
                                    {"TRIBUTARY_PORT", "tcp://10.0.0.1"}});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(
      loaded->warnings,
      (std::vector<std::string>{"TRIBUTARY_LISTN sets nothing; did you mean TRIBUTARY_LISTEN?"}));
}

TEST(Loader, WhatIsNotLoopbackNeedsAToken) {
  for (const char* host :
       {"0.0.0.0", "[::]", "192.168.1.5", "example.com", "127.evil.example", "127.0.0.1.nip.io"}) {
    const std::string listen = "listen: \"" + std::string(host) + ":80\"\n";
    EXPECT_THAT(FirstProblem(listen), testing::HasSubstr("at least one token is needed")) << host;
    EXPECT_THAT(FirstProblem("admin: {listen: \"" + std::string(host) + ":80\"}\n"),
                testing::HasSubstr("admin.listen is reachable from other machines"));
    EXPECT_TRUE(LoadText(listen + "tokens: [{token: t}]\n")) << host;
  }
  for (const char* host : {"127.0.0.1", "127.8.9.1", "localhost", "[::1]"}) {
    EXPECT_TRUE(LoadText("listen: \"" + std::string(host) + ":80\"\n")) << host;
  }
}

TEST(Loader, DestinationsAreJudgedAndPlaced) {
  LoadInput input;
  input.file_name = "t.yaml";
  input.text = "destinations:\n  - name: a\n    retry: {schedule: [0s,\n      5x]}\n";
  input.check_destination = [](const std::string&) -> Status {
    return Fail(ErrorCode::kInvalid, "retry.schedule[1]", "retry.schedule[1] must be a duration");
  };
  EXPECT_EQ(Load(input).error().at(0).ToString(),
            "t.yaml:4:7: destinations[0]: retry.schedule[1] must be a duration");
}

TEST(Loader, WhatIsBeyondTheOptionsIsJudgedOncePlacedAndBeforeDestinations) {
  LoadInput input;
  input.file_name = "t.yaml";
  input.text = "egress:\n  allow: [a,\n    b]\ndestinations: [{name: a}]\n";
  int asked = 0;
  input.check_settings = [&](const Settings& settings) {
    ++asked;
    EXPECT_EQ(settings.egress.allow.size(), 2u);
    return std::vector<Error>{{ErrorCode::kInvalid, "egress.allow[1]", "is odd"},
                              {ErrorCode::kInvalid, "delivery.ca_file", "is not there"}};
  };
  input.check_destination = [](const std::string&) -> Status {
    ADD_FAILURE() << "asked by rules that are wrong";
    return {};
  };
  const auto loaded = Load(input);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(loaded.error().at(0).ToString(), "t.yaml:3:5: egress.allow[1] is odd");
  EXPECT_EQ(loaded.error().at(1).ToString(), "t.yaml: delivery.ca_file is not there");
}

TEST(Loader, OnlySomeVariablesMayBeExpanded) {
  LoadInput input;
  input.file_name = "t.yaml";
  input.environment = {{"OURS", "our-key"}, {"THEIRS", "their-secret"}};
  const std::string own = "# ${OURS}\nsources: [{name: a, write_key: '${OURS}'}]  # $${NOT} ${x";
  EXPECT_EQ(VariablesIn(own), (std::set<std::string, std::less<>>{"NOT", "OURS"}));
  input.may_expand = [](std::string_view name) { return name == "OURS"; };
  input.text = own;
  EXPECT_TRUE(Load(input));
  input.text = "listen: '${THEIRS}'\n";
  const auto refused = Load(input);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().at(0).ToString(),
              testing::StartsWith("t.yaml:1:9: listen uses ${THEIRS}, which the server's own file "
                                  "does not use"));
}

TEST(Loader, AnErrorThatIsFoundLaterHasItsPlace) {
  LoadInput input;
  input.file_name = "t.yaml";
  input.text = "destinations:\n  - name: a\n    url: x\n";
  const auto loaded = Load(input);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->place({ErrorCode::kInvalid, "destinations[0].url", "is odd"}).ToString(),
            "t.yaml:3:5: is odd");
  EXPECT_EQ(loaded->place({ErrorCode::kIo, "the disk"}).line, 0);
}

TEST(Loader, HostileFilesAreBounded) {
  EXPECT_NE(FirstProblem(std::string(100'000, '[')), "no problem");
  EXPECT_NE(FirstProblem("a: " + std::string(100, '[') + std::string(100, ']')), "no problem");
  std::string bomb = "a0: &a0 [x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string inner = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) bomb += inner + ", ";
    bomb += inner + "]\n";
  }
  EXPECT_THAT(FirstProblem(bomb), testing::HasSubstr("repeats too much by aliases"));
  EXPECT_THAT(
      FirstProblem("a: &a [*a]\n"),
      testing::AllOf(testing::StartsWith("t.yaml:1:4: a[0][0]"),
                     testing::EndsWith("… is nested too deep or repeats too much by aliases")));
  EXPECT_THAT(FirstProblem("threads: &a [*a]\n"), testing::Not(testing::StrEq("no problem")));
  EXPECT_THAT(FirstProblem(std::string(kConfigBytesMax + 1, '#')),
              testing::HasSubstr("longer than"));
  EXPECT_TRUE(LoadText(std::string(kConfigBytesMax, '#')));
  for (const char* text :
       {"a[b: 1", "sources[zz.q: 1", "? [a]\n: 1", "a/b~c: {d: 1}", "\"\": 1", "sources: [[]]",
        "tokens: [null]", "destinations: [1]", "\xff: 1", "<<: {threads: 2}", "!!binary x: 1",
        "listen: !!int 5", ".a: 1", "..: 1", "retention: {\"a.b\": 1}"}) {
    EXPECT_NE(FirstProblem(text), "no problem") << text;
  }
}

TEST(Loader, NoProblemQuotesASecret) {
  const Environment environment = {{"SECRET", "CANARY"}};
  for (const char* text :
       {"tokens: [{token: CAN ARY CANARY}]", "tokens: [{token: [CANARY]}]",
        "access_keys: [{id: a, secret: {b: CANARY}}]", "sources: [{name: a, write_keys: CANARY}]",
        "sources: [{name: a, write_key: CANARY}, {name: b, write_key: CANARY}]",
        "tokens: [{token: '${SECRET}', scopes: [x]}]",
        "tokens: [{token: ${SECRET}}, {token: CANARY}]"}) {
    const auto loaded = LoadText(text, environment);
    ASSERT_FALSE(loaded) << text;
    for (const Problem& p : loaded.error()) {
      EXPECT_EQ(p.ToString().find("CANARY"), std::string::npos) << p.ToString();
    }
  }
}

}  // namespace
}  // namespace tributary::config
