// What a live tail says next: a bounded step along the log, as the text of server-sent events.
//
// A tail that is further behind than kTailLagRecordsMax (its reader was slow, or came back late)
// passes over what is older by headers alone, and says how many events that were. So nothing is
// ever held for a reader but its place in the log.
//
// May block (the log is read from the disk); one thread at a time per tail.
#pragma once

#include <string>

#include "base/result.h"
#include "control/event_filter.h"
#include "control/event_walk.h"
#include "control/source_names.h"
#include "log/log.h"
#include "log/verdicts.h"

namespace tributary::control {

inline constexpr log::Offset kTailLagRecordsMax = 100'000;  // also how far Last-Event-ID looks back
inline constexpr std::uint64_t kTailStepRecordsMax = 5'000;
inline constexpr std::size_t kTailPieceBytes = 64 * 1024;  // and at most one event more

struct TailPlace {
  WalkPlaces next;            // per partition: the next offset to look at
  std::uint64_t skipped = 0;  // events that matched, passed over and not yet told of
  bool resumed = false;       // what is skipped now is older than the look-back
};

struct TailStep {
  std::string text;  // whole server-sent events; may be empty
  TailPlace place;
  bool more = false;  // there was more to look at
};

// Only what dedupe has decided, and no duplicates.
Result<TailStep> ReadTail(log::Log& log, const log::Verdicts& verdicts, const EventFilter& filter,
                          const SourceNames& names, TailPlace place);

// "0-41", the offset of the last record looked at; with several partitions "0-41,2-7".
std::string TailId(const WalkPlaces& next);
// The places after that id. kInvalid (field "Last-Event-ID") when it is none of this log.
Result<WalkPlaces> ReadTailId(std::string_view id, const log::Log& log);

}  // namespace tributary::control
