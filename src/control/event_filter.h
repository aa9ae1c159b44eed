// Which events a list or a tail shows: by what stands in a record's header, so that what is passed
// over is never parsed. Immutable after reading; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/source_names.h"
#include "log/record.h"
#include "route/name_pattern.h"

namespace tributary::control {

inline constexpr std::size_t kFilterTextBytesMax = 1'024;  // of `name` and of `key`

struct EventFilter {
  std::optional<log::Kind> kind = log::Kind::kEvent;  // nullopt: every kind
  std::vector<log::SourceId> sources;                 // empty: all
  std::optional<log::EventType> type;
  std::optional<route::NamePattern> name;
  std::optional<std::string> key;

  bool Matches(const log::RecordFields& fields) const;
};

// `source`, `kind`, `type`, `name` and `key` of a query that CheckQuery() has passed. A source's
// name stands for all that ever had it. kInvalid names the parameter.
Result<EventFilter> ReadEventFilter(std::string_view query, const SourceNames& names);

// "event", "control", …; "unknown" for a number that this version has no word for.
std::string_view KindName(log::Kind kind);
// "track", …, "other".
std::string_view EventTypeName(log::EventType type);

}  // namespace tributary::control
