#include "config/option_list.h"

#include <nlohmann/json.hpp>

namespace tributary::config {
namespace {

enum class Order { kNone, kKey };

struct Retry {
  std::vector<MonoNanos> schedule = {0, 5 * kNanosPerSecond};
  static void Describe(OptionList<Retry>& o) {
    o.Durations("schedule", &Retry::schedule, "Waits.", {.min = 1, .max = 3});
  }
};
struct Target {
  std::string name;
  Secret token;
  static void Describe(OptionList<Target>& o) {
    o.Required("name", &Target::name, "Name.");
    o.Optional("token", &Target::token, "Token.");
  }
};
struct Sample {
  std::string url;
  Secret signing_secret;
  bool enabled = true;
  std::uint16_t concurrency = 16;
  double ratio = 0.5;
  MonoNanos timeout_ns = 15 * kNanosPerSecond;
  std::uint64_t size_bytes = 64 << 10;
  Order order = Order::kNone;
  std::vector<std::string> events;
  std::map<std::string, Secret> headers;
  std::map<std::string, std::string> tags;
  Retry retry;
  std::vector<Target> targets;
  JsonText pattern;

  Status Check() const {
    if (order == Order::kKey && concurrency == 1) {
      return Fail(ErrorCode::kInvalid, "concurrency", "must be above 1 with order: key");
    }
    return {};
  }
  static void Describe(OptionList<Sample>& o) {
    o.Required("url", &Sample::url, "Where to send.", {.max = 100});
    o.Optional("signing_secret", &Sample::signing_secret, "Secret.");
    o.Optional("enabled", &Sample::enabled, "On.");
    o.Optional("concurrency", &Sample::concurrency, "At once.", {.min = 1, .max = 64});
    o.Optional("ratio", &Sample::ratio, "Share.", {.min = 0, .max = 1});
    o.Duration("timeout", &Sample::timeout_ns, "Of one attempt.", {.min = kNanosPerMilli});
    o.Bytes("size", &Sample::size_bytes, "Size.");
    o.Enum("order", &Sample::order, {{"none", Order::kNone}, {"key", Order::kKey}}, "Order.");
    o.Optional("events", &Sample::events, "Types.", {.max = 2});
    o.Optional("headers", &Sample::headers, "Headers.");
    o.Optional("tags", &Sample::tags, "Tags.");
    o.Object("retry", &Sample::retry, "Retry.");
    o.ObjectList("targets", &Sample::targets, "Targets.");
    o.Optional("pattern", &Sample::pattern, "Pattern.");
  }
};

Error ErrorOf(std::string_view text) {
  auto parsed = ParseOptions<Sample>(text);
  return parsed ? Error(ErrorCode::kInternal, "no error for " + std::string(text)) : parsed.error();
}

TEST(OptionList, WhatIsNotNamedKeepsItsDefault) {
  const auto o = ParseOptions<Sample>(R"({"url":"http://a"})");
  ASSERT_TRUE(o) << o.error().ToString();
  EXPECT_EQ(o->url, "http://a");
  EXPECT_TRUE(o->enabled);
  EXPECT_EQ(o->concurrency, 16);
  EXPECT_EQ(o->timeout_ns, 15 * kNanosPerSecond);
  EXPECT_EQ(o->retry.schedule.size(), 2u);
}

TEST(OptionList, EveryTypeIsReadAndWrittenBackTheSame) {
  const std::string text = R"({"url":"u","signing_secret":"s3","enabled":false,"concurrency":3,
    "ratio":0.25,"timeout":"250ms","size":"1MiB","order":"key","events":["track"],
    "headers":{"A":"b"},"tags":{"x":"y"},"retry":{"schedule":["1s"]},
    "targets":[{"name":"n","token":"t"}],"pattern":{"a":[1]}})";
  const auto o = ParseOptions<Sample>(text);
  ASSERT_TRUE(o) << o.error().ToString();
  EXPECT_EQ(o->size_bytes, 1u << 20);
  EXPECT_EQ(o->order, Order::kKey);
  EXPECT_EQ(o->headers.at("A").Reveal(), "b");
  EXPECT_EQ(o->targets.at(0).token.Reveal(), "t");
  EXPECT_EQ(o->pattern.text, R"({"a":[1]})");
  EXPECT_EQ(nlohmann::json::parse(OptionsText(*o, false)), nlohmann::json::parse(text));
}

TEST(OptionList, SecretsAreRedactedAndEmptyOnesAreNot) {
  const auto o = ParseOptions<Sample>(
      R"({"url":"u","signing_secret":"CANARY1","headers":{"H":"CANARY2"},
          "targets":[{"name":"n","token":"CANARY3"},{"name":"m"}],"pattern":{"k":"CANARY4"}})");
  ASSERT_TRUE(o);
  const std::string shown = OptionsText(*o, true);
  EXPECT_EQ(shown.find("CANARY"), std::string::npos) << shown;
  const auto j = nlohmann::json::parse(shown);
  EXPECT_EQ(j["signing_secret"], "***");
  EXPECT_EQ(j["headers"]["H"], "***");
  EXPECT_EQ(j["targets"][1]["token"], "");
}

