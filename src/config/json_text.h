// Strict reading of small JSON texts: configuration and API bodies, never events.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tributary::config {

// kInvalid for text that is no JSON (with line and column, never with the text itself: it may hold
// secrets), for a key that is repeated within one object, for nesting past `depth_max`;
// kTooLarge past `bytes_max`.
Result<nlohmann::json> ParseJson(std::string_view text, std::size_t bytes_max, int depth_max);

// On one line; what is no UTF-8 (it may come from outside) is replaced.
std::string DumpText(const nlohmann::json& value);
std::string DumpOrderedText(const nlohmann::ordered_json& value);

// Numbers that are no 64-bit integers become doubles. kInvalid for the first one whose value that
// changes, with the field on top that it stands in; fine for what ParseJson refuses.
Status CheckNumbersAreKept(std::string_view text);

}  // namespace tributary::config
