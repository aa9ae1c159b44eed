// Patterns as users write them.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "route/pattern_node.h"

namespace tributary::route {
namespace {

using nlohmann::json;
using Op = PatternTest::Op;
using Tests = std::vector<PatternTest>;

// The library keeps integers of 64 bits as they are and everything else as a double, so a number of
// more digits than every double has may not be the one that was written.
Result<Decimal> ReadNumber(const json& value, const std::string& path) {
  constexpr std::size_t kDigitsMax = 15;
  const std::string text = value.dump();
  const std::string_view digits = std::string_view(text).substr(0, text.find('e'));
  const auto count = static_cast<std::size_t>(
      std::ranges::count_if(digits, [](char c) { return c >= '0' && c <= '9'; }));
  // "0.001": what stands before the first digit that counts is none.
  const std::size_t zeros = std::min(digits.find_first_of("123456789"), digits.size());
  const auto leading = static_cast<std::size_t>(std::ranges::count(digits.substr(0, zeros), '0'));
  if (value.is_number_float() && count - leading > kDigitsMax) {
    return WrongField(path,
                      "has more digits than a number in a pattern can have: 15, or a whole number "
                      "of 64 bits");
  }
  return Decimal(text);
}

// Reads one pattern and counts what its limits are about.
class PatternReader {
 public:
  Result<std::shared_ptr<const Pattern::Node>> ReadNode(const json& object, const std::string& path,
                                                        std::size_t depth);

 private:
  Result<Pattern::Node::Field> ReadField(const std::string& name, const json& value,
                                         const std::string& path, std::size_t depth);
  Status ReadChoice(const json& value, const std::string& path, std::size_t depth,
                    Pattern::Node& node);
  Result<PatternTest> ReadTest(const json& value, const std::string& path);
  Result<PatternTest> ReadScalar(const json& value, const std::string& path) const;
  Result<PatternTest> ReadOperator(const std::string& name, const json& value,
                                   const std::string& path);
  Result<PatternTest> ReadText(Op op, const json& value, const std::string& path) const;
  Result<PatternTest> ReadNumeric(const json& value, const std::string& path) const;
  Result<PatternTest> ReadWildcard(const json& value, const std::string& path);
  Result<PatternTest> ReadAnythingBut(const json& value, const std::string& path);
  Status Count(const std::string& path);

