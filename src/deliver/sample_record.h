// An event as it would stand in the log, without a log: for dry runs and tests of filters.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/record.h"
#include "os/random.h"

namespace tributary::deliver {

inline constexpr std::size_t kSampleBytesMax = 1024 * 1024;

class SampleRecord {
 public:
  struct Origin {
    log::SourceId source = 0;  // 0: of no source
    bool historical = false;
    UnixMicros received_at_us = 0;
  };
  // Takes the event as a source takes it in: `type` is `track` when it says none, ids and times are
  // added and judged. kInvalid, field "event", with why a source would refuse it.
  static Result<SampleRecord> Of(std::string_view event_json, const Origin& origin,
                                 os::Random& random);
  // Lives as long as this does.
  const log::RecordView& view() const { return parts_->view; }
  // The payload as it is in the log already: what was added to it is taken back.
  void SetPayload(std::string payload);

 private:
  struct Parts {
    std::string payload, key, name, message_id;
    log::RecordView view;
  };
  std::unique_ptr<Parts> parts_ = std::make_unique<Parts>();  // views point into it
};

}  // namespace tributary::deliver
