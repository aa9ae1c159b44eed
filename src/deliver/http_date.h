// Dates of HTTP headers (RFC 9110, section 5.6.7): the one form that senders make, and the two old
// ones that recipients still have to read. Pure; thread-safe.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace tributary::deliver {

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
// A year of two digits is in the century that puts it at most 50 years after `now_us`. Names of
// days are not compared with the date. nullopt for everything else.
std::optional<UnixMicros> ParseHttpDate(std::string_view text, UnixMicros now_us);

}  // namespace tributary::deliver
