// Patterns against events.
#include <algorithm>
#include <array>

#include "route/pattern_node.h"

namespace tributary::route {
namespace {

using event::JsonType;
using event::JsonValue;
using Op = PatternTest::Op;

bool EqualFold(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, LowerAscii);
}

// A scalar of the event; decoded at most once for all tests.
struct Scalar {
  explicit Scalar(const JsonValue& value) : type(value.type()) {
    text = type == JsonType::kString ? value.Text(scratch) : value.raw();
  }
  JsonType type;
  std::string scratch;
  std::string_view text;  // what a string means; else as written
};

bool Holds(const Bound& bound, const Decimal& number) {
  switch (bound.compare) {
    case Compare::kEqual:
      return number == bound.number;
    case Compare::kLess:
      return number < bound.number;
    case Compare::kLessEqual:
      return number <= bound.number;
    case Compare::kGreater:
      return number > bound.number;
    case Compare::kGreaterEqual:
      return number >= bound.number;
  }
  return false;
}

bool TextMatches(const PatternTest& test, std::string_view text) {
  switch (test.op) {
    case Op::kText:
      return test.fold ? EqualFold(text, test.text) : text == test.text;
    case Op::kPrefix: {
      if (text.size() < test.text.size()) return false;
      const std::string_view head = text.substr(0, test.text.size());
      return test.fold ? EqualFold(head, test.text) : head == test.text;
    }
    case Op::kSuffix: {
      if (text.size() < test.text.size()) return false;
      const std::string_view tail = text.substr(text.size() - test.text.size());
      return test.fold ? EqualFold(tail, test.text) : tail == test.text;
    }
    case Op::kWildcard:
      return test.wildcard.Matches(text);
    default:
      return false;
  }
}

bool ScalarMatches(const PatternTest& test, const Scalar& scalar) {
  switch (test.op) {
    case Op::kPresent:
      return true;
    case Op::kAbsent:
      return false;
    case Op::kNoneOf:
      return std::ranges::none_of(
          test.others, [&](const PatternTest& other) { return ScalarMatches(other, scalar); });
    case Op::kNumber:
    case Op::kNumeric: {
      if (scalar.type != JsonType::kNumber) return false;
      const Decimal number(scalar.text);
      return std::ranges::all_of(test.bounds, [&](const Bound& b) { return Holds(b, number); });
    }
    case Op::kLiteral:
      return (scalar.type == JsonType::kBool || scalar.type == JsonType::kNull) &&
             scalar.text == test.text;
    default:
      return scalar.type == JsonType::kString && TextMatches(test, scalar.text);
  }
}

bool ValueMatches(const std::vector<PatternTest>& tests, const JsonValue& value) {
  const auto present = [](const PatternTest& test) { return test.op == Op::kPresent; };
  if (value.is(JsonType::kObject)) return std::ranges::any_of(tests, present);
  if (value.is(JsonType::kArray)) {
    for (const JsonValue element : value.elements()) {
      if (ValueMatches(tests, element)) return true;
    }
    return std::ranges::any_of(tests, present);  // also an empty one
  }
  const Scalar scalar(value);
  return std::ranges::any_of(tests,
                             [&](const PatternTest& test) { return ScalarMatches(test, scalar); });
}

bool NodeMatches(const Pattern::Node& node, const JsonValue& value) {
  if (value.is(JsonType::kObject)) return node.Matches(value);
  if (!value.is(JsonType::kArray)) return false;
  for (const JsonValue element : value.elements()) {
    if (NodeMatches(node, element)) return true;
  }
  return false;
}

bool FieldMatches(const Pattern::Node::Field& field, const JsonValue& value) {
  return field.node != nullptr ? NodeMatches(*field.node, value) : ValueMatches(field.tests, value);
}

}  // namespace

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool Pattern::Node::Matches(const JsonValue& object) const {
  // Where each field's value is: the last one of its name.
  std::vector<std::optional<JsonValue>> many;
  std::array<std::optional<JsonValue>, 8> few;
  std::span<std::optional<JsonValue>> found(few);
  if (fields.size() > few.size()) {
    many.resize(fields.size());
    found = many;
  }
  std::string scratch;
  if (!fields.empty()) {
    for (const event::JsonField given : object.fields()) {
      const std::string_view key = given.Key(scratch);
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (fields[i].name == key) found[i] = given.value();
      }
    }
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!(found[i] ? FieldMatches(fields[i], *found[i]) : fields[i].absent_matches)) return false;
  }
  return std::ranges::all_of(choices, [&](const auto& choice) {
    return std::ranges::any_of(choice, [&](const auto& node) { return node->Matches(object); });
  });
}

bool Pattern::Matches(const JsonValue& event) const {
  return event.is(JsonType::kObject) && root_->Matches(event);
}

}  // namespace tributary::route
