// What deliver/ keeps in the store, and the ids that others see. Integers are little-endian, texts
// are a u16 length and bytes. Every value begins with a version byte, 1 unless said otherwise;
// another version is kCorrupt (the data directory's FORMAT file guards against real changes).
//
//   Cursor   1, cursor u64, start u64, released u64, delivered u64, filtered u64, dead u64,
//            dropped u64, n u32, n × (first u64, end u64)         settled ranges above the cursor
//   Waiting  2, due_us i64, attempts u32, since_us i64, key u64
//            1, due_us i64, attempts u32                          read, no longer written
//   Dead     1, at_us i64, attempts u32, reason text
//   Attempt  1, at_us i64, number u32, status u16, duration_ms u32, revision u32, error text,
//            response text
//   Kept     1, received_us i64, event_us i64, source u32, kind u8, type u8, flags u8, key text,
//            name text, message_id text, correlation_id text, payload to the end
//   Lane     1, status u8 (0 active, 1 paused, 2 disabled, 3 deleted), at_us i64, reason text
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "deliver/outcome.h"
#include "log/record.h"
#include "store/keys.h"

namespace tributary::deliver {

using DestinationId = std::uint32_t;
using LaneId = std::uint32_t;  // of a destination's live lane: the destination's id

using Position = store::keys::Position;  // (partition, offset)

// How often each outcome was reached. Kept per partition, in the cursor's value, so that counts and
// cursor can never disagree.
struct Counts {
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t dropped = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

struct StoredCursor {
  log::Offset cursor = 0;
  log::Offset start = 0;     // the lane's first offset: earlier records form no pair with it
  log::Offset released = 0;  // rows below it have a kept body: the log may forget their records
  Counts counts;
  std::vector<std::pair<log::Offset, log::Offset>> above;
};
std::string EncodeCursor(const StoredCursor& value);
Result<StoredCursor> DecodeCursor(std::string_view bytes);

struct StoredWaiting {
  UnixMicros due_us = 0;
  std::uint32_t attempts = 0;  // made so far
  UnixMicros since_us = 0;     // when the first one began; 0: not known
  std::uint64_t key = 0;       // `order: key`: hash of the key it holds; 0: none
};
std::string EncodeWaiting(const StoredWaiting& value);
Result<StoredWaiting> DecodeWaiting(std::string_view bytes);

struct StoredDead {
  UnixMicros at_us = 0;
  std::uint32_t attempts = 0;
  std::string reason;
};
std::string EncodeDead(const StoredDead& value);
Result<StoredDead> DecodeDead(std::string_view bytes);

struct StoredAttempt {
  std::uint32_t number = 0;  // counted from 1
  Attempt attempt;
};
std::string EncodeAttempt(const StoredAttempt& value);
Result<StoredAttempt> DecodeAttempt(std::string_view bytes);

std::string EncodeKept(const log::RecordView& record);
// Views into `bytes`.
Result<log::RecordView> DecodeKept(Position at, std::string_view bytes);

enum class LaneStatus : std::uint8_t { kActive = 0, kPaused = 1, kDisabled = 2, kDeleted = 3 };
std::string_view LaneStatusName(LaneStatus status);
struct StoredLane {
  LaneStatus status = LaneStatus::kActive;
  UnixMicros at_us = 0;  // since when
  std::string reason;
};
std::string EncodeLane(const StoredLane& value);
Result<StoredLane> DecodeLane(std::string_view bytes);

// "dlv_" + hex of HashOf128(lane u32 LE, partition u32 LE, offset u64 LE).
std::string DeliveryId(LaneId lane, Position at);

// "msg_" + hex of HashOf128(destination u32 LE, source u32 LE, message id bytes). A record without
// a message id counts as having "@PARTITION:OFFSET".
std::string WebhookId(DestinationId destination, const log::RecordView& record);

}  // namespace tributary::deliver
