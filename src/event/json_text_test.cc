#include "event/json_text.h"

#include <nlohmann/json.hpp>

namespace tributary::event {
namespace {

TEST(JsonText, StringsReadBackAsWritten) {
  for (const std::string& text : {std::string("plain"), std::string("q\"b\\s/\b\f\n\r\t\x01\x1f"),
                                  std::string("é€😀"), std::string(), std::string("a\0b", 3)}) {
    std::string out;
    AppendJsonString(out, text);
    EXPECT_EQ(nlohmann::json::parse(out).get<std::string>(), text);
  }
}

TEST(JsonText, EscapesAreUndone) {
  std::string out;
  AppendUnescaped(out, R"(a\"\\\/\b\f\n\r\tA\u00e9\u20ac\ud83d\ude00)");
  EXPECT_EQ(out, "a\"\\/\b\f\n\r\tAé€😀");
  out.clear();
  AppendUnescaped(out, R"(\ud83d|\ude00|\ud83dx)");
  EXPECT_EQ(out, "\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBDx");
}

TEST(JsonText, FindsRawFieldsOfTheTopLevelOnly) {
  constexpr std::string_view kObject = R"( {"x":{"a":"inner"}, "s":"}\"],{" , "a" : 1 ,)"
                                       R"( "list":[{"a":2}], "\u0062":true,"a":-1.50} )";
  EXPECT_EQ(FindRawField(kObject, "a"), "-1.50");  // the last of its name
  EXPECT_EQ(FindRawField(kObject, "b"), "true");
  EXPECT_EQ(FindRawField(kObject, "s"), R"("}\"],{")");
  EXPECT_EQ(FindRawField(kObject, "x"), R"({"a":"inner"})");
  EXPECT_EQ(FindRawField(kObject, "list"), R"([{"a":2}])");
  EXPECT_EQ(FindRawField(kObject, "inner"), "");
  EXPECT_EQ(FindRawField("{}", "a"), "");
  EXPECT_EQ(FindRawField("[1]", "a"), "");
}

TEST(JsonText, OnlyStringsHaveAText) {
  std::string text;
  EXPECT_TRUE(RawStringText(R"("a\tb")", text));
  EXPECT_EQ(text, "a\tb");
  EXPECT_FALSE(RawStringText("12", text));
  EXPECT_FALSE(RawStringText("", text));
}

}  // namespace
}  // namespace tributary::event
