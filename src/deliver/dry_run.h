// What a destination would do with an event, and why, without doing it: nothing is sent, counted or
// remembered.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "deliver/destination.h"
#include "deliver/matcher.h"
#include "log/record.h"

namespace tributary::deliver {

struct DryRunResult {
  bool matched = false;
  std::string filtered_by;  // not matched: the option that said no ("names", "pattern", "filter",
                            // "integrations", "enabled"), "" when it failed instead
  std::string failed;       // the option that failed on this event: "filter", "mapping", "request";
                            // its pair would be a dead letter
  std::string error;        // and how
  bool mapped = false;      // body is what the mapping made
  std::string body;         // matched and not failed: what would be sent, as a batch of this one
                            // event where the destination takes batches
  std::optional<http::ClientRequest> request;  // of destinations that speak HTTP

  // `{"destination","matched","filtered_by","error":{"option","message"},"mapped","body",
  // "request":{"method","url","headers","body"}}`; what does not apply is null. Header values that
  // the destination's owner chose are "***".
  std::string ToJson(std::string_view destination) const;
};

struct DryRunInput {
  std::shared_ptr<const Matcher> matcher;          // nullptr: the destination is not enabled
  std::shared_ptr<const Program> mapping;          // nullptr: the event as it is
  std::shared_ptr<const Destination> destination;  // nullptr: no request is made up
  std::string record;                              // as EncodeKept writes it
  bool batch = false;                              // the destination takes batches
  std::string webhook_id;                          // of the request: WebhookIdAlone() in a batch
  UnixMicros now_us = 0;
};

// Answers exactly once, perhaps from inside the call.
using AskProgram = std::function<void(std::shared_ptr<const Program> program, std::string event,
                                      std::move_only_function<void(Result<std::string>)> done)>;

// `done` exactly once, wherever the last answer comes, or from inside this call. kUnavailable: a
// program could not be run now.
void RunDry(DryRunInput input, AskProgram ask,
            std::move_only_function<void(Result<DryRunResult>)> done);

// The engine's part, for control/.
class DryRuns {
 public:
  virtual ~DryRuns() = default;
  // As if this record had just come in. `done` as of any engine call, with the JSON; kNotFound when
  // there is no destination of that name.
  virtual void DryRun(const std::string& name, const log::RecordView& record,
                      std::move_only_function<void(Result<std::string>)> done) = 0;
};

}  // namespace tributary::deliver
