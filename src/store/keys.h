// Every key of the store is made and read here, so that two users can never collide and the whole
// layout can be read on one page. A key is one prefix byte, then fixed-width big-endian numbers, so
// that byte order is numeric order; a name, where there is one, comes last and as it is.
//
// Prefix bytes are on disk: never reuse one, never change the meaning of one. A new user of the
// store takes a free byte in `Prefix`, adds a builder (and a parser if somebody scans it), and says
// in its comment which family it lives in and what the value is. Values belong to their users; a
// value begins with a version byte unless its comment says otherwise.
//
// Positions are (partition, offset) as in log/record.h, spelled as plain numbers because store/
// does not know the log. Lane, destination and source ids are given out once and never reused.
//
// A store written by another program version is refused by the data directory's FORMAT file (it
// names the version of these keys), not here.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace tributary::store::keys {

// What the first byte of a key says. Upper case: the thing itself. Lower case: an index of it,
// which can be made again from the things.
enum class Prefix : char {
  // kOwned: written by control/, ingest/ and app/.
  kMeta = 'M',         // kMeta + name → one value of the whole program (id counters, salt, …)
  kSource = 'S',       // id u32 → the source (control/source_stored.h), deleted ones too
  kSourceName = 's',   // name → id (u32 little-endian, no version byte)
  kDestination = 'D',  // id u32 → the destination as it is now
  kDestinationName = 'd',  // name → id (u32 little-endian, no version byte)
  kRevision = 'V',         // destination u32, revision u32 → rules and where they took effect
  kHistory = 'H',          // destination u32, revision u32 → the whole specification, sealed
  kAudit = 'A',            // at_us u64, sequence u32 → who, before, after (redacted)
  kIdempotency = 'I',      // 16 bytes of a hash → request and answer (control/idempotency.h)

  // kOwned: written by deliver/ only.
  kLane = 'L',          // lane u32 → what it belongs to, status (paused, disabled), breaker
  kLaneCounters = 'c',  // lane u32 → delivered, filtered, … so far
  kCursor = 'C',        // lane u32, partition u32 → durable cursor of the lane
  kDone = 'R',          // lane u32, partition u32, first u64 → end u64: settled above the cursor
  kWaiting = 'W',       // lane u32, partition u32, offset u64 → attempts, due time, last error
  kWaitingDue = 'w',    // lane u32, due_us u64, partition u32, offset u64 → (empty)
  kFollower = 'F',    // lane u32, hash64 of the key it is ordered by, partition u32, offset u64 →
                      // the earliest time it may go
  kDeadLetter = 'X',  // lane u32, partition u32, offset u64 → reason, attempts, when
  kDeadLetterAge = 'x',  // lane u32, at_us u64, partition u32, offset u64 → bytes it occupies
  kKeptBody = 'B',       // lane u32, partition u32, offset u64 → the record, copied before
                         // retention passed it (only for waiting rows and dead letters)
  kAttempt = 'T',  // lane u32, partition u32, offset u64, number % 256 u8 → one attempt that
                   // failed, or ended a pair that had failed before
  kReplay = 'Y',   // lane u32 → the replay whose lane it is (deliver/replay_record.h)
  kDeliveryBatch = 'G',  // lane u32, hash of members u64 → composition, stored before first sent;
                         // the row of all its members while it waits
  kDropped = 'Z',   // lane u32, partition u32, first offset u64 → pairs lost, and by which rule
  kDeadMove = 'J',  // number u64 → a redrive or deletion of dead letters and how far it is

  // kDerived: written by the process runner only.
  kProcessor = 'P',        // processor u32, slot u8, rest → its state, owned by one slot
  kProcessorCursor = 'p',  // processor u32, slot range's first slot u8, partition u32 → cursor
};

