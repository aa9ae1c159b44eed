// The seed's own form of an event (collection-api.md section 11), both ways: what POST /track
// takes, and what `CDP` and `analytics` destinations are sent of it.
//
// The common model holds all of it (userId, event, originalTimestamp, properties), each value byte
// for byte, so nothing is kept twice and every other destination gets the clean common model.
// Fields that the seed does not know are dropped by it, so they are dropped here.
//
// Pure, apart from the UUID; thread-safe per object.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "event/event.h"
#include "event/json_document.h"
#include "os/random.h"

namespace tributary::event {

// Makes the canonical event of a POST /track body. One per loop. On failure the sentence that
// follows "Validation error: ", beginning with the field.
class SeedReader {
 public:
  explicit SeedReader(os::Random& random) : random_(random) {}
  std::expected<Canonical, std::string> Make(JsonValue body, UnixMicros received_at_us);

 private:
  std::expected<void, std::string> Read(JsonValue body);
  std::expected<void, std::string> CheckMetadata(JsonValue metadata) const;

  os::Random& random_;
  std::string user_id_text_, event_text_, time_text_;
  std::string_view user_id_, event_;
  std::string_view user_id_raw_, event_raw_, timestamp_raw_, metadata_raw_;
  std::string message_id_;
  std::string payload_;
  std::string_view part_;
};

// The event as the seed's destinations get it: {"userId":…,"event":…,"timestamp":…,"metadata":…},
// values as received (`timestamp`: when it was absent, the time of receipt; `metadata`: left out
// when absent). `payload` must be the canonical payload of a record with kFlagSeedForm.
std::string SeedForm(std::string_view payload);

// "push", "email" or "sms" when properties.preferredChannel is one of them, else empty: what a
// `CDP` destination appends to its URL. For any canonical payload.
std::string_view PreferredChannel(std::string_view payload);

}  // namespace tributary::event