  std::size_t tests_ = 0;
  std::size_t choices_ = 0;
  std::size_t stars_ = 0;
};

Result<std::shared_ptr<const Pattern::Node>> PatternReader::ReadNode(const json& object,
                                                                     const std::string& path,
                                                                     std::size_t depth) {
  if (!object.is_object()) return WrongField(path, "must be an object");
  if (object.empty())
    return WrongField(path, "must not be an empty object: it would match anything");
  if (depth > kPatternDepthMax) {
    return WrongField(path, "is nested deeper than " + std::to_string(kPatternDepthMax));
  }
  auto node = std::make_shared<Pattern::Node>();
  for (const auto& [name, value] : object.items()) {
    const std::string place = path + "." + name;
    if (name == "$or") {
      TRY(ReadChoice(value, place, depth, *node));
    } else {
      TRY_ASSIGN(auto field, ReadField(name, value, place, depth));
      node->fields.push_back(std::move(field));
    }
  }
  return std::shared_ptr<const Pattern::Node>(std::move(node));
}

Status PatternReader::ReadChoice(const json& value, const std::string& path, std::size_t depth,
                                 Pattern::Node& node) {
  if (!value.is_array() || value.empty()) {
    return WrongField(path, "must be an array of at least one object");
  }
  std::vector<std::shared_ptr<const Pattern::Node>> choice;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string place = path + "[" + std::to_string(i) + "]";
    if (++choices_ > kPatternOrMax) {
      return WrongField(place, "is one object too many: all $or together have at most " +
                                   std::to_string(kPatternOrMax));
    }
    TRY_ASSIGN(auto one, ReadNode(value[i], place, depth + 1));
    choice.push_back(std::move(one));
  }
  node.choices.push_back(std::move(choice));
  return {};
}

Result<Pattern::Node::Field> PatternReader::ReadField(const std::string& name, const json& value,
                                                      const std::string& path, std::size_t depth) {
  Pattern::Node::Field field{.name = name, .tests = {}, .node = {}};
  if (value.is_object()) {
    TRY_ASSIGN(field.node, ReadNode(value, path, depth + 1));
    // Without the object all its fields are absent.
    field.absent_matches = std::ranges::all_of(
        field.node->fields, [](const Pattern::Node::Field& f) { return f.absent_matches; });
    field.absent_matches = field.absent_matches && field.node->choices.empty();
    return field;
  }
  if (!value.is_array()) {
    return WrongField(path, "must be an array of values, such as [\"a\"], or an object");
  }
  if (value.empty())
    return WrongField(path, "must have at least one value: it would match nothing");
  for (std::size_t i = 0; i < value.size(); ++i) {
    TRY_ASSIGN(PatternTest test, ReadTest(value[i], path + "[" + std::to_string(i) + "]"));
    field.absent_matches = field.absent_matches || test.op == Op::kAbsent;
    field.tests.push_back(std::move(test));
  }
  return field;
}

Status PatternReader::Count(const std::string& path) {
  if (++tests_ <= kPatternTestsMax) return {};
  return WrongField(
      path, "is one value too many: a pattern has at most " + std::to_string(kPatternTestsMax));
}

Result<PatternTest> PatternReader::ReadTest(const json& value, const std::string& path) {
  TRY(Count(path));
  if (!value.is_object()) return ReadScalar(value, path);
  if (value.size() != 1) return WrongField(path, "must have exactly one operator");
  const std::string& name = value.begin().key();
  return ReadOperator(name, value.front(), path + "." + name);
}

Result<PatternTest> PatternReader::ReadScalar(const json& value, const std::string& path) const {
  if (value.is_string()) return PatternTest{.op = Op::kText, .text = value};
  if (value.is_number()) {
    TRY_ASSIGN(Decimal number, ReadNumber(value, path));
    return PatternTest{.op = Op::kNumber, .bounds = {{Compare::kEqual, std::move(number)}}};
  }
  if (value.is_boolean() || value.is_null()) {
    return PatternTest{.op = Op::kLiteral, .text = value.dump()};
  }
  return WrongField(path, "must be a value or an operator such as {\"prefix\": \"a\"}");
}

Result<PatternTest> PatternReader::ReadOperator(const std::string& name, const json& value,
                                                const std::string& path) {
  if (name == "prefix") return ReadText(Op::kPrefix, value, path);
  if (name == "suffix") return ReadText(Op::kSuffix, value, path);
  if (name == "wildcard") return ReadWildcard(value, path);
  if (name == "numeric") return ReadNumeric(value, path);
  if (name == "anything-but") return ReadAnythingBut(value, path);
  if (name == "equals-ignore-case") {
    if (!value.is_string()) return WrongField(path, "must be a string");
    return PatternTest{.op = Op::kText, .fold = true, .text = AsciiLower(std::string(value))};
  }
  if (name == "exists") {
    if (!value.is_boolean()) return WrongField(path, "must be true or false");
    return PatternTest{.op = value.get<bool>() ? Op::kPresent : Op::kAbsent};
  }
  return WrongField(
      path,
      "is no operator: there are prefix, suffix, equals-ignore-case, wildcard, numeric, "
      "exists, anything-but");
}

Result<PatternTest> PatternReader::ReadText(Op op, const json& value,
                                            const std::string& path) const {
  const bool fold = value.is_object();
  if (fold && (value.size() != 1 || !value.contains("equals-ignore-case"))) {
    return WrongField(path, "must be a string or {\"equals-ignore-case\": \"…\"}");
  }
  const json& text = fold ? value.front() : value;
  if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
    return WrongField(path, "must be a string that is not empty");
  }
  const std::string given = text;
  return PatternTest{.op = op, .fold = fold, .text = fold ? AsciiLower(given) : given};
}

