// A pattern on an event's JSON, with the meaning of Amazon EventBridge's event patterns, evaluated
// on the payload's own bytes: one pass, no copy, no number turned into a double.
//
//   {"type": ["track"], "properties": {"total": [{"numeric": [">=", 100]}], "plan": ["pro",
//   "team"]}}
//
// An object: every field has to match. An array: one of its tests has to match the event's value:
//   a string, number, true, false, null    that value; numbers are compared as decimals, exactly
//   {"prefix": "x"} {"suffix": "x"}        strings; also {"prefix": {"equals-ignore-case": "x"}}
//   {"equals-ignore-case": "x"}            strings; ASCII letters
//   {"wildcard": "a*b"}                    strings; \* and \\ stand for themselves
//   {"numeric": [">", 0, "<=", 5]}         numbers; = < <= > >=, all of them
//   {"exists": true} {"exists": false}     whether the field is there, whatever its value
//   {"anything-but": x}                    a string, number, true, false or null that is not x: a
//                                          value, a list of values, or {"prefix" | "suffix" |
//                                          "equals-ignore-case" | "wildcard": text or list}
// "$or": [{…}, {…}]: one of these objects has to match, besides the fields beside it.
// Of an array in the event one element is enough; an object pattern has to match whole in one of
// them. Of repeated fields the last one counts.
//
// Immutable; thread-safe.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/result.h"
#include "event/json_document.h"

namespace tributary::route {

inline constexpr std::size_t kPatternBytesMax = 64 * 1024;  // as compact JSON
inline constexpr std::size_t kPatternDepthMax = 16;         // objects in objects, $or included
inline constexpr std::size_t kPatternTestsMax = 1'000;      // values and operators, all together
inline constexpr std::size_t kPatternOrMax = 100;           // objects under $or, all together
inline constexpr std::size_t kPatternStarsMax = 200;        // in wildcards, all together

class Pattern {
 public:
  // kInvalid: the field is the place in the pattern ("pattern.properties.plan[0].numeric"), the
  // sentence begins with it.
  static Result<Pattern> Read(const nlohmann::json& pattern);
  // `event`: a JSON value; what is no object never matches.
  bool Matches(const event::JsonValue& event) const;

  struct Node;  // pattern_node.h

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace tributary::route
