// Conservation, proved: accepted events that are no repeats × destinations in force = delivered +
// filtered + dead-lettered + dropped + pending.
//
// One side is the log with the dedupe verdicts, judged again under the rule in force at each
// offset; the other is what each lane had settled at one moment (cursor, rows, counts), copied on
// its loop, and the dropped ranges of that moment. Every pair is looked up on both sides; one that
// has no state, or two, is named. Where the range holds all that a lane has passed, its counts are
// checked against the log as well.
//
// The cut: what a lane had not settled at that moment is pending. The log is read in slices on the
// engine's `reads` executor, so that others have their turn.
// A pair that a jq condition decides is not judged again: if it has no row it is `undecided`,
// delivered or filtered, and only the sum is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deliver/engine.h"
#include "deliver/stored.h"

namespace tributary::deliver {

inline constexpr std::uint64_t kAuditRecordsMax = 10'000'000;  // of one call
inline constexpr std::size_t kAuditProblemsNamed = 100;        // per destination; all are counted

struct AuditQuery {
  std::optional<std::string> destination;
  log::Offset from = 0;
  log::Offset to = ~log::Offset{0};
};

struct AuditProblem {
  std::string delivery_id;  // empty: of the counts
  log::Partition partition = 0;
  log::Offset offset = 0;
  std::string what;
};

struct AuditLine {
  std::string destination;
  std::uint64_t events = 0;  // of the range that form a pair with it
  std::uint64_t delivered = 0;
  std::uint64_t filtered = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t dropped = 0;
  std::uint64_t pending = 0;  // retrying ones too
  std::uint64_t undecided = 0;
  bool counts_checked = false;
  std::uint64_t problems_total = 0;
  std::vector<AuditProblem> problems;
};

struct AuditReport {
  log::Offset from = 0;
  log::Offset to = 0;                    // of every partition, as far as it was looked at
  std::optional<log::Offset> next_from;  // there is more: ask again from here
  std::uint64_t records = 0;
  std::uint64_t duplicates = 0;
  std::vector<AuditLine> destinations;  // by their ids
  std::uint64_t problems() const;
};

class Audit {
 public:
  virtual ~Audit() = default;
  // `done` once, on any thread, where it must only post. kInvalid names `destination`;
  // kUnavailable: another audit runs.
  virtual void Run(AuditQuery query, Engine::Done<AuditReport> done) = 0;
};

}  // namespace tributary::deliver
