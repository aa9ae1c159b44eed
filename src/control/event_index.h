// What control needs of the dedupe stage: where the event with a message id is.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "log/record.h"

namespace tributary::control {

struct EventPlace {
  log::Partition partition = 0;
  log::Offset offset = 0;
  std::uint64_t duplicates = 0;  // how many repeats of it were dropped
};

class EventIndex {
 public:
  virtual ~EventIndex() = default;
  // The first event of that id from `source`; without a source the newest of any. kNotFound when
  // none is known. May block. Any thread.
  virtual Result<EventPlace> Find(std::optional<log::SourceId> source,
                                  std::string_view message_id) = 0;
};

}  // namespace tributary::control
