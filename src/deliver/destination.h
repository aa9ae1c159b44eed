// The door for destinations: adding one is one file in destinations/.
//
//   struct Options {
//     std::string url;
//     static void Describe(config::OptionList<Options>& o) {
//       o.Required("url", &Options::url, "Where to post.");
//     }
//   };
//   class Slack final : public deliver::HttpDestination {        // deliver/http_destination.h
//    public:
//     using OptionsType = Options;
//     static Status Check(const Options& o, const deliver::CheckContext& context);   // optional
//     Slack(const Options& options, const deliver::DestinationContext& context);
//     Result<http::ClientRequest> Encode(const deliver::Delivery& delivery) const override;
//     // Judge() is inherited: deliver::JudgeResponse.
//   };
//   const deliver::DestinationRegistration kSlack =
//       deliver::Register<Slack>("slack", "Posts each event to a Slack channel.");
//
// From this come validation, redaction, lane, retries, breaker, dead letters and metrics.
// What is not HTTP implements Destination itself.
//
// Threads: an instance belongs to one lane and is used on that lane's loop only. Several instances
// of one destination may live at the same time (the old one until its requests have ended).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/option_list.h"
#include "deliver/outcome.h"
#include "deliver/retried_statuses.h"
#include "http/client.h"
#include "log/record.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/fs.h"

namespace tributary::deliver {

// What is asked of a destination: one event or one batch, once.
struct Delivery {
  const log::RecordView* record = nullptr;  // of a batch: its first; valid during the call only
  // What to send: the event's JSON, or what its mapping made of it; of a batch (`batch`): a JSON
  // array of these. During the call only.
  std::string_view body;
  bool mapped = false;          // body is what a mapping made
  bool batch = false;           // also when it has one member
  std::uint32_t members = 1;    // of a batch
  std::string_view webhook_id;  // the same for every attempt; during the call only
  std::string_view replay;      // of a replay's lane its id: sent as Tributary-Replay; else empty
  std::uint32_t attempt = 1;    // counted from 1
  UnixMicros now_us = 0;        // of this attempt
};

class Destination {
 public:
  // Destroying it cancels what is in flight: those `done` are never called.
  virtual ~Destination() = default;
  // Calls `done` exactly once, on the lane's loop, never from inside this call.
  using Done = std::move_only_function<void(Outcome)>;
  virtual void Deliver(const Delivery& delivery, Done done) = 0;
  // True: every event is delivered by being looked at, and Deliver() is never called, so that a
  // lane takes whole windows at once.
  virtual bool instant() const { return false; }
  // The request that Deliver() would send, for people who ask; nullopt when it sends none. Errors
  // as of an attempt. Sends nothing and changes nothing.
  virtual Result<std::optional<http::ClientRequest>> Preview(const Delivery& delivery) const {
    static_cast<void>(delivery);
    return std::nullopt;
  }
};

// Sees the request of an attempt and the answer as they were: what a trial shows. Requests that
// only prepare it (for an access token) are not shown. On the lane's loop.
class Witness {
 public:
  virtual ~Witness() = default;
  virtual void Sent(const http::ClientRequest& request) = 0;
  virtual void Answered(const http::ClientResponse& response) = 0;
};

// What a destination is given; outlives it.
struct DestinationContext {
  os::Executor* loop = nullptr;      // the lane's
  http::Client* client = nullptr;    // the loop's
  os::Executor* blocking = nullptr;  // for calls that may block (files)
  os::FileSystem* fs = nullptr;
  os::Clock* clock = nullptr;
  std::string name;          // of the destination
  std::string files_root;    // where `file` may write
  std::string user_agent;    // "Tributary/0.1.0"
  std::string instance;      // of this process: marks the notices that it sends; may be ""
  MonoNanos timeout_ns = 0;  // of one attempt
  RetriedStatuses retried;
  Witness* witness = nullptr;
};

// What Check may ask when a destination is made or changed.
struct CheckContext {
  const http::EgressGuard* egress = nullptr;  // nullptr: anything goes (tests)
};

// A type as the engine sees it: its options are behind a pointer to const void.
struct DestinationType {
  std::string_view name;
  std::string_view summary;
  // Whether it can take several events in one request: only then may `batch` be more than one.
  bool batches = false;  // `static constexpr bool kBatches = true;` in the class
  const std::vector<config::OptionSpec>& (*specs)() = nullptr;
  std::shared_ptr<void> (*copy_options)(const void* options) = nullptr;  // nullptr: the defaults
  Status (*check)(const void* options, const CheckContext& context) = nullptr;
  std::shared_ptr<Destination> (*make)(const void* options,
                                       const DestinationContext& context) = nullptr;
};

// The table of types, filled by static objects of destinations/*.cc; sorted by name.
std::vector<const DestinationType*> RegisteredTypes();
// By its exact name; "cdp" and "ANALYTICS" find CDP and analytics too. nullptr when unknown.
const DestinationType* FindType(std::string_view name);

struct DestinationRegistration {
  explicit DestinationRegistration(DestinationType the_type);
  DestinationType type;
};

template <class D>
DestinationRegistration Register(std::string_view name, std::string_view summary) {
  using Options = typename D::OptionsType;
  DestinationType type;
  type.name = name;
  type.summary = summary;
  if constexpr (requires { D::kBatches; }) type.batches = D::kBatches;
  type.specs = [] -> const std::vector<config::OptionSpec>& {
    return config::OptionList<Options>::Specs();
  };
  type.copy_options = [](const void* options) -> std::shared_ptr<void> {
    return options == nullptr ? std::make_shared<Options>()
                              : std::make_shared<Options>(*static_cast<const Options*>(options));
  };
  type.check = [](const void* options, const CheckContext& context) -> Status {
    const auto& o = *static_cast<const Options*>(options);
    if constexpr (requires { D::Check(o, context); }) return D::Check(o, context);
    return {};
  };
  type.make = [](const void* options,
                 const DestinationContext& context) -> std::shared_ptr<Destination> {
    return std::make_shared<D>(*static_cast<const Options*>(options), context);
  };
  return DestinationRegistration(type);
}

}  // namespace tributary::deliver
