#include "event/json_document.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

#include "event/json_text.h"

namespace tributary::event {
namespace {

using nlohmann::json;

bool Parses(std::string_view text) {
  JsonDocument document;
  return document.Parse(text).has_value();
}

std::string Nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

// What must be taken, after the y_ files of JSONTestSuite.
// clang-format off
const std::vector<std::string> kGood = {
    "[[]   ]", "[\"\"]", "[]", "[\"a\"]", "[false]", "[null, 1, \"1\", {}]", "[null]", "[1\n]",
    " [1]", "[1,null,null,null,2]", "[2] ", "[123e65]", "[0e+1]", "[0e1]", "[ 4]",
    "[-0.000000000000001]", "[20e1]", "[-0]", "[-123]", "[-1]", "[1E22]", "[1E-2]", "[1E+2]",
    "[123e45]", "[123.456e78]", "[1e-2]", "[1e+2]", "[123]", "[123.456789]",
    "{\"asd\":\"sdf\", \"dfg\":\"fgh\"}", "{\"asd\":\"sdf\"}", "{\"a\":\"b\",\"a\":\"c\"}",
    "{\"a\":\"b\",\"a\":\"b\"}", "{}", "{\"\":0}", "{\"foo\\u0000bar\": 42}",
    "{ \"min\": -1.0e+28, \"max\": 1.0e+28 }", "{\"a\":[]}", "[\"\\u0060\\u012a\\u12AB\"]",
    "[\"\\uD801\\udc37\"]", "[\"\\ud83d\\ude39\\ud83d\\udc8d\"]",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\\\u0000\"]", "[\"a/*b*/c/*d//e\"]", "[\"\\\\a\"]",
    "[\"\\\\n\"]", "[ \"asd\"]", "[\"\xF4\x8F\xBF\xBF\"]", "[\"\xEF\xBF\xBF\"]", "[\"\x7f\"]",
    "[\"\\u0000\"]", "\" \"", "[\"\\uDBFF\\uDFFF\"]", "[\"new\\u00A0line\"]", "[\"\\uFDD0\"]",
    "[\"\xE2\x82\xAC\xF0\x9D\x84\x9E\"]", "[\"aa\xE2\x80\xA8z\"]", "false", "42", "-0.1", "null",
    "\"asd\"", "true", "\"\"", "[\"a\"]\n", "[true]", " [] ", "[1e400]", "[-1e9999]",
    "[123456789012345678901234567890]", "[1.0]"};
// clang-format on

// What must be refused, after the n_ files.
// clang-format off
const std::vector<std::string> kBad = {
    "[1 true]", "[a\xE5]", "[\"\": 1]", "[\"\"],", "[,1]", "[1,,2]", "[\"x\",,]", "[\"x\"]]",
    "[\"\",]", "[\"x\"", "[x", "[3[4]]", "[\xFF]", "[1:2]", "[,]", "[-]", "[   , \"\"]",
    "[\"a\",\n4\n,1,", "[1,]", "[1,,]", "[\"\va\"\\f]", "[*]", "[\"\"", "[1,", "[1,\n1\n,1",
    "[{}", "[fals]", "[nul]", "[tru]", "[++1234]", "[+1]", "[+Inf]", "[-01]", "[-1.0.]", "[-2.]",
    "[-NaN]", "[.-1]", "[.2e-3]", "[0.1.2]", "[0.3e+]", "[0.3e]", "[0.e1]", "[0E+]", "[0E]",
    "[0e+]", "[0e]", "[1.0e+]", "[1.0e-]", "[1.0e]", "[1 000.0]", "[1eE2]", "[2.e+3]", "[2.e-3]",
    "[2.e3]", "[9.e+]", "[Inf]", "[NaN]", "[\xEF\xBC\x91]", "[1+2]", "[0x1]", "[0x42]",
    "[Infinity]", "[0e+-1]", "[-123.123foo]", "[123\xE5]", "[1e1\xE5]", "[0\xE5]\n",
    "[-Infinity]", "[-foo]", "[- 1]", "[-012]", "[-.123]", "[-1x]", "[1ea]", "[1.]", "[.123]",
    "[1.2a-3]", "[1.8011670033376514H-308]", "[012]", "[\"x\", truth]", "{[: \"x\"}",
    "{\"x\", null}", "{\"x\"::\"b\"}", "{\xF0\x9F\x87\xA8}", "{\"a\":\"a\" 123}",
    "{key: 'value'}", "{\"\xB9\":\"0\",}", "{\"a\" b}", "{:\"b\"}", "{\"a\" \"b\"}", "{\"a\":",
    "{\"a\"", "{1:1}", "{9999E9999:1}", "{null:null,null:null}", "{\"id\":0,,,,,}", "{'a':0}",
    "{\"id\":0,}", "{\"a\":\"b\"}/**/", "{\"a\":\"b\"}//", "{\"a\":\"b\",,\"c\":\"d\"}",
    "{a: \"b\"}", "{\"a\":\"a", "{ \"foo\" : \"bar\", \"a\" }", "{\"a\":\"b\"}#", " ",
    "[\"\\uD800\\\"]", "[\"\\uD800\\u\"]", "[\"\\uD800\\u1\"]", "[\"\\uD800\\u1x\"]",
    "[\xC3\xA9]", "[\"\\x00\"]", "[\"\\\\\\\"]", "[\"\\\t\"]", "[\"\\\xF0\x9F\x8C\x80\"]",
    "[\"\\\"]", "[\"\\u00A\"]", "[\"\\uD834\\uDd\"]", "[\"\\uD800\\uD800\\x\"]", "[\"\\u\xE5\"]",
    "[\"\\a\"]", "[\"\\uqqqq\"]", "[\"\\\xE5\"]", "[\\u0020\"asd\"]", "[\\n]", "\"",
    "['single quote']", "abc", "[\"\\", "[\"a\x01\"]", "[\"new\nline\"]", "[\"\t\"]",
    "\"\\UA66D\"", "\"\"x", "<.>", "[<null>]", "[1]x", "[1]]", "[\"asd]", "aaa\xE5", "[True]",
    "1]", "{\"x\": true,", "[][]", "]", "\xEF\xBB{}", "\xE5", "[", "", "2@", "{}}", "{\"\":",
    "{\"a\":/*comment*/\"b\"}", "{\"a\": true} \"x\"", "['", "[,", "[{", "[\"a", "[\"a\"", "{",
    "{]", "{,", "{[", "{\"a", "{'a'", "[\"\\{[\"\\{[\"\\{[\"\\{", "*", "{\"a\":\"b\"}#{}",
    "[\xE2\x81\xA0]", "[\\u000A\"\"]", "[1", "[ false, nul", "[ true, fals", "[ false, tru",
    "{\"asd\":\"asd\"", "\xC3\xA5", "[\f]", "[nullx]", "[true1]", "[1\"a\"]", "[\"a\"1]",
    "[\"a\"\"b\"]", "[\"\xC0\x80\"]", "[\"\xED\xA0\x80\"]", "[\"\xF5\x80\x80\x80\"]",
    std::string("[\"a\0b\"]", 7), std::string("[1]\0", 4), std::string("\0", 1), "-", "1.",
    "tru", "{\"a\":1:2}", "[1}", "{\"a\":1]", "{\"a\":nope}", "{\"p\":{\"a\":tru}}", "[0.]",
    "[00]"};
// clang-format on

TEST(JsonDocument, TakesWhatRfc8259Allows) {
  for (const std::string& text : kGood) EXPECT_TRUE(Parses(text)) << text;
}

TEST(JsonDocument, RefusesWhatRfc8259Forbids) {
  for (const std::string& text : kBad) EXPECT_FALSE(Parses(text)) << text;
}

TEST(JsonDocument, DepthHasALimit) {
  EXPECT_TRUE(Parses(Nested(kJsonDepthMax)));
  EXPECT_FALSE(Parses(Nested(kJsonDepthMax + 1)));
  std::string objects;
  for (std::size_t i = 0; i < kJsonDepthMax; ++i) objects += "{\"a\":";
  EXPECT_TRUE(Parses(objects + "1" + std::string(kJsonDepthMax, '}')));
  EXPECT_FALSE(Parses("[" + objects + "1" + std::string(kJsonDepthMax, '}') + "]"));
}

TEST(JsonDocument, ManyBracketsAreRefusedQuickly) {
  for (const std::string& text : {Nested(100'000), std::string(200'000, '['),
                                  std::string(200'000, '{'), std::string(200'000, ']')}) {
    // The quickest of several: what a busy machine adds is not the parser's.
    auto quickest = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 5; ++i) {
      JsonDocument document;
      const auto start = std::chrono::steady_clock::now();
      EXPECT_FALSE(document.Parse(text));
      quickest = std::min(quickest, std::chrono::steady_clock::now() - start);
    }
    EXPECT_LT(std::chrono::duration_cast<std::chrono::milliseconds>(quickest).count(), 5);
  }
}

TEST(JsonDocument, ErrorsSayWhere) {
  JsonDocument document;
  const auto result = document.Parse("{\"a\":tru}");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(result.error().message(), testing::HasSubstr("at byte 5"));
}

TEST(JsonDocument, ReadsNothingBehindTheText) {
  // Exactly sized heap blocks: a sanitizer sees one byte too many.
  for (const std::string& text : {std::string("{\"a\":12"), std::string("[tru"), std::string("\"a"),
                                  std::string("[1,2,3]"), std::string("12"), std::string("-")}) {
    const auto block = std::make_unique<char[]>(text.size());
    std::memcpy(block.get(), text.data(), text.size());
    Parses({block.get(), text.size()});
  }
}

TEST(JsonDocument, ValuesAreSlicesOfTheText) {
  const std::string text =
      R"( { "a" : 1e400 , "b\n":[ 1 , {"x":"}]"} ] , "c":"t\"x" , "d":{} , "e" : null } )";
  JsonDocument document;
  const auto root = document.Parse(text);
  ASSERT_TRUE(root);
  std::vector<std::pair<std::string, std::string>> seen;
  std::string scratch;
  for (const JsonField field : root->fields()) {
    seen.emplace_back(field.Key(scratch), field.value().raw());
  }
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"a", "1e400"},
      {"b\n", "[ 1 , {\"x\":\"}]\"} ]"},
      {"c", "\"t\\\"x\""},
      {"d", "{}"},
      {"e", "null"}};
  EXPECT_EQ(seen, expected);
}

