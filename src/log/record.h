// A record: what the log keeps. Plain types, no ownership of bytes beyond what each type says.
//
// The log keeps bytes: it knows the header, which routing and dedupe need, and never looks into the
// payload. The form on disk is in FORMAT.md.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "base/time.h"

namespace tributary::log {

// A dense number, 0, 1, 2, … per partition; never a byte position.
using Offset = std::uint64_t;
using Partition = std::uint32_t;
using SourceId = std::uint32_t;  // of the source that took the record in; 0 is the program itself

// Numbers are on disk: never reuse one. Readers treat an unknown kind as "not for me".
enum class Kind : std::uint8_t {
  kEvent = 1,    // a collected event; the only kind that is deduplicated and matched by default
  kControl = 2,  // a change of state that is first a record (unmerge, erasure, ad spend, endpoint)
  kDataset = 3,  // a row of an Amazon Marketing Stream dataset
  kQueue = 4,    // a message of an SQS queue
  kSystem = 5,   // our own meta events (breaker opened, retention loss, …)
};

inline constexpr std::size_t kKindsMax = 8;  // all known numbers are below it

// What routing matches on without parsing JSON. kOther: `name` alone says what it is.
enum class EventType : std::uint8_t {
  kOther = 0,
  kTrack = 1,
  kIdentify = 2,
  kPage = 3,
  kScreen = 4,
  kGroup = 5,
  kAlias = 6,
};

inline constexpr std::uint8_t kFlagHistorical = 1;  // imported; destinations ask for these
inline constexpr std::uint8_t kFlagTest = 2;
inline constexpr std::uint8_t kFlagSeedForm = 4;  // came by the seed's POST /track (section 11)
// The payload's own `integrations` exclude no destination: it need not be read to know. Without the
// flag they may.
inline constexpr std::uint8_t kFlagForAll = 8;

// What a writer says of one record. The log assigns offset, slot and (non-decreasing) received_at.
struct RecordFields {
  UnixMicros received_at_us = 0;
  UnixMicros event_time_us = 0;  // corrected time of the event itself
  SourceId source = 0;
  Kind kind = Kind::kEvent;
  EventType type = EventType::kOther;
  std::uint8_t flags = 0;
  std::string_view key;             // decides the slot; see DESIGN.md, "Record"
  std::string_view name;            // `event` of a track, `name` of a page or screen; may be empty
  std::string_view message_id;      // dedupe key together with `source`
  std::string_view correlation_id;  // may be empty
};

// What a reader sees. Views point into the Chunk it came from and live as long as it does.
struct RecordView {
  Partition partition = 0;
  Offset offset = 0;
  std::uint8_t slot = 0;
  RecordFields fields;
  std::string_view payload;
};

}  // namespace tributary::log
