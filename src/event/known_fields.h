// The top-level fields that admission looks at. Everything else is carried, never read. Private to
// event/.
#pragma once

#include <cstdint>
#include <string_view>

namespace tributary::event {

enum class Known : std::uint8_t {
  kType,
  kMessageId,
  kUserId,
  kAnonymousId,
  kPreviousId,
  kGroupId,
  kEvent,
  kName,
  kCategory,
  kProperties,
  kTraits,
  kContext,
  kIntegrations,
  kTimestamp,
  kOriginalTimestamp,
  kSentAt,
  kReceivedAt,
  kWriteKey,
  kUnknown,
};
inline constexpr std::size_t kKnownFields = static_cast<std::size_t>(Known::kUnknown);

Known KnownField(std::string_view key);
std::string_view FieldName(Known field);

}  // namespace tributary::event
