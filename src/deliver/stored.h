// What deliver/ keeps in the store, and the ids that others see. Integers are little-endian, texts
// are a u16 length and bytes. Every value begins with a version byte, 1 unless said otherwise;
// another version is kCorrupt (the data directory's FORMAT file guards against real changes).
//
//   Cursor   1, cursor u64, start u64, released u64, delivered u64, filtered u64, dead u64,
//            dropped u64, n u32, n × (first u64, end u64)         settled ranges above the cursor
//            2, the same, m u8, m × u64                           dropped by rule m = 1, 2, …
//   Waiting  2, due_us i64, attempts u32, since_us i64, key u64
//            3, the same, redriven_after u32                      only of what was redriven
//            1, due_us i64, attempts u32                          read, no longer written
//   Follower 1, due_us i64                                       0: as soon as its turn comes
//   Dead     1, at_us i64, attempts u32, reason text
//   DeadAge  1, attempts u32, bytes u32, source u32, hash64 of the message id u64
//   Dropped  1, rule u8, at_us i64, n u32, n × (gap u64, length u64); a gap counts from the end of
//            the run before, the first one from the key's offset
//   Attempt  1, at_us i64, number u32, status u16, duration_ms u32, revision u32, error text,
//            response text
//            2, the same, then batch u128 (high u64, low u64)     of an attempt with others
//   Batch    1, due_us i64, attempts u32, base u32, since_us i64, after u64, id u128, n u32,
//            n × (partition u32, offset u64, webhook id u128, key u64)
//   Kept     1, received_us i64, event_us i64, source u32, kind u8, type u8, flags u8, key text,
//            name text, message_id text, correlation_id text, payload to the end
//   Lane     1, status u8 (0 active, 1 paused, 2 disabled, 3 deleted), at_us i64, reason text
//
// Pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "deliver/outcome.h"
#include "log/record.h"
#include "store/keys.h"