// Where a record is.
struct Position {
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

// ---- The whole program ----------------------------------------------------------------------
std::string Meta(std::string_view name);

// ---- Sources --------------------------------------------------------------------------------
std::string Source(std::uint32_t source);
std::string SourceName(std::string_view name);
std::string AllSources();      // prefix of every Source() key
std::string AllSourceNames();  // prefix of every SourceName() key: names in byte order
std::optional<std::uint32_t> ParseSource(std::string_view key);
std::optional<std::string_view> ParseSourceName(std::string_view key);  // view into `key`

// ---- Destinations and their revisions -------------------------------------------------------
std::string Destination(std::uint32_t destination);
std::string DestinationName(std::string_view name);
std::string AllDestinations();      // prefix of every Destination() key
std::string AllDestinationNames();  // prefix of every DestinationName() key: names in byte order
std::optional<std::uint32_t> ParseDestination(std::string_view key);
std::optional<std::string_view> ParseDestinationName(std::string_view key);  // view into `key`

// Revisions of one destination in the order made. The value says at which offset of each partition
// the revision took effect; it is in force until the next one's.
std::string Revision(std::uint32_t destination, std::uint32_t revision);
std::string RevisionsOf(std::uint32_t destination);
struct RevisionKey {
  std::uint32_t destination = 0;
  std::uint32_t revision = 0;
};
std::optional<RevisionKey> ParseRevision(std::string_view key);

// The whole of each revision, as deliver/spec_vault.h stores it; ParseHistory gives both numbers.
std::string History(std::uint32_t destination, std::uint32_t revision);
std::string HistoryOf(std::uint32_t destination);
std::optional<RevisionKey> ParseHistory(std::string_view key);

// ---- Lanes ----------------------------------------------------------------------------------
std::string Lane(std::uint32_t lane);
std::string AllLanes();
std::optional<std::uint32_t> ParseLane(std::string_view key);
std::string LaneCounters(std::uint32_t lane);

// The lowest offset with neither an outcome nor a row …
std::string Cursor(std::uint32_t lane, std::uint32_t partition);
std::string CursorsOf(std::uint32_t lane);
struct CursorKey {
  std::uint32_t lane = 0;
  std::uint32_t partition = 0;
};
std::optional<CursorKey> ParseCursor(std::string_view key);

// … and the ranges above it that have one. Value: end of the range (u64 little-endian).
std::string Done(std::uint32_t lane, Position first);
std::string DoneOf(std::uint32_t lane, std::uint32_t partition);

// A key that ends in (lane, position): Done, Waiting, DeadLetter, KeptBody.
struct LaneKey {
  std::uint32_t lane = 0;
  Position at;
};
std::optional<LaneKey> ParseLaneKey(Prefix prefix, std::string_view key);

// Waiting rows: the row by its place in the log, and an index by due time. Both are written and
// deleted in one batch; the row holds its due time, so that the index entry can be found.
std::string Waiting(std::uint32_t lane, Position at);
std::string WaitingOf(std::uint32_t lane);
std::string WaitingDue(std::uint32_t lane, UnixMicros due_us, Position at);
std::string WaitingDueOf(std::uint32_t lane);
// A bound for a scan: [WaitingDueOf(lane), WaitingDueUntil(lane, t)) holds what is due before t.
std::string WaitingDueUntil(std::uint32_t lane, UnixMicros due_us);

// With `order: key`: records that wait behind an earlier one of the same key, in offset order.
std::string Follower(std::uint32_t lane, std::uint64_t key_hash, Position at);
std::string FollowersOf(std::uint32_t lane, std::uint64_t key_hash);
std::string AllFollowersOf(std::uint32_t lane);
struct FollowerKey {
  std::uint32_t lane = 0;
  std::uint64_t key_hash = 0;
  Position at;
};
std::optional<FollowerKey> ParseFollower(std::string_view key);

// Dead letters: by place in the log, and an index by the time they died (age limit, oldest first).
std::string DeadLetter(std::uint32_t lane, Position at);
std::string DeadLettersOf(std::uint32_t lane);
std::string DeadLetterAge(std::uint32_t lane, UnixMicros at_us, Position at);
std::string DeadLetterAgesOf(std::uint32_t lane);

// A key that ends in (lane, time, position): WaitingDue, DeadLetterAge.
struct LaneTimeKey {
  std::uint32_t lane = 0;
  UnixMicros at_us = 0;
  Position at;
};
std::optional<LaneTimeKey> ParseLaneTimeKey(Prefix prefix, std::string_view key);

// Pairs that were dropped, by the first offset of each group; a pair is in one group only.
std::string Dropped(std::uint32_t lane, Position first);
std::string DroppedOf(std::uint32_t lane);
std::string DeadMove(std::uint64_t number);
std::string AllDeadMoves();
std::optional<std::uint64_t> ParseDeadMove(std::string_view key);

std::string KeptBody(std::uint32_t lane, Position at);
std::string KeptBodiesOf(std::uint32_t lane);
std::string Attempt(std::uint32_t lane, Position at, std::uint8_t number);
std::string AttemptsOf(std::uint32_t lane);
std::string AttemptsAt(std::uint32_t lane, Position at);
std::optional<LaneKey> ParseAttempt(std::string_view key);
std::string DeliveryBatch(std::uint32_t lane, std::uint64_t members_hash);
std::string DeliveryBatchesOf(std::uint32_t lane);
struct DeliveryBatchKey {
  std::uint32_t lane = 0;
  std::uint64_t members_hash = 0;
};
std::optional<DeliveryBatchKey> ParseDeliveryBatch(std::string_view key);

// Replays, in the order made: a replay's number is its lane's.
std::string Replay(std::uint32_t lane);
std::string AllReplays();
std::optional<std::uint32_t> ParseReplay(std::string_view key);

// ---- Audit ----------------------------------------------------------------------------------
// In the order written: time, then a sequence number that tells two of the same microsecond apart.
std::string Audit(UnixMicros at_us, std::uint32_t sequence);
std::string AllAudit();
struct AuditKey {
  UnixMicros at_us = 0;
  std::uint32_t sequence = 0;
};
std::optional<AuditKey> ParseAudit(std::string_view key);

// ---- Idempotency -----------------------------------------------------------------------------
inline constexpr std::size_t kIdempotencyRowBytes = 16;
std::string Idempotency(std::string_view row);
std::string AllIdempotency();
std::optional<std::string> ParseIdempotency(std::string_view key);

// ---- Derived --------------------------------------------------------------------------------
// State of one processor. The slot comes before the rest, so that a range of slots is a range of
// keys, and a batch can be seen to stay within it.
std::string Processor(std::uint32_t processor, std::uint8_t slot, std::string_view rest);
std::string ProcessorSlot(std::uint32_t processor, std::uint8_t slot);
std::string ProcessorCursor(std::uint32_t processor, std::uint8_t first_slot,
                            std::uint32_t partition);
// The slot that a derived key belongs to; nullopt for a key that is not derived.
std::optional<std::uint8_t> SlotOfDerived(std::string_view key);

}  // namespace tributary::store::keys
