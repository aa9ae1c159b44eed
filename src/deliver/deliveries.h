// The door of the deliveries: pairs of events and destinations, by whatever is known of them.
//
// What is waiting, dead or dropped is found by its row; what is pending, delivered or filtered by
// reading the log again, from the newest event backwards, and asking each destination what it knows
// of the pair. Work per page is bounded: a page may be short, or empty, and still have a cursor.
//
// Threads: any; answers come once, on any thread, where they must only post. The log and the store
// are read on the engine's `reads` executor, a lane is asked on its loop for a bounded number of
// pairs at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deliver/engine.h"
#include "deliver/stored.h"

namespace tributary::deliver {

// Of one page. The first one counts what the whole query selects, within the same bounds.
inline constexpr std::size_t kDeliveryRecordsMax = 20'000;  // records looked at
inline constexpr std::size_t kDeliveryPairsMax = 100'000;   // pairs asked about
// Conditions that are run before no more are for the sake of the total (and those of one turn).
inline constexpr std::size_t kDeliveryConditionsMax = 1'000;
inline constexpr std::size_t kDeliveryPairsPerTurn = 2'048;  // at once, of a loop

struct DeliveryQuery {
  std::optional<std::string> destination;  // its name
  std::optional<PairState> state;
  std::vector<log::SourceId> sources;  // any of them; empty: of any source
  std::optional<std::string> message_id;
  // Only pairs of these events, when it is known where they are: the highest partition first, and
  // of one partition the newest.
  std::vector<Position> at;
  bool more_at = false;             // there are more of them: the total is not exact
  bool not_in_log = false;          // there is none: only rows that outlived their events may count
  std::optional<UnixMicros> since;  // received at or after
  std::optional<UnixMicros> until;  // received before
  std::string cursor;
  std::size_t limit = 100;
};

struct DeliveryEntry {
  PairTrace pair;
  log::SourceId source = 0;
  std::string message_id;         // empty when its event is gone, or has none
  UnixMicros received_at_us = 0;  // 0: its event is gone
};

// How many pairs a query selects, when its first page was asked for; not exact: at least so many.
struct DeliveryTotal {
  std::uint64_t pairs = 0;
  bool exact = true;
};

class Deliveries {
 public:
  virtual ~Deliveries() = default;
  struct Page {
    std::vector<DeliveryEntry> data;  // newest event first; of one event by destination id
    std::optional<std::string> next_cursor;
    DeliveryTotal total;
  };
  // kInvalid names `destination` or `cursor`.
  virtual void List(DeliveryQuery query, Engine::Done<Page> done) = 0;
  // kInvalid when `id` can be none, kNotFound when there is no such pair (any more).
  virtual void Get(std::string id, Engine::Done<DeliveryEntry> done) = 0;
};

}  // namespace tributary::deliver
