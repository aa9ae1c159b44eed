#include "config/json_schema.h"

#include <nlohmann/json.hpp>

#include "config/option_list.h"

namespace tributary::config {
namespace {

using nlohmann::json;

enum class Shade { kLight, kDark };

struct Part {
  std::string name;
  std::uint32_t count = 1;
  static void Describe(OptionList<Part>& o) {
    o.Required("name", &Part::name, "Its name.");
    o.Optional("count", &Part::count, "How many.");
  }
};
struct Whole {
  std::string url;
  Secret token;
  Shade shade = Shade::kLight;
  std::map<std::string, std::string> tags;
  Part part;
  std::vector<Part> parts;
  JsonText pattern;
  static void Describe(OptionList<Whole>& o) {
    o.Required("url", &Whole::url, "Where to.");
    o.Optional("token", &Whole::token, "Who.");
    o.Enum("shade", &Whole::shade, {{"light", Shade::kLight}, {"dark", Shade::kDark}}, "Which.");
    o.Optional("tags", &Whole::tags, "Words.");
    o.Object("part", &Whole::part, "One.");
    o.ObjectList("parts", &Whole::parts, "Several.");
    o.Optional("pattern", &Whole::pattern, "Any.");
  }
};

const std::vector<OptionSpec>& WholeSpecs() {
  return OptionList<Whole>::Specs();
}

const json kText = {{"type", "string"}};
const json kNull = {{"type", "null"}};

TEST(JsonSchema, AWriteNeedsWhatIsRequiredAndRefusesTheUnknown) {
  const json schema = json::parse(schema::OptionsToWrite(WholeSpecs()));
  EXPECT_EQ(schema["required"], json::array({"url"}));
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["properties"].size(), WholeSpecs().size());
  EXPECT_EQ(schema["properties"]["url"], json({{"type", "string"}, {"description", "Where to."}}));
}

TEST(JsonSchema, NullGoesBackToADefaultWhereThereIsOne) {
  for (const auto& text :
       {schema::OptionsToWrite(WholeSpecs()), schema::OptionsToChange(WholeSpecs())}) {
    const json members = json::parse(text)["properties"];
    EXPECT_EQ(members["token"]["anyOf"], json::array({kText, kNull}));
    EXPECT_EQ(members["shade"]["anyOf"][0]["enum"], json::array({"light", "dark"}));
    EXPECT_FALSE(members["url"].contains("anyOf")) << "there is none";
    EXPECT_FALSE(members["pattern"].contains("type")) << "anything, so null too";
  }
}

TEST(JsonSchema, AChangeNeedsNothingButTheWholeOfAListsEntry) {
  const json schema = json::parse(schema::OptionsToChange(WholeSpecs()));
  EXPECT_FALSE(schema.contains("required"));
  EXPECT_FALSE(schema["properties"]["part"]["anyOf"][0].contains("required")) << "it is merged";
  EXPECT_EQ(schema["properties"]["parts"]["anyOf"][0]["items"]["required"], json::array({"name"}));
  const json tags = schema["properties"]["tags"]["anyOf"][0];
  EXPECT_EQ(tags["additionalProperties"]["type"], json::array({"string", "null"}))
      << "null takes one out";
}

TEST(JsonSchema, WhatIsShownIsNeverNull) {
  const json members = json::parse(schema::OptionsShown(WholeSpecs()))["properties"];
  for (const auto& [name, member] : members.items()) EXPECT_FALSE(member.contains("anyOf")) << name;
  EXPECT_EQ(members["tags"]["additionalProperties"], kText);
}

TEST(JsonSchema, MembersAreThereUnlessTheyMayBeAbsent) {
  const schema::Schema some = schema::Object({{"a", schema::Text()}, {"b?", schema::Flag()}});
  const json object = json::parse(some);
  EXPECT_EQ(object["required"], json::array({"a"}));
  EXPECT_TRUE(object["properties"].contains("b"));
  EXPECT_EQ(json::parse(schema::Requiring(some, {"b"}))["required"], json::array({"a", "b"}));
  EXPECT_FALSE(json::parse(schema::Open(some)).contains("additionalProperties"));
  EXPECT_EQ(json::parse(schema::With(some, {{"c", kText.dump()}}))["required"],
            json::array({"a", "c"}));
}

TEST(JsonSchema, MoreMembersMakeAnotherSchemaThatHasNoNameYet) {
  const schema::Schema named = schema::Named("Thing", schema::Object({{"a", schema::Text()}}));
  EXPECT_EQ(json::parse(named)["title"], "Thing");
  EXPECT_FALSE(json::parse(schema::With(named, {{"b", schema::Text()}})).contains("title"));
  EXPECT_EQ(json::parse(schema::PageOf(named))["title"], "ThingPage");
  EXPECT_FALSE(json::parse(schema::PageOf(schema::Text())).contains("title"));
}

}  // namespace
}  // namespace tributary::config
