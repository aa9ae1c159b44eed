#include "event/known_fields.h"

#include <array>

namespace tributary::event {
namespace {

constexpr std::array<std::string_view, kKnownFields> kFieldNames = {
    "type",    "messageId",  "userId",       "anonymousId", "previousId",
    "groupId", "event",      "name",         "category",    "properties",
    "traits",  "context",    "integrations", "timestamp",   "originalTimestamp",
    "sentAt",  "receivedAt", "writeKey"};

constexpr Known Check(Known candidate, std::string_view key) {
  return kFieldNames[static_cast<std::size_t>(candidate)] == key ? candidate : Known::kUnknown;
}

}  // namespace

std::string_view FieldName(Known field) {
  return kFieldNames[static_cast<std::size_t>(field)];
}

// By length and one letter, then one comparison: this runs for every field of every event.
Known KnownField(std::string_view key) {
  switch (key.size()) {
    case 4:
      return Check(key[0] == 't' ? Known::kType : Known::kName, key);
    case 5:
      return Check(Known::kEvent, key);
    case 6:
      return Check(key[0] == 'u'   ? Known::kUserId
                   : key[0] == 't' ? Known::kTraits
                                   : Known::kSentAt,
                   key);
    case 7:
      return Check(key[0] == 'c' ? Known::kContext : Known::kGroupId, key);
    case 8:
      return Check(key[0] == 'c' ? Known::kCategory : Known::kWriteKey, key);
    case 9:
      return Check(key[0] == 'm' ? Known::kMessageId : Known::kTimestamp, key);
    case 10:
      if (key[0] == 'r') return Check(Known::kReceivedAt, key);
      return Check(key[2] == 'o' ? Known::kProperties : Known::kPreviousId, key);
    case 11:
      return Check(Known::kAnonymousId, key);
    case 12:
      return Check(Known::kIntegrations, key);
    case 17:
      return Check(Known::kOriginalTimestamp, key);
    default:
      return Known::kUnknown;
  }
}

}  // namespace tributary::event
