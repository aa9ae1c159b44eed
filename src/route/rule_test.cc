#include "route/rule.h"

#include <gtest/gtest.h>

namespace tributary::route {
namespace {

std::optional<log::SourceId> OnlyWeb(std::string_view name) {
  if (name == "web") return 7;
  return std::nullopt;
}

Rule MakeRule(const RuleOptions& options) {
  Result<Rule> rule = Rule::Compile(options, {}, OnlyWeb);
  EXPECT_TRUE(rule.has_value());
  // What is stored is what decides after a restart, so every test goes through it.
  return Rule::Load(rule->Store()).value();
}

log::RecordFields Track(std::string_view name) {
  return {.source = 7, .type = log::EventType::kTrack, .name = name};
}

std::string FieldOf(const RuleOptions& options) {
  const Result<Rule> rule = Rule::Compile(options, {}, OnlyWeb);
  return rule ? "accepted" : rule.error().field();
}

TEST(NamePattern, StarStandsForAnyRunAndNothingElseIsSpecial) {
  EXPECT_TRUE(NamePattern("Order *").Matches("Order Completed"));
  EXPECT_TRUE(NamePattern("Order *").Matches("Order "));
  EXPECT_FALSE(NamePattern("Order *").Matches("Order"));
  EXPECT_FALSE(NamePattern("Order *").Matches("order x"));
  EXPECT_TRUE(NamePattern("*").Matches(""));
  EXPECT_TRUE(NamePattern("a*b*c").Matches("a-b-b-c"));
  EXPECT_FALSE(NamePattern("a*b*c").Matches("a-c-b"));
  EXPECT_FALSE(NamePattern("ab*ba").Matches("aba"));  // head and tail may not share bytes
  EXPECT_TRUE(NamePattern("a.c").Matches("a.c"));
  EXPECT_FALSE(NamePattern("a.c").Matches("abc"));
  EXPECT_TRUE(NamePattern("**x**").Matches("yxy"));
}

TEST(NamePattern, ManyStarsStayLinear) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  EXPECT_FALSE(NamePattern(pattern + "b").Matches(std::string(1'000, 'a')));
}

TEST(Rule, EmptyListsTakeEveryEvent) {
  const Rule rule = MakeRule({});
  EXPECT_TRUE(rule.Matches(Track("x")));
  EXPECT_TRUE(rule.Matches({.source = 9, .type = log::EventType::kOther}));
}

TEST(Rule, TypesNamesAndSourcesAllHaveToMatch) {
  const Rule rule =
      MakeRule({.events = {"track", "page"}, .names = {"Order *", "Home"}, .sources = {"web"}});
  EXPECT_TRUE(rule.Matches(Track("Order Paid")));
  EXPECT_TRUE(rule.Matches(Track("Home")));
  EXPECT_FALSE(rule.Matches(Track("Homes")));
  log::RecordFields other_source = Track("Home");
  other_source.source = 8;
  EXPECT_FALSE(rule.Matches(other_source));
  log::RecordFields identify = Track("Home");
  identify.type = log::EventType::kIdentify;
  EXPECT_FALSE(rule.Matches(identify));
}

TEST(Rule, OtherKindsAndHistoricalRecordsNeedAsking) {
  log::RecordFields old = Track("x");
  old.flags = log::kFlagHistorical;
  EXPECT_FALSE(MakeRule({}).Matches(old));
  EXPECT_TRUE(MakeRule({.include_historical = true}).Matches(old));
  for (const log::Kind kind : {log::Kind::kControl, log::Kind::kDataset, log::Kind::kQueue,
                               log::Kind::kSystem, static_cast<log::Kind>(33)}) {
    log::RecordFields fields = Track("x");
    fields.kind = kind;
    EXPECT_EQ(MakeRule({}).Matches(fields), false) << static_cast<int>(kind);
  }
}

TEST(Rule, WrongEntriesAreNamed) {
  EXPECT_EQ(FieldOf({.events = {"track", "Track"}}), "events[1]");
  EXPECT_EQ(FieldOf({.names = {""}}), "names[0]");
  EXPECT_EQ(FieldOf({.sources = {"web", "shop"}}), "sources[1]");
  EXPECT_EQ(FieldOf({.names = {std::string(kRuleEntryBytesMax, 'n')}}), "accepted");
  EXPECT_EQ(FieldOf({.names = {std::string(kRuleEntryBytesMax + 1, 'n')}}), "names[0]");
}

TEST(Rule, BrokenStoredFormIsRefused) {
  EXPECT_EQ(Rule::Load("{").error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(Rule::Load("{}").error().code(), ErrorCode::kCorrupt);
}

TEST(Rule, SystemRecordsGoToWhoAskedForThemAndEventsDoNot) {
  const Rule system = MakeRule({.kind = RuleKind::kSystem, .names = {"destination.*"}});
  EXPECT_EQ(system.kind(), log::Kind::kSystem);
  log::RecordFields notice{.source = 0, .kind = log::Kind::kSystem, .name = "destination.disabled"};
  EXPECT_TRUE(system.Matches(notice));
  EXPECT_FALSE(system.Matches(Track("destination.disabled")));
  EXPECT_FALSE(MakeRule({}).Matches(notice));
  notice.name = "event.dead_lettered";
  EXPECT_FALSE(system.Matches(notice));
  EXPECT_EQ(FieldOf({.kind = RuleKind::kSystem, .events = {"track"}}), "events");
}

}  // namespace
}  // namespace tributary::route
