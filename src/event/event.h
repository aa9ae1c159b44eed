// The event model: what the six calls are called, why an event may be refused, and the canonical
// form that everything after admission reads.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/time.h"

namespace tributary::event {

// The numbers are those of log::EventType, which is on disk.
enum class Type : std::uint8_t {
  kOther = 0,
  kTrack = 1,
  kIdentify = 2,
  kPage = 3,
  kScreen = 4,
  kGroup = 5,
  kAlias = 6,
};
std::string_view TypeName(Type type);      // "track", …; "" for kOther
Type TypeFromName(std::string_view name);  // exact; kOther when it is none of the six

// Why an event is not taken (collection-api.md section 9). Both texts live for ever.
struct Rejection {
  std::string_view code;     // "no_user_anon_id", …
  std::string_view message;  // a sentence that names the field
};

// An event as it goes into the log. The payload is the concatenation of `parts`. All views live
// until the canonicalizer that made it is used again, and no longer than the request's document.
struct Canonical {
  Type type = Type::kOther;
  UnixMicros event_time_us = 0;  // the time of `timestamp`
  std::string_view key;          // anonymousId, else userId, else the message id
  std::string_view name;         // `event` of a track, `name` of a page or screen; else empty
  std::string_view message_id;
  bool for_all = false;  // its `integrations`, if it has any, exclude nobody for certain
  std::span<const std::string_view> parts;
};

}  // namespace tributary::event
