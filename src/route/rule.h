// A rule: which records a destination wants. Most are decided by their header alone; what asks for
// more (a pattern, the event's own `integrations`, a jq condition) is asked only then.
//
// Empty lists mean all. A record matches when its kind is wanted, its type is among `events`, its
// name matches one of `names`, its source is among `sources`, and, if it is historical (imported),
// the rule asks for those. The kind is `event`, or `system` for what the program tells of itself.
//
// An event may say who is not to get it (Segment's `integrations`, at its top level):
// {"All": false} excludes every destination that has no entry of its own, {"NAME": false} the one
// of that name or type; an entry of its own that is true or an object includes it. Letter case does
// not count (ASCII). Every rule heeds it.
//
// A compiled rule is immutable and thread-safe. Its stored form holds ids of sources, not names.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "config/option_list.h"
#include "log/record.h"
#include "route/name_pattern.h"
#include "route/pattern.h"

namespace tributary::route {

inline constexpr std::size_t kRuleEntriesMax = 1'000;     // of each list
inline constexpr std::size_t kRuleEntryBytesMax = 1'024;  // of each name
inline constexpr std::size_t kFilterBytesMax = 64 * 1024;

// As written by users.
enum class RuleKind : std::uint8_t { kEvent, kSystem };

struct RuleOptions {
  RuleKind kind = RuleKind::kEvent;
  std::vector<std::string> events;
  std::vector<std::string> names;
  std::vector<std::string> sources;
  bool include_historical = false;
  config::JsonText pattern;
  std::string filter;
  static void Describe(config::OptionList<RuleOptions>& o);
};

using FindSourceId = std::function<std::optional<log::SourceId>(std::string_view name)>;

// Whose rule it is: what `integrations` may call it.
struct RuleOwner {
  std::string name;
  std::string type;
};

class Rule {
 public:
  // kInvalid names the entry ("events[1]"). The filter is only kept: whether it compiles is asked
  // elsewhere.
  static Result<Rule> Compile(const RuleOptions& options, const RuleOwner& owner,
                              const FindSourceId& find_source);
  // The stored form, a JSON object; Load(rule.Store()) matches the same. kCorrupt when it is none.
  std::string Store() const;
  static Result<Rule> Load(std::string_view stored);

  bool Matches(const log::RecordFields& fields) const;
  log::Kind kind() const { return kind_; }
  // By the payload: pattern and `integrations`.
  bool looks_inside() const { return pattern_ || !owner_.name.empty(); }
  bool MatchesInside(const log::RecordFields& fields, std::string_view payload) const;
  const std::string& filter() const { return filter_; }  // "": none

  // Which part of the rule says no, for people; "" when all of it says yes. The filter is not
  // asked.
  std::string_view WhyNot(const log::RecordFields& fields, std::string_view payload) const;

 private:
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  bool NameMatches(std::string_view name) const;
  bool SourceMatches(log::SourceId source) const;
  Status SetPattern(const std::string& text);
  Status SetEvents(const std::vector<std::string>& events);
  Status SetNames(std::vector<std::string> names);

  log::Kind kind_ = log::Kind::kEvent;
  std::uint32_t types_ = ~0U;  // one bit per EventType
  bool include_historical_ = false;
  std::vector<log::SourceId> sources_;  // sorted; empty: all
  std::vector<std::string> names_;      // as written
  std::unordered_set<std::string, StringHash, std::equal_to<>> exact_names_;
  std::vector<NamePattern> patterns_;
  RuleOwner owner_;  // empty names: of a rule stored before events could exclude destinations
  std::optional<Pattern> pattern_;
  std::string pattern_text_;
  std::string filter_;
};

}  // namespace tributary::route
