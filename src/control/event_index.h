// What control needs of the dedupe stage: where the event with a message id is.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "log/record.h"

namespace tributary::control {

inline constexpr std::size_t kRepeatsShownMax = 10;
inline constexpr std::size_t kEventsOfIdMax = 1'000;

struct EventPlace {
  log::Partition partition = 0;
  log::Offset offset = 0;
  std::uint64_t duplicates = 0;  // how many repeats of it were dropped (at most 256 are counted)
  log::SourceId source = 0;
  std::int64_t received_s = 0;  // whole seconds since 1970 UTC
  // The newest at most kRepeatsShownMax of the repeats, newest first.
  struct Repeat {
    log::Partition partition = 0;
    log::Offset offset = 0;
    std::int64_t received_s = 0;
  };
  std::vector<Repeat> repeats;
};

class EventIndex {
 public:
  virtual ~EventIndex() = default;
  // The newest event of that id that was no duplicate, from `source` or, without one, from any.
  // kNotFound when none is known. May block. Any thread.
  virtual Result<EventPlace> Find(std::optional<log::SourceId> source,
                                  std::string_view message_id) = 0;

  // Where every event of that id is that was no duplicate, of any of `sources` or, when there is
  // none, of any at all: the newest kEventsOfIdMax. May block. Any thread.
  struct Places {
    std::vector<std::pair<log::Partition, log::Offset>> places;
    bool all = true;  // false: there are more
  };
  virtual Result<Places> FindAll(const std::vector<log::SourceId>& sources,
                                 std::string_view message_id) = 0;

  // Calls `wake(true)` once Find() knows everything below `offset`, `wake(false)` at `deadline_ns`
  // (monotonic) or when closing; at once or later, on any thread, where it must only post.
  // kExhausted, and no call, when too many wait.
  using Wake = std::move_only_function<void(bool indexed)>;
  virtual Status WhenIndexed(log::Partition partition, log::Offset offset, MonoNanos deadline_ns,
                             Wake wake) = 0;

  // "" while all is well; else why the stage behind it has stopped for good. Any thread.
  virtual std::string failure() const = 0;
};

}  // namespace tributary::control
