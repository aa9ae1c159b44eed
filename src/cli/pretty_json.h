// JSON with line breaks, for people. The text is not rebuilt: numbers, escapes, repeated keys and
// the order of keys stay as they were sent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tributary::cli {

// nullopt when it is no well-formed JSON, or nested deeper than kJsonDepthMax. Stops after about
// `bytes_max` bytes of output. No newline at the end.
std::optional<std::string> PrettyJson(std::string_view text, std::size_t bytes_max);

}  // namespace tributary::cli
