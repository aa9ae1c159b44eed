// Single values: how each option type is read from JSON and written back. Inside config/ only.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "config/option_list.h"

namespace tributary::config::internal {

// "retry" + "schedule[1]" = "retry.schedule[1]"; an index joins without a dot.
std::string JoinPath(std::string_view outer, std::string_view inner);
// The same error with its field moved below `outer`.
Error Below(std::string_view outer, const Error& error);

inline std::unexpected<Error> Wrong(std::string message) {
  return Fail(ErrorCode::kInvalid, std::move(message));
}
Status CheckBounds(std::int64_t value, const Bounds& bounds, OptionType type);
// Of a text, list or map: `what` is "bytes" or "entries".
Status CheckCount(std::size_t count, const Bounds& bounds, std::int64_t max_otherwise,
                  std::string_view what);

Result<std::int64_t> ReadInteger(const nlohmann::json& value, OptionType type);
std::string FormatBytes(std::int64_t bytes);

}  // namespace tributary::config::internal
