#include "route/pattern.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "route/rule.h"

namespace tributary::route {
namespace {

using nlohmann::json;

bool Matches(std::string_view pattern, std::string_view event) {
  const auto read = Pattern::Read(json::parse(pattern));
  EXPECT_TRUE(read.has_value()) << pattern << ": " << read.error().message();
  event::JsonDocument document;
  const auto value = document.Parse(event);
  EXPECT_TRUE(value.has_value()) << event;
  return read && value && read->Matches(*value);
}

// The field of what is wrong with a pattern.
std::string Wrong(const json& pattern) {
  const auto read = Pattern::Read(pattern);
  if (read) return "accepted";
  EXPECT_TRUE(read.error().message().starts_with(read.error().field())) << read.error().message();
  return read.error().field();
}

struct Case {
  const char* pattern;
  const char* event;
  bool matches;
};

TEST(Pattern, EveryOperatorSaysYesAndNo) {
  const Case cases[] = {
      {R"({"a":["x","y"]})", R"({"a":"y"})", true},
      {R"({"a":["x"]})", R"({"a":"X"})", false},
      {R"({"a":["x"]})", R"({"a":"\u0078"})", true},
      {R"({"a":["1"]})", R"({"a":1})", false},
      {R"({"a":[1]})", R"({"a":"1"})", false},
      {R"({"a":[1]})", R"({"a":1.0})", true},
      {R"({"a":[100]})", R"({"a":1e2})", true},
      {R"({"a":[0.1]})", R"({"a":0.10000000000000001})", false},
      {R"({"a":[9007199254740993]})", R"({"a":9007199254740993})", true},
      {R"({"a":[9007199254740993]})", R"({"a":9007199254740992})", false},
      {R"({"a":[true]})", R"({"a":true})", true},
      {R"({"a":[true]})", R"({"a":false})", false},
      {R"({"a":["true"]})", R"({"a":true})", false},
      {R"({"a":[null]})", R"({"a":null})", true},
      {R"({"a":[null]})", R"({})", false},
      {R"({"a":[""]})", R"({"a":""})", true},
      {R"({"a":[{"prefix":"ab"}]})", R"({"a":"abc"})", true},
      {R"({"a":[{"prefix":"ab"}]})", R"({"a":"a"})", false},
      {R"({"a":[{"prefix":{"equals-ignore-case":"AB"}}]})", R"({"a":"aBc"})", true},
      {R"({"a":[{"suffix":".png"}]})", R"({"a":"x.png"})", true},
      {R"({"a":[{"suffix":".png"}]})", R"({"a":"x.PNG"})", false},
      {R"({"a":[{"suffix":{"equals-ignore-case":".PNG"}}]})", R"({"a":"x.pNg"})", true},
      {R"({"a":[{"equals-ignore-case":"Alice"}]})", R"({"a":"aLICE"})", true},
      {R"({"a":[{"equals-ignore-case":"Alice"}]})", R"({"a":"alices"})", false},
      {R"({"a":[{"wildcard":"a*c"}]})", R"({"a":"abbc"})", true},
      {R"({"a":[{"wildcard":"a*c"}]})", R"({"a":"abb"})", false},
      {R"({"a":[{"wildcard":"a\\*c"}]})", R"({"a":"a*c"})", true},
      {R"({"a":[{"wildcard":"a\\*c"}]})", R"({"a":"abc"})", false},
      {R"({"a":[{"wildcard":"\\\\*"}]})", R"({"a":"\\x"})", true},
      {R"({"a":[{"wildcard":"*"}]})", R"({"a":""})", true},
      {R"({"a":[{"wildcard":"*"}]})", R"({"a":5})", false},
      {R"({"a":[{"numeric":[">",0,"<=",5]}]})", R"({"a":5})", true},
      {R"({"a":[{"numeric":[">",0,"<=",5]}]})", R"({"a":5.0000000000000000001})", false},
      {R"({"a":[{"numeric":[">",0,"<=",5]}]})", R"({"a":0})", false},
      {R"({"a":[{"numeric":["=",5]}]})", R"({"a":5.00})", true},
      {R"({"a":[{"numeric":[">=",-1]}]})", R"({"a":-1e0})", true},
      {R"({"a":[{"numeric":["<",0]}]})", R"({"a":"-1"})", false},
      {R"({"a":[{"numeric":[">",1]}]})", R"({"a":1e400})", true},
      {R"({"a":[{"exists":true}]})", R"({"a":null})", true},
      {R"({"a":[{"exists":true}]})", R"({"a":{}})", true},
      {R"({"a":[{"exists":true}]})", R"({"a":[]})", true},
      {R"({"a":[{"exists":true}]})", R"({"b":1})", false},
      {R"({"a":[{"exists":false}]})", R"({"b":1})", true},
      {R"({"a":[{"exists":false}]})", R"({"a":null})", false},
      {R"({"a":[{"exists":false},"x"]})", R"({"a":"x"})", true},
      {R"({"a":[{"exists":false},"x"]})", R"({})", true},
      {R"({"a":{"b":[{"exists":false}]}})", R"({})", true},
      {R"({"a":{"b":[{"exists":false}]}})", R"({"a":{"b":1}})", false},
      {R"({"a":{"b":[{"exists":false}],"c":["x"]}})", R"({})", false},
      {R"({"a":[{"anything-but":"x"}]})", R"({"a":"y"})", true},
      {R"({"a":[{"anything-but":"x"}]})", R"({"a":"x"})", false},
      {R"({"a":[{"anything-but":"x"}]})", R"({})", false},
      {R"({"a":[{"anything-but":["x",7]}]})", R"({"a":7.0})", false},
      {R"({"a":[{"anything-but":["x",7]}]})", R"({"a":8})", true},
      {R"({"a":[{"anything-but":{"prefix":"in"}}]})", R"({"a":"out"})", true},
      {R"({"a":[{"anything-but":{"prefix":["in","o"]}}]})", R"({"a":"out"})", false},
      {R"({"a":[{"anything-but":{"suffix":"x"}}]})", R"({"a":"ax"})", false},
      {R"({"a":[{"anything-but":{"wildcard":"*/x/*"}}]})", R"({"a":"1/x/2"})", false},
      {R"({"a":[{"anything-but":{"equals-ignore-case":["A","b"]}}]})", R"({"a":"B"})", false},
      {R"({"a":[{"anything-but":{"equals-ignore-case":["A","b"]}}]})", R"({"a":"c"})", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Matches(c.pattern, c.event), c.matches) << c.pattern << " on " << c.event;
  }
}

TEST(Pattern, StructureOfBothSides) {
  const Case cases[] = {
      {R"({"a":["x"],"b":["y"]})", R"({"b":"y","a":"x","c":1})", true},
      {R"({"a":["x"],"b":["y"]})", R"({"a":"x"})", false},
      {R"({"a":{"b":{"c":[1]}}})", R"({"a":{"b":{"c":1}}})", true},
      {R"({"a":{"b":[1]}})", R"({"a":1})", false},
      {R"({"a":["x"]})", R"({"a":{"x":"x"}})", false},
      // One element of an array is enough; an object pattern has to fit one of them whole.
      {R"({"a":["x"]})", R"({"a":["y","x"]})", true},
      {R"({"a":["x"]})", R"({"a":[["x"]]})", true},
      {R"({"a":["x"]})", R"({"a":[]})", false},
      {R"({"a":[{"anything-but":"x"}]})", R"({"a":["x","y"]})", true},
      {R"({"a":{"b":[1],"c":[2]}})", R"({"a":[{"b":1,"c":2}]})", true},
      {R"({"a":{"b":[1],"c":[2]}})", R"({"a":[{"b":1},{"c":2}]})", false},
      // Of repeated fields the last one counts.
      {R"({"a":[1]})", R"({"a":1,"a":2})", false},
      {R"({"a":[2]})", R"({"a":1,"a":2})", true},
      {R"({"$or":[{"a":[1]},{"b":[2]}]})", R"({"b":2})", true},
      {R"({"$or":[{"a":[1]},{"b":[2]}]})", R"({"a":2,"b":1})", false},
      {R"({"c":[3],"$or":[{"a":[1]},{"b":[2]}]})", R"({"b":2})", false},
      {R"({"p":{"$or":[{"a":[1]},{"b":[2]}]}})", R"({"p":{"a":1}})", true},
      {R"({"p":{"$or":[{"a":[1]},{"b":[2]}]}})", R"({"p":{}})", false},
      {R"({"\u0061":["x"]})", R"({"\u0061":"x"})", true},
      {R"({"a":["x"]})", R"(["a","x"])", false},
      {R"({"a":[{"exists":false}]})", R"("text")", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Matches(c.pattern, c.event), c.matches) << c.pattern << " on " << c.event;
  }
}

TEST(Pattern, ManyFieldsOfOneObject) {
  json pattern = json::object();
  json event = json::object();
  for (int i = 0; i < 30; ++i) {
    pattern["f" + std::to_string(i)] = {i};
    event["f" + std::to_string(i)] = i;
  }
  EXPECT_TRUE(Matches(pattern.dump(), event.dump()));
  event["f29"] = 0;
  EXPECT_FALSE(Matches(pattern.dump(), event.dump()));
}

TEST(Pattern, WhatIsWrongIsNamedByItsPlace) {
  EXPECT_EQ(Wrong(json::array({1})), "pattern");
  EXPECT_EQ(Wrong(json::object()), "pattern");
  EXPECT_EQ(Wrong({{"a", "x"}}), "pattern.a");
  EXPECT_EQ(Wrong({{"a", json::array()}}), "pattern.a");
  EXPECT_EQ(Wrong({{"a", json::object()}}), "pattern.a");
  EXPECT_EQ(Wrong(json::parse(R"({"a":{"b":["x",["y"]]}})")), "pattern.a.b[1]");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"like":"x"}]})")), "pattern.a[0].like");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"prefix":"x","suffix":"y"}]})")), "pattern.a[0]");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{}]})")), "pattern.a[0]");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"prefix":""}]})")), "pattern.a[0].prefix");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"prefix":{"wildcard":"x"}}]})")), "pattern.a[0].prefix");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"exists":"yes"}]})")), "pattern.a[0].exists");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"wildcard":"a\\b"}]})")), "pattern.a[0].wildcard");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"numeric":[]}]})")), "pattern.a[0].numeric");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"numeric":["~",1]}]})")), "pattern.a[0].numeric[0]");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"numeric":["<","1"]}]})")), "pattern.a[0].numeric[1]");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"anything-but":{"exists":true}}]})")),
            "pattern.a[0].anything-but");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[{"anything-but":[["x"]]}]})")),
            "pattern.a[0].anything-but[0]");
  EXPECT_EQ(Wrong(json::parse(R"({"$or":{"a":["x"]}})")), "pattern.$or");
  EXPECT_EQ(Wrong(json::parse(R"({"$or":[]})")), "pattern.$or");
  EXPECT_EQ(Wrong(json::parse(R"({"$or":[{"a":[1]},5]})")), "pattern.$or[1]");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[0.12345678901234567]})")), "pattern.a[0]");
  EXPECT_EQ(Wrong(json::parse(R"({"a":[123456789012345678901234567890]})")), "pattern.a[0]");
}

TEST(Pattern, LimitsHoldAndOnePastThemIsRefused) {
  const auto nested = [](std::size_t depth) {
    json pattern{{"a", {"x"}}};
    for (std::size_t i = 1; i < depth; ++i) pattern = json{{"a", pattern}};
    return pattern;
  };
  EXPECT_EQ(Wrong(nested(kPatternDepthMax)), "accepted");
  EXPECT_NE(Wrong(nested(kPatternDepthMax + 1)), "accepted");

  const auto values = [](std::size_t n) {
    json list = json::array();
    for (std::size_t i = 0; i < n; ++i) list.push_back(i);
    return json{{"a", list}};
  };
  EXPECT_EQ(Wrong(values(kPatternTestsMax)), "accepted");
  EXPECT_EQ(Wrong(values(kPatternTestsMax + 1)), "pattern.a[1000]");

  const auto choices = [](std::size_t n) { return json{{"$or", json(n, json{{"a", {"x"}}})}}; };
  EXPECT_EQ(Wrong(choices(kPatternOrMax)), "accepted");
  EXPECT_EQ(Wrong(choices(kPatternOrMax + 1)), "pattern.$or[100]");

  const auto stars = [](std::size_t n) {
    return json{{"a", {{{"wildcard", std::string(n, '*')}}}}};
  };
  EXPECT_EQ(Wrong(stars(kPatternStarsMax)), "accepted");
  EXPECT_EQ(Wrong(stars(kPatternStarsMax + 1)), "pattern.a[0].wildcard");

  const std::size_t around = json{{"a", {""}}}.dump().size();
  EXPECT_EQ(Wrong({{"a", {std::string(kPatternBytesMax - around, 'x')}}}), "accepted");
  EXPECT_EQ(Wrong({{"a", {std::string(kPatternBytesMax - around + 1, 'x')}}}), "pattern");
}

TEST(Pattern, WildcardsStayLinear) {
  std::string text;
  for (std::size_t i = 0; i < kPatternStarsMax; ++i) text += "a*";
  EXPECT_FALSE(Matches(json{{"p", {{{"wildcard", text + "b"}}}}}.dump(),
                       json{{"p", std::string(100'000, 'a')}}.dump()));
}

// ---- What else a rule sees inside ----

Rule RuleOf(const RuleOptions& options) {
  const auto none = [](std::string_view) { return std::optional<log::SourceId>(); };
  const auto rule = Rule::Compile(options, {.name = "Hook", .type = "webhook"}, none);
  EXPECT_TRUE(rule.has_value());
  return Rule::Load(rule->Store()).value();  // what is stored decides after a restart
}

TEST(Rule, EventExcludesDestinationsByIntegrations) {
  const Rule rule = RuleOf({});
  EXPECT_TRUE(rule.looks_inside());
  const std::pair<const char*, bool> cases[] = {
      {R"({})", true},
      {R"({"integrations":{}})", true},
      {R"({"integrations":{"All":true}})", true},
      {R"({"integrations":{"All":false}})", false},
      {R"({"integrations":{"all":false}})", true},
      {R"({"integr\u0061tions":{"\u0041ll":false}})", false},
      {R"({"integrations":{"All":false,"Hook":true}})", true},
      {R"({"integrations":{"All":false,"Hook":{"x":1}}})", true},
      {R"({"integrations":{"All":false,"hook":{"x":1}}})", false},
      {R"({"integrations":{"Hook":false}})", false},
      {R"({"integrations":{"HOOK":false}})", true},
      {R"({"integrations":{"webhook":false}})", false},
      {R"({"integrations":{"webhook":false,"Hook":true}})", true},
      {R"({"integrations":{"All":false,"Webhook":true}})", true},
      {R"({"integrations":{"Other":false}})", true},
      {R"({"integrations":{"Hook":null}})", true},
      {R"({"integrations":{"All":"false"}})", true},
      {R"({"integrations":false})", true},
      {R"({"properties":{"integrations":{"All":false}}})", true},
      {R"({"properties":{"x":"\"integrations\""}})", true},
  };
  for (const auto& [event, wanted] : cases)
    EXPECT_EQ(rule.MatchesInside({}, event), wanted) << event;
}

TEST(Rule, BelievesTheMarkThatAnEventIsForAllAndReadsThoseWithout) {
  const Rule rule = RuleOf({});
  const std::string_view excludes = R"({"integrations":{"All":false}})";
  EXPECT_FALSE(rule.MatchesInside({}, excludes));
  EXPECT_FALSE(rule.MatchesInside({.flags = log::kFlagHistorical}, excludes));
  EXPECT_TRUE(rule.MatchesInside({.flags = log::kFlagForAll}, R"({"integrations":{}})"));
}

TEST(Rule, SaysWhichPartOfItSaysNo) {
  const Rule rule = RuleOf({.events = {"track"},
                            .names = {"Order *"},
                            .sources = {},
                            .pattern = {R"({"properties":{"plan":["pro"]}})"}});
  const log::RecordFields order{.type = log::EventType::kTrack, .name = "Order Paid"};
  EXPECT_EQ(rule.WhyNot(order, R"({"properties":{"plan":"pro"}})"), "");
  EXPECT_EQ(rule.WhyNot(order, R"({"properties":{"plan":"x"}})"), "pattern");
  EXPECT_EQ(rule.WhyNot(order, R"({"integrations":{"All":false},"properties":{"plan":"pro"}})"),
            "integrations");
  EXPECT_EQ(rule.WhyNot({.type = log::EventType::kTrack, .name = "x"}, "{}"), "names");
  EXPECT_EQ(rule.WhyNot({.type = log::EventType::kPage, .name = "Order x"}, "{}"), "events");
  EXPECT_EQ(rule.WhyNot({.kind = log::Kind::kSystem}, "{}"), "kind");
  EXPECT_EQ(rule.WhyNot({.type = log::EventType::kTrack, .flags = log::kFlagHistorical}, "{}"),
            "include_historical");
}

TEST(Rule, RuleStoredByAnOlderVersionStillLoads) {
  const auto rule =
      Rule::Load(R"({"events":[],"names":[],"source_ids":[],"include_historical":false})");
  ASSERT_TRUE(rule.has_value());
  EXPECT_FALSE(rule->looks_inside());
  EXPECT_EQ(rule->filter(), "");
}

}  // namespace
}  // namespace tributary::route
