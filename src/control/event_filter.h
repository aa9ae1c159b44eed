// Which events a list or a tail shows: by what stands in a record's header, so that what is passed
// over is never parsed. Immutable after reading; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/record.h"
#include "route/name_pattern.h"

namespace tributary::control {

inline constexpr std::size_t kFilterTextBytesMax = 1'024;  // of `name` and of `key`

struct EventFilter {
  std::optional<log::Kind> kind = log::Kind::kEvent;  // nullopt: every kind
  std::optional<log::SourceId> source;
  std::optional<log::EventType> type;
  std::optional<route::NamePattern> name;
  std::optional<std::string> key;

  bool Matches(const log::RecordFields& fields) const;
};

// `kind`, `type`, `name` and `key` of a query that CheckQuery() has passed; `source` is looked up
// by whoever may read the store. kInvalid names the parameter.
Result<EventFilter> ReadEventFilter(std::string_view query);

// "event", "control", …; "unknown" for a number that this version has no word for.
std::string_view KindName(log::Kind kind);
// "track", …, "other".
std::string_view EventTypeName(log::EventType type);

}  // namespace tributary::control
