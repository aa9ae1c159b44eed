// A pattern as it is evaluated. Private to route/.
#pragma once

#include <string>
#include <vector>

#include "route/decimal.h"
#include "route/name_pattern.h"
#include "route/pattern.h"

namespace tributary::route {

enum class Compare : std::uint8_t { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

struct Bound {
  Compare compare;
  Decimal number;
};

// One entry of a pattern's array.
struct PatternTest {
  enum class Op : std::uint8_t {
    kText,      // text
    kNumber,    // bounds.front()
    kLiteral,   // text: true, false, null
    kPrefix,    // text
    kSuffix,    // text
    kWildcard,  // wildcard
    kNumeric,   // all of bounds
    kPresent,
    kAbsent,
    kNoneOf,  // none of `others`
  };
  Op op;
  bool fold = false;  // letter case does not count; text is in lower case then
  std::string text = {};
  std::vector<Bound> bounds = {};
  NamePattern wildcard{""};
  std::vector<PatternTest> others = {};
};

struct Pattern::Node {
  struct Field {
    std::string name;
    std::vector<PatternTest> tests;    // of an array, or
    std::shared_ptr<const Node> node;  // of an object
    // What an event without the field is to it.
    bool absent_matches = false;
  };
  std::vector<Field> fields;
  // Each "$or": one of its nodes.
  std::vector<std::vector<std::shared_ptr<const Node>>> choices;

  bool Matches(const event::JsonValue& object) const;
};

char LowerAscii(char c);

}  // namespace tributary::route
