// A walk over the log's events in the order they came, or back from the newest, that stops after so
// much work wherever it is: one page of a list. Passing over a record reads its header alone.
//
// The order is that of received_at; among equal times, and within a partition, that of offsets.
// Holds a window of records per partition, some megabytes at most, whatever the log's size.
//
// One thread, which may block (the log is read from the disk).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "control/event_filter.h"
#include "log/log.h"
#include "log/verdicts.h"

namespace tributary::control {

struct WalkOptions {
  bool newest_first = true;
  bool duplicates = false;  // show those too
};

// What one page may cost. Named limits, so that a filter that nothing matches cannot hold a thread.
struct WalkBudget {
  std::uint64_t records = 200'000;     // looked at
  std::uint64_t bytes = 64ULL << 20U;  // of them
};

// Per partition: forwards, the next offset to look at and where to end; backwards, one past the
// next offset to look at and the lowest one wanted.
using WalkPlaces = std::vector<log::Offset>;

class EventWalk {
 public:
  EventWalk(log::Log& log, const log::Verdicts& verdicts, EventFilter filter, WalkOptions options,
            WalkBudget budget, WalkPlaces from, const WalkPlaces& to);
  ~EventWalk();

  struct Step {
    log::RecordView record;  // lives until the next call
    bool duplicate = false;
  };
  // The next one; nullopt when the end is reached or the budget is spent.
  Result<std::optional<Step>> Next();
  // Nothing is left. Otherwise places() is where to go on.
  bool ended() const;
  WalkPlaces places() const;

 private:
  class Part;
  bool Spent() const;
  void Count(const log::RecordView& record);
  bool Before(const Step& a, const Step& b) const;

  log::Log& log_;
  const log::Verdicts& verdicts_;
  const EventFilter filter_;
  const WalkOptions options_;
  WalkBudget left_;
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace tributary::control
