// A rule: which records a destination wants, decided from the record's header alone.
//
// Empty lists mean all. A record matches when its kind is wanted, its type is among `events`, its
// name matches one of `names`, its source is among `sources`, and, if it is historical (imported),
// the rule asks for those. The kind is `event`, or `system` for what the program tells of itself.
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

namespace tributary::route {

inline constexpr std::size_t kRuleEntriesMax = 1'000;     // of each list
inline constexpr std::size_t kRuleEntryBytesMax = 1'024;  // of each name

// As written by users.
enum class RuleKind : std::uint8_t { kEvent, kSystem };

struct RuleOptions {
  RuleKind kind = RuleKind::kEvent;
  std::vector<std::string> events;
  std::vector<std::string> names;
  std::vector<std::string> sources;
  bool include_historical = false;
  static void Describe(config::OptionList<RuleOptions>& o);
};

using FindSourceId = std::function<std::optional<log::SourceId>(std::string_view name)>;

class Rule {
 public:
  // kInvalid names the entry ("events[1]").
  static Result<Rule> Compile(const RuleOptions& options, const FindSourceId& find_source);
  // The stored form, a JSON object; Load(rule.Store()) matches the same. kCorrupt when it is none.
  std::string Store() const;
  static Result<Rule> Load(std::string_view stored);

  bool Matches(const log::RecordFields& fields) const;
  log::Kind kind() const { return kind_; }

 private:
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  bool NameMatches(std::string_view name) const;
  Status SetEvents(const std::vector<std::string>& events);
  Status SetNames(std::vector<std::string> names);

  log::Kind kind_ = log::Kind::kEvent;
  std::uint32_t types_ = ~0U;  // one bit per EventType
  bool include_historical_ = false;
  std::vector<log::SourceId> sources_;  // sorted; empty: all
  std::vector<std::string> names_;      // as written
  std::unordered_set<std::string, StringHash, std::equal_to<>> exact_names_;
  std::vector<NamePattern> patterns_;
};

}  // namespace tributary::route
