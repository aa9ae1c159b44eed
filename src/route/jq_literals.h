// Numbers that stand in a program. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tributary::route {

// The first number in the text of a jq program that jq would change, as it is written there;
// numbers within strings (but not within their interpolations) and comments are none. nullopt: all
// keep their value, or the text is no program.
std::optional<std::string> FirstInexactLiteral(std::string_view program);

}  // namespace tributary::route