TEST(OptionList, ErrorsNameTheFieldWithItsPath) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({})", "url is required"},
      {R"({"url":null})", "url is required"},
      {R"({"url":""})", "url must not be empty"},
      {R"({"url":1})", "url must be a text"},
      {R"({"url":"u","enabled":"yes"})", "enabled must be true or false"},
      {R"({"url":"u","concurrency":0})", "concurrency must be from 1 to 64"},
      {R"({"url":"u","concurrency":65})", "concurrency must be from 1 to 64"},
      {R"({"url":"u","concurrency":1.5})", "concurrency must be a whole number"},
      {R"({"url":"u","concurrency":18446744073709551615})", "concurrency must be a whole number"},
      {R"({"url":"u","ratio":1.01})", "ratio must be from 0 to 1"},
      {R"({"url":"u","timeout":15})",
       R"(timeout must be a duration such as "250ms", "5s" or "7d")"},
      {R"({"url":"u","timeout":"0s"})", "timeout must be at least 1ms"},
      {R"({"url":"u","size":"12 apples"})",
       "size must be a size: '12 apples' is no size: write it "
       "like 512, 64KiB, 10MiB or 2GiB"},
      {R"({"url":"u","order":"keys"})", "order must be one of: none, key (did you mean 'key'?)"},
      {R"({"url":"u","events":["a",2]})", "events[1] must be a text"},
      {R"({"url":"u","events":["a","b","c"]})", "events must have at most 2 entries"},
      {R"({"url":"u","headers":{"A":1}})", "headers.A must be a text"},
      {R"({"url":"u","headers":"x"})", "headers must be an object"},
      {R"({"url":"u","retry":{"schedule":["0s","5x"]}})",
       "retry.schedule[1] must be a duration: '5x' is no duration: write it like 250ms, 5s, 10m, "
       "2h "
       "or 7d"},
      {R"({"url":"u","retry":{"schedule":[]}})", "retry.schedule must not be empty"},
      {R"({"url":"u","targets":[{"name":"a"},{}]})", "targets[1].name is required"},
      {R"({"url":"u","targets":{}})", "targets must be a list"},
      {R"({"url":"u","order":"key","concurrency":1})",
       "concurrency must be above 1 with order: key"},
      {R"({"url":"u","concurency":1})",
       "concurency is not a known option; did you mean 'concurrency'?"},
      {R"({"url":"u","retry":{"shedule":[]}})",
       "retry.shedule is not a known option; did you mean 'schedule'?"},
      {R"({"url":"u","zzzzzzzz":1})", "zzzzzzzz is not a known option"},
  };
  for (const auto& [text, message] : cases) {
    const Error e = ErrorOf(text);
    EXPECT_EQ(e.message(), message) << text;
    EXPECT_EQ(e.code(), ErrorCode::kInvalid);
    EXPECT_EQ(message.find(e.field()), 0u) << text;
  }
}

TEST(OptionList, BrokenJsonIsPlacedAndNeverQuoted) {
  EXPECT_EQ(ErrorOf("{\"url\":\n CANARY}").message(), "not valid JSON at line 2, column 2");
  EXPECT_EQ(ErrorOf("").message(), "not valid JSON at line 1, column 1");
  EXPECT_EQ(ErrorOf("[]").message(), "the body must be a JSON object");
  EXPECT_EQ(ErrorOf(R"({"url":"a","url":"b"})").message(),
            "the JSON text names 'url' twice in one object");
  EXPECT_EQ(ErrorOf(R"({"url":"a","ratio":1e999})").message(),
            "the JSON text has a number that is out of range");
}

