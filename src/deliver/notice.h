// Notices (meta_events.h) on their way: what marks them, and the events that they become at another
// Tributary, so that no notice is ever about one of them.
#pragma once

#include <cstdint>
#include <string_view>

#include "log/record.h"

namespace tributary::deliver {

// In requests that carry a notice or an event that was one: which process sent it
// (DestinationContext::instance). A server refuses its own; what another one sent becomes an event
// with kFlagNotice.
inline constexpr std::string_view kNoticeHeader = "Tributary-Notice-From";

// In a record's flags, beside those of log/record.h: the event came in a request with that header.
// Its deliveries carry the header again, and what becomes of it is no reason for a notice.
inline constexpr std::uint8_t kFlagNotice = 16;

// Whether requests with this record are marked.
inline bool IsNotice(const log::RecordFields& fields) {
  return fields.kind == log::Kind::kSystem || (fields.flags & kFlagNotice) != 0;
}

}  // namespace tributary::deliver