namespace tributary::deliver {

using DestinationId = std::uint32_t;
using LaneId = std::uint32_t;  // of a destination's live lane: the destination's id

using Position = store::keys::Position;  // (partition, offset)

// Why a pair was dropped. Numbers are on disk: never reuse one.
enum class DropRule : std::uint8_t {
  kRetention = 1,           // the log needed the room before the destination had passed it
  kDestinationDeleted = 2,  // deleted while the pair was pending, retrying or a dead letter
  kDeleted = 3,             // a dead letter that somebody deleted
  kDeadLetterAge = 4,       // a dead letter older than `dead_letters.age`
  kReplayCancelled = 6,     // a pair of a replay that was cancelled
  kDeadLetterSize = 5,      // the oldest dead letters past `dead_letters.size`
};
inline constexpr std::size_t kDropRules = 6;   // numbered from 1
std::string_view DropRuleName(DropRule rule);  // "retention", "destination_deleted", …

// How often each outcome was reached. Kept per partition, in the cursor's value, so that counts and
// cursor can never disagree.
struct Counts {
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t dropped = 0;
  // Of the dropped ones, by rule; those that version 1 of the row counted are under none.
  std::array<std::uint64_t, kDropRules> by_rule = {};
  std::uint64_t& of(DropRule rule) { return by_rule[static_cast<std::size_t>(rule) - 1]; }
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
  UnixMicros since_us = 0;     // when the first one of its schedule began; 0: not known, or none
  std::uint64_t key = 0;       // `order: key`: hash of the key it holds; 0: none
  std::uint32_t redriven_after =
      0;  // attempts made before it was redriven: the schedule began anew
};
std::string EncodeWaiting(const StoredWaiting& value);
Result<StoredWaiting> DecodeWaiting(std::string_view bytes);

// Of a follower: the earliest time it may be sent. Its key's hash is in the key of its row.
std::string EncodeFollower(UnixMicros due_us);
Result<UnixMicros> DecodeFollower(std::string_view bytes);

struct StoredDead {
  UnixMicros at_us = 0;
  std::uint32_t attempts = 0;
  std::string reason;
};
std::string EncodeDead(const StoredDead& value);
Result<StoredDead> DecodeDead(std::string_view bytes);

// What of a dead letter's event its index by age tells, so that lists and limits need not read it.
// All 0 where it was not known when the pair died.
struct DeadFacts {
  std::uint32_t bytes = 0;  // of the event with its header, wherever it lies
  log::SourceId source = 0;
  std::uint64_t message_hash = 0;  // Hash64 of the message id
  bool notice = false;             // IsNotice(); not stored
};
DeadFacts FactsOf(const log::RecordView& record);
struct StoredDeadAge {
  std::uint32_t attempts = 0;
  DeadFacts facts;
};
std::string EncodeDeadAge(const StoredDeadAge& value);
Result<StoredDeadAge> DecodeDeadAge(std::string_view bytes);

using OffsetRange = std::pair<log::Offset, log::Offset>;  // first, one past the last
// Appends to runs that are in order, without overlap.
void AddToRuns(std::vector<OffsetRange>& runs, log::Offset first, log::Offset end);
inline constexpr std::size_t kRunsPerRowMax = 4096;
// No group crosses a multiple of this, so that the groups that may hold an offset are few and near.
inline constexpr log::Offset kDroppedBlock = 65'536;
struct StoredDropped {
  DropRule rule = DropRule::kRetention;
  UnixMicros at_us = 0;
  // In order, not adjacent, at most kRunsPerRowMax; the first one begins at the key's offset.
  std::vector<OffsetRange> runs;
  std::uint64_t count() const;
  bool Contains(log::Offset offset) const;
};
std::string EncodeDropped(const StoredDropped& value);
Result<StoredDropped> DecodeDropped(log::Offset first, std::string_view bytes);

struct StoredAttempt {
  std::uint32_t number = 0;  // counted from 1
  Attempt attempt;
  Hash128 batch = {};  // the batch that was sent (StoredBatch::id); zero: the event alone
};
std::string EncodeAttempt(const StoredAttempt& value);
Result<StoredAttempt> DecodeAttempt(std::string_view bytes);

// Several pairs that are sent together, in this order, as often as it takes: the row of them all.
using BatchId = std::uint64_t;
struct StoredBatch {
  struct Member {
    Position at;
    Hash128 webhook_id;
    std::uint64_t key = 0;  // that it holds (`order: key`); 0: none
    friend bool operator==(const Member&, const Member&) = default;
  };
  UnixMicros due_us = 0;
  std::uint32_t attempts = 0;  // made with its members, those before they were split off included
  std::uint32_t base = 0;      // of these, the ones before it was composed
  UnixMicros since_us = 0;     // when the first one after these began; 0: there was none
  BatchId after = 0;           // shares keys with this one, which must have ended first; 0: none
  Hash128 id;                  // BatchWebhookId() of its members
  std::vector<Member> members;
  BatchId key() const { return id.high; }
};
std::string EncodeBatch(const StoredBatch& value);
Result<StoredBatch> DecodeBatch(std::string_view bytes);

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

// "dlv_" + 32 hex digits: lane, partition and offset, scattered by a Feistel network, so that the
// pair can be found from its id alone and no row per pair is needed for that.
std::string DeliveryId(LaneId lane, Position at);
struct DeliveryPlace {
  LaneId lane = 0;
  Position at;
};
// nullopt when it is none. That it was ever given out is for the caller to see.
std::optional<DeliveryPlace> ParseDeliveryId(std::string_view id);

// Of one event: "msg_" + hex of HashOf128(destination u32 LE, source u32 LE, message id bytes). A
// record without a message id counts as having "@PARTITION:OFFSET".
Hash128 WebhookIdHash(DestinationId destination, const log::RecordView& record);
std::string WebhookId(DestinationId destination, const log::RecordView& record);
// Of a batch: HashOf128 of its members' ids, written "msg_" + hex each, one after another in order.
Hash128 BatchWebhookId(const std::vector<StoredBatch::Member>& members);
// What one event is sent as where the destination takes batches: a batch of that one.
std::string WebhookIdAlone(DestinationId destination, const log::RecordView& record);
inline std::string BodyAlone(std::string_view event) {
  return "[" + std::string(event) + "]";
}
std::string WebhookIdText(Hash128 hash);  // "msg_" + hex

}  // namespace tributary::deliver