TEST(OptionList, NestingAndSizeAreLimited) {
  const auto nested = [](int levels) {
    return R"({"url":"u","pattern":)" + std::string(static_cast<std::size_t>(levels), '[') +
           std::string(static_cast<std::size_t>(levels), ']') + "}";
  };
  EXPECT_TRUE(ParseOptions<Sample>(nested(kOptionsDepthMax - 1)));
  EXPECT_FALSE(ParseOptions<Sample>(nested(kOptionsDepthMax)));
  std::string text = R"({"url":"u"})";
  text.resize(kOptionsBytesMax, ' ');
  EXPECT_TRUE(ParseOptions<Sample>(text));
  EXPECT_EQ(ErrorOf(text + " ").code(), ErrorCode::kTooLarge);
  EXPECT_TRUE(ParseOptions<Sample>(R"({"url":")" + std::string(100, 'x') + "\"}"));
  EXPECT_EQ(ErrorOf(R"({"url":")" + std::string(101, 'x') + "\"}").message(),
            "url must have at most 100 bytes");
}

TEST(OptionList, PatchKeepsWhatItDoesNotNameAndNullMeansTheDefault) {
  const auto base = ParseOptions<Sample>(
      R"({"url":"u","concurrency":3,"signing_secret":"s","headers":{"A":"1","B":"2"},
          "retry":{"schedule":["1s"]}})");
  ASSERT_TRUE(base);
  const auto o = PatchOptions<Sample>(
      R"({"concurrency":null,"signing_secret":"***","headers":{"A":"***","B":null,"C":"3"}})",
      *base);
  ASSERT_TRUE(o) << o.error().ToString();
  EXPECT_EQ(o->url, "u");
  EXPECT_EQ(o->concurrency, 16);
  EXPECT_EQ(o->signing_secret.Reveal(), "s");
  EXPECT_EQ(o->retry.schedule, std::vector<MonoNanos>{kNanosPerSecond});
  ASSERT_EQ(o->headers.size(), 2u);
  EXPECT_EQ(o->headers.at("A").Reveal(), "1");
  EXPECT_EQ(o->headers.at("C").Reveal(), "3");
  EXPECT_EQ(PatchOptions<Sample>(R"({"url":null})", *base).error().message(), "url is required");
}

TEST(OptionList, StarsAreNotTakenForASecretThatWasNeverSet) {
  EXPECT_EQ(ErrorOf(R"({"url":"u","signing_secret":"***"})").field(), "signing_secret");
  EXPECT_EQ(ErrorOf(R"({"url":"u","headers":{"A":"***"}})").field(), "headers.A");
}

TEST(OptionList, DefaultsAreKnownAsTheyWouldBeWritten) {
  const auto& specs = OptionList<Sample>::Specs();
  const auto text = [&](std::string_view name) {
    for (const OptionSpec& spec : specs) {
      if (spec.name == name) return spec.default_text;
    }
    return std::string("?");
  };
  EXPECT_EQ(text("url"), "");
  EXPECT_EQ(text("concurrency"), "16");
  EXPECT_EQ(text("timeout"), "\"15s\"");
  EXPECT_EQ(text("size"), "\"64KiB\"");
  EXPECT_EQ(text("order"), "\"none\"");
}

TEST(Suggestion, OffersOnlyWhatIsClose) {
  const std::vector<std::string> names = {"listen", "data_dir", "sources"};
  EXPECT_EQ(Suggestion("lisen", names), "listen");
  EXPECT_EQ(Suggestion("lsiten", names), "listen");
  EXPECT_EQ(Suggestion("datadir", names), "data_dir");
  EXPECT_EQ(Suggestion("destinations", names), "");
  EXPECT_EQ(Suggestion("", names), "");
  EXPECT_EQ(Suggestion(std::string(100'000, 'x'), names), "");
}

struct WithNumber {
  std::uint32_t revision = 0;
  static void Describe(OptionList<WithNumber>& o) {
    o.Required("revision", &WithNumber::revision, "A number.", {.min = 1});
  }
};

TEST(OptionList, ARequiredNumberThatIsNotNamedIsMissed) {
  const auto missing = ParseOptions<WithNumber>("{}");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "revision is required");
  EXPECT_EQ(ParseOptions<WithNumber>(R"({"revision":3})")->revision, 3u);
}

}  // namespace
}  // namespace tributary::config
