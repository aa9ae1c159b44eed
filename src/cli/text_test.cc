// escape, table and pretty_json: what a person sees.
#include "base/limits.h"
#include "cli/escape.h"
#include "cli/pretty_json.h"
#include "cli/table.h"

namespace tributary::cli {
namespace {

using ::testing::Optional;

TEST(Escape, TerminalControlsAreShownNotObeyed) {
  EXPECT_EQ(EscapeLine("\x1b[31mred\x07"), "\\x1b[31mred\\x07");
  EXPECT_EQ(EscapeLine("a\x7f"), "a\\x7f");
  EXPECT_EQ(EscapeLine(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(EscapeLine("\xc2\x9b"
                       "31m"),
            "\\u009b31m");  // CSI as one C1 character
}

TEST(Escape, LinesStayOneLineAndBlocksKeepTheirs) {
  EXPECT_EQ(EscapeLine("a\r\n\tb"), "a\\r\\n\\tb");
  EXPECT_EQ(EscapeBlock("a\r\n\tb"), "a\\r\n\tb");
}

TEST(Escape, TextThatReordersOrHidesIsShown) {
  EXPECT_EQ(EscapeLine("\u202Eevil\u2066\u200B\uFEFF\u2028"),
            "\\u202eevil\\u2066\\u200b\\ufeff\\u2028");
}

TEST(Escape, OrdinaryTextOfAnyLanguageStays) {
  const std::string text = "Größe 注文 🛒 \\ \"";
  EXPECT_EQ(EscapeLine(text), text);
}

TEST(Escape, BytesThatAreNoUtf8AreShownOneByOne) {
  EXPECT_EQ(EscapeLine("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(EscapeLine("\xc0\x9b"), "\\xc0\\x9b");                    // overlong
  EXPECT_EQ(EscapeLine("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(EscapeLine("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // past the end
  EXPECT_EQ(EscapeLine("\xe2\x82"), "\\xe2\\x82");                    // cut
}

TEST(CutText, NeverCutsInsideACharacter) {
  EXPECT_EQ(CutText("ab", 2), "ab");
  EXPECT_EQ(CutText("abc", 2), "ab");
  EXPECT_EQ(CutText("a\u20AC"
                    "b",
                    4),
            "a\u20AC");
  EXPECT_EQ(CutText("a\u20AC"
                    "b",
                    3),
            "a");
  EXPECT_EQ(CutText("a\u20AC"
                    "b",
                    2),
            "a");
  EXPECT_EQ(CutText("\x80\x80\x80\x80\x80\x80", 5).size(), 5u);  // no characters at all
}

TEST(Table, AlignsByCharactersAndEndsNoLineInSpaces) {
  Table table({"NAME", "TYPE"});
  table.Add({"größe", "null"});
  table.Add({"x\x1b", ""});
  EXPECT_EQ(table.ToString(), "NAME   TYPE\ngröße  null\nx\\x1b  -\n");
}

TEST(PrettyJson, BreaksLinesAndKeepsEveryByteOfValues) {
  EXPECT_THAT(PrettyJson(R"({"b":1.50,"a":[1e400 , "x\u0041,{"],"b":{},"c":[ ]})", 1000),
              Optional(std::string(R"({
  "b": 1.50,
  "a": [
    1e400,
    "x\u0041,{"
  ],
  "b": {},
  "c": []
})")));
  EXPECT_THAT(PrettyJson(" 12 ", 1000), Optional(std::string("12")));
}

TEST(PrettyJson, WhatIsNoJsonIsLeftToTheCaller) {
  for (const char* text : {"", "{", "{\"a\":}", "hello", "{} {}"}) {
    EXPECT_EQ(PrettyJson(text, 1000), std::nullopt) << text;
  }
}

TEST(PrettyJson, DepthIsBounded) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_NE(PrettyJson(nested(kJsonDepthMax), 1 << 20), std::nullopt);
  EXPECT_EQ(PrettyJson(nested(kJsonDepthMax + 1), 1 << 20), std::nullopt);
}

TEST(PrettyJson, OutputIsBounded) {
  const std::string text = "[" + std::string(R"("0123456789",)") + std::string(R"("a")") + "]";
  EXPECT_LT(PrettyJson(text, 5)->size(), 20u);
}

}  // namespace
}  // namespace tributary::cli