TEST(JsonDocument, HalfASurrogatePairBecomesTheReplacementCharacter) {
  JsonDocument document;
  for (const char* text : {R"(["a\ud83d"])", R"(["a\udc00"])", R"(["a\uD83D\ud83d\ude00"])",
                           R"(["a\ud83dx"])", R"(["a\ud83d\u0041"])"}) {
    const auto root = document.Parse(text);
    ASSERT_TRUE(root) << text;
    EXPECT_EQ(document.text().size(), std::strlen(text));
    EXPECT_NE(document.text().find("\\ufffd"), std::string_view::npos);
    EXPECT_NO_THROW({ const auto read = json::parse(document.text()); }) << text;
  }
}

TEST(JsonDocument, ServesTextsOfAllSizesOneAfterTheOther) {
  JsonDocument document;
  for (const std::size_t size : {10, 5'000, 100, 2'000'000, 10, 600'000, 50}) {
    const std::string text = "[\"" + std::string(size, 'x') + "\"]";
    const auto root = document.Parse(text);
    ASSERT_TRUE(root);
    EXPECT_EQ(root->raw(), text);
  }
}

TEST(JsonDocument, AMillionKeysAndTenMiBStringsAreOrdinary) {
  std::string text = "{";
  for (int i = 0; i < 1'000'000; ++i) text += "\"k" + std::to_string(i) + "\":1,";
  text += "\"s\":\"" + std::string(10 << 20, 'y') + "\"}";
  JsonDocument document;
  const auto root = document.Parse(text);
  ASSERT_TRUE(root);
  std::size_t fields = 0;
  for (const JsonField field : root->fields()) fields += field.raw().empty() ? 0 : 1;
  EXPECT_EQ(fields, 1'000'001u);
}