Result<PatternTest> PatternReader::ReadWildcard(const json& value, const std::string& path) {
  if (!value.is_string()) return WrongField(path, "must be a string");
  const std::string text = value;
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '*') {
      parts.emplace_back();
    } else if (text[i] != '\\') {
      parts.back() += text[i];
    } else if (i + 1 < text.size() && (text[i + 1] == '*' || text[i + 1] == '\\')) {
      parts.back() += text[++i];
    } else {
      return WrongField(path, "has a \\ that stands before neither * nor \\");
    }
  }
  stars_ += parts.size() - 1;
  if (stars_ > kPatternStarsMax) {
    return WrongField(
        path, "has one * too many: a pattern has at most " + std::to_string(kPatternStarsMax));
  }
  return PatternTest{.op = Op::kWildcard, .wildcard = NamePattern(std::move(parts))};
}

Result<PatternTest> PatternReader::ReadNumeric(const json& value, const std::string& path) const {
  static constexpr std::array<std::pair<std::string_view, Compare>, 5> kCompares{
      {{"=", Compare::kEqual},
       {"<", Compare::kLess},
       {"<=", Compare::kLessEqual},
       {">", Compare::kGreater},
       {">=", Compare::kGreaterEqual}}};
  if (!value.is_array() || value.empty() || value.size() > 4 || value.size() % 2 != 0) {
    return WrongField(path, "must be one or two comparisons, such as [\">=\", 0, \"<\", 10]");
  }
  PatternTest test{.op = Op::kNumeric};
  for (std::size_t i = 0; i < value.size(); i += 2) {
    const auto* compare =
        std::ranges::find_if(kCompares, [&](const auto& known) { return value[i] == known.first; });
    if (compare == kCompares.end()) {
      return WrongField(path + "[" + std::to_string(i) + "]", "must be one of = < <= > >=");
    }
    const std::string place = path + "[" + std::to_string(i + 1) + "]";
    if (!value[i + 1].is_number()) return WrongField(place, "must be a number");
    TRY_ASSIGN(Decimal number, ReadNumber(value[i + 1], place));
    test.bounds.push_back({compare->second, std::move(number)});
  }
  return test;
}

Result<PatternTest> PatternReader::ReadAnythingBut(const json& value, const std::string& path) {
  PatternTest test{.op = Op::kNoneOf};
  const json* listed = &value;
  std::string place = path;
  std::string name;
  if (value.is_object()) {
    if (value.size() == 1) name = value.begin().key();
    if (name != "prefix" && name != "suffix" && name != "equals-ignore-case" &&
        name != "wildcard") {
      return WrongField(path,
                        "must be a value, a list of values, or one of prefix, suffix, "
                        "equals-ignore-case, wildcard");
    }
    listed = &value.front();
    place += "." + name;
  }
  const auto add = [&](const json& one, const std::string& at) -> Status {
    TRY(Count(at));
    TRY_ASSIGN(PatternTest other, name.empty() ? ReadScalar(one, at) : ReadOperator(name, one, at));
    test.others.push_back(std::move(other));
    return {};
  };
  if (!listed->is_array()) {
    TRY(add(*listed, place));
    return test;
  }
  if (listed->empty()) return WrongField(place, "must have at least one value");
  for (std::size_t i = 0; i < listed->size(); ++i) {
    TRY(add((*listed)[i], place + "[" + std::to_string(i) + "]"));
  }
  return test;
}

}  // namespace

Result<Pattern> Pattern::Read(const json& pattern) {
  if (pattern.dump().size() > kPatternBytesMax) {
    return WrongField("pattern", "has more than " + std::to_string(kPatternBytesMax) + " bytes");
  }
  Pattern read;
  TRY_ASSIGN(read.root_, PatternReader().ReadNode(pattern, "pattern", 1));
  return read;
}

}  // namespace tributary::route
