// Conservation, proved: accepted events that are no repeats × destinations in force = delivered +
// filtered + dead-lettered + dropped + pending.
//
// One side is the log with the dedupe verdicts, judged again under the rule in force at each
// offset; the other is what each lane had settled at one moment (cursor, rows, counts), copied on
// its loop, and the dropped ranges of that moment. Every pair is looked up on both sides; one that
// has no state, or two, is named, and so is one that passes for delivered although the attempts
// that are kept of it all failed. Where the range holds all that a lane has passed, its counts are
// checked against the log as well. Destinations that were deleted (deleted_lane.h) have a line each
// as long as the log has events that formed pairs with them; so have replays.
//
// The cut: what a lane had not settled at that moment is pending, or, of a deleted destination,
// dropped. The log is read in slices on the engine's `reads` executor, so that others have their
// turn. What a jq condition decided is asked again, with others (kAuditAsksAtOnce) at the same
// time; only a pair whose condition gives no answer now is `undecided`: delivered or filtered.
//
// One call is bounded (records, conditions, time) and its answer may be a part: it has then a
// cursor, and the next call goes on with the moment at which the first one began, so that the
// counts are checked at the end of all. That moment is kept for kAuditKept, of one audit only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deliver/engine.h"
#include "deliver/stored.h"

namespace tributary::deliver {

// Of one call; past any of them it answers a part.
inline constexpr std::uint64_t kAuditRecordsMax = 10'000'000;
inline constexpr std::uint64_t kAuditAsksMax = 50'000;  // conditions
inline constexpr MonoNanos kAuditCallMax = 20 * kNanosPerSecond;

inline constexpr std::size_t kAuditAsksAtOnce = 16;
inline constexpr std::size_t kAuditProblemsNamed = 100;  // per destination; all are counted
inline constexpr MonoNanos kAuditKept = 120 * kNanosPerSecond;

struct AuditQuery {
  std::optional<std::string> destination;
  log::Offset from = 0;
  log::Offset to = ~log::Offset{0};
  std::string cursor;  // of an answer that was a part; nothing else is said then
  std::uint64_t records_max = kAuditRecordsMax;
};

struct AuditProblem {
  std::string delivery_id;  // empty: of the counts
  log::Partition partition = 0;
  log::Offset offset = 0;
  std::string what;
};

struct AuditCounts {
  std::uint64_t events = 0;  // of the range that form a pair with it
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t dropped = 0;
  std::uint64_t pending = 0;  // retrying ones too
  std::uint64_t undecided = 0;
  void Add(const AuditCounts& more);
};

// What this part of the range says of one lane.
struct AuditLine : AuditCounts {
  LaneId lane = 0;
  std::string destination;
  std::string replay;                       // its id; empty: the destination's live lane
  std::optional<UnixMicros> deleted_at_us;  // when the destination was deleted
  bool counts_checked = false;
  std::uint64_t problems_total = 0;
  std::vector<AuditProblem> problems;
};

struct AuditReport {
  log::Offset from = 0;
  log::Offset to = 0;                      // of every partition, as far as it was looked at
  std::optional<std::string> next_cursor;  // there is more: ask again with it
  std::optional<log::Offset> next_from;    // the same, for a new audit; of one partition only
  std::uint64_t records = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t conditions = 0;         // that were asked
  std::vector<AuditLine> destinations;  // by the ids of their lanes
  std::uint64_t problems() const;
};

class Audit {
 public:
  virtual ~Audit() = default;
  // `done` once, on any thread, where it must only post. kInvalid names `destination` or `cursor`
  // (it is none, or its audit is not kept any more); kUnavailable: another audit runs.
  virtual void Run(AuditQuery query, Engine::Done<AuditReport> done) = 0;
};

}  // namespace tributary::deliver
