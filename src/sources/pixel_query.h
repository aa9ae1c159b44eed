// A pixel's query string as the JSON of an event (collection-api.md section 8). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace tributary::sources {

inline constexpr std::size_t kPixelParametersMax = 200;

// Segment's: `data=<base64 JSON>`, or flat parameters whose dots make nested objects. nullopt when
// it is neither (broken encoding, too many parameters, nested too deep).
std::optional<std::string> SegmentPixelEvent(std::string_view query);

// RudderStack's: flat parameters; channel "web", all integrations, times `now`; quotes around
// anonymousId are taken off; a page without a name is "Unknown Page".
std::optional<std::string> RudderPixelEvent(std::string_view query, bool page, UnixMicros now);

}  // namespace tributary::sources
