// The door for sources: things that take events in over HTTP.
//
// A source parses a request, adds records to the intake's batch and says which answer the client is
// to get once they are durable. It never answers a success itself: Intake does, after the sync. A
// refusal is answered at once and leaves nothing in the batch.
//
// Adding one: a file in sources/ that defines a class and a `SourceRegistration`. Every loop has
// its own instances, used by that loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/router.h"
#include "ingest/source_directory.h"
#include "log/log.h"
#include "metrics/registry.h"
#include "os/clock.h"
#include "os/random.h"

namespace tributary::ingest {

// The batch that this loop is filling, and the requests that wait for it. One per loop.
class Intake {
 public:
  virtual ~Intake() = default;

  // Where records are added. Take a mark first; RollBack(mark) when the request is refused.
  // kUnavailable when nothing can be taken now (bytes waiting for the writer at their limit, log
  // not writable, draining) — answer 503/507 at once, before parsing.
  virtual Result<log::Batch*> Open() = 0;

  // The records added since the mark are this request's. After the sync that covers them `answer`
  // is sent; if it fails, `on_failure(error)`. `answer` is a canned, serialised HTTP answer that
  // lives for ever (the hot path), or a Response.
  using OnFailure = std::move_only_function<http::Response(const Error&)>;
  virtual void AnswerWhenDurable(http::Responder responder, std::string_view canned,
                                 OnFailure on_failure) = 0;
  virtual void AnswerWhenDurable(http::Responder responder, http::Response answer,
                                 OnFailure on_failure) = 0;

  // Adds `events` to the counter, which lives for ever, once the records that are in the batch now
  // are durable; never, if they do not get there.
  virtual void CountWhenDurable(metrics::Counter& counter, std::uint64_t events) = 0;
};

// What a source is given; outlives it.
struct SourceContext {
  Intake* intake = nullptr;
  const SourceDirectory* directory = nullptr;  // this loop's view; always current
  os::Clock* clock = nullptr;
  os::Random* random = nullptr;
  metrics::Registry* metrics = nullptr;  // counters of all loops add up in it
  bool loopback = true;                  // the listener is on loopback only
};

class Source {
 public:
  virtual ~Source() = default;
  virtual void AddRoutes(http::Router& router) = 0;
};

// Static objects of this type in sources/*.cc make up the table of sources.
struct SourceRegistration {
  using Make = std::unique_ptr<Source> (*)(const SourceContext&);
  SourceRegistration(std::string_view name, std::string_view summary, Make make);
  std::string_view name;
  std::string_view summary;
  Make make;
};
const std::vector<const SourceRegistration*>& RegisteredSources();

}  // namespace tributary::ingest