// The differential test: mutations of events, judged by us and by nlohmann-json.
class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}
  std::string Mutate(std::string text) {
    for (auto n = 1 + random_() % 3; n > 0; --n) Once(text);
    return text;
  }

 private:
  void Once(std::string& text) {
    static const std::string kBytes = "{}[]:,\"\\ \n0123456789.eE+-tfnudx/\x80\xC3\xA9";
    const std::size_t at = text.empty() ? 0 : random_() % text.size();
    const char c = kBytes[random_() % kBytes.size()];
    switch (random_() % 5) {
      case 0:
        text.insert(at, 1, c);
        break;
      case 1:
        if (!text.empty()) text.erase(at, 1 + random_() % 3);
        break;
      case 2:
        if (!text.empty()) text[at] = c;
        break;
      case 3:
        text.insert(at, text.substr(random_() % (text.size() + 1), random_() % 20));
        break;
      default:
        text.resize(at);
        break;
    }
  }
  std::mt19937 random_;
};

// nlohmann refuses half pairs, which we mend; and numbers beyond a double, which we keep.
bool OutsideTheComparison(const std::string& text) {
  return text.find("\\ud") != std::string::npos || text.find("\\uD") != std::string::npos;
}

TEST(JsonDocument, AgreesWithNlohmannOnMutatedTexts) {
  const std::vector<std::string> seeds = {
      R"({"type":"track","userId":"u1","event":"A \u00e9\n",)"
      R"("properties":{"a":[1,2.5,-3e2,true,null],"b":{"c":"d"}}})",
      R"([{"a":"\\\"","b":[],"c":{}},"x",false,0.1,[[["y"]]]])",
      R"( { "k" : "v" , "n" : -0 , "m" : [ 1 , 2 ] } )"};
  Mutator mutator(7);
  JsonDocument document;
  int good = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string text = mutator.Mutate(seeds[static_cast<std::size_t>(i) % seeds.size()]);
    if (OutsideTheComparison(text) || text.starts_with("\xEF\xBB\xBF")) continue;
    const bool ours = document.Parse(text).has_value();
    bool theirs = json::accept(text);
    ASSERT_EQ(ours, theirs) << text;
    good += ours ? 1 : 0;
  }
  EXPECT_GT(good, 1000);  // the comparison saw both kinds
}

}  // namespace
}  // namespace tributary::event
