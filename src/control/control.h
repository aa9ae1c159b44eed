// The door of control: the API's routes, for one loop's router.
//
// Threads: one ControlApi per loop, used on that loop's thread only. Nothing here blocks the loop:
// what may block goes to `blocking`, what others answer on their threads comes back by Post().
// Everything in the world outlives the API, and the API outlives the last request of its loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/access.h"
#include "control/backup.h"
#include "control/event_index.h"
#include "control/front.h"
#include "control/reload.h"
#include "control/source_registry.h"
#include "deliver/engine.h"
#include "http/router.h"
#include "ingest/source_directory.h"
#include "log/log.h"
#include "log/verdicts.h"
#include "metrics/registry.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/random.h"
#include "store/store.h"

namespace tributary::control {

struct ControlWorld {
  os::Executor* loop = nullptr;      // the handlers'
  os::Executor* blocking = nullptr;  // its thread may block
  os::Clock* clock = nullptr;
  os::Random* random = nullptr;  // thread-safe
  deliver::Engine* engine = nullptr;
  log::Log* log = nullptr;
  EventIndex* events = nullptr;
  log::Verdicts* verdicts = nullptr;
  const store::Store* store = nullptr;
  const metrics::Registry* metrics = nullptr;
  const ingest::SourceDirectory* sources = nullptr;  // this loop's
  std::atomic<std::size_t>* tails = nullptr;         // how many are open, of all loops
  SourceRegistry* registry = nullptr;
  Backups* backups = nullptr;              // null: there is no such door
  Configuration* configuration = nullptr;  // null: there is no such door
  const Access* access = nullptr;
  Journal journal;                               // audit records and remembered answers
  const std::atomic<bool>* accepting = nullptr;  // false while starting and draining
  std::string sync_mode = "always";              // as configured, for /readyz
  std::string version;
};

// How long a trace may wait until the message-id index has what was durable when it was asked for.
inline constexpr MonoNanos kTraceWaitMax = 10 * kNanosPerSecond;
inline constexpr std::size_t kPageEntriesMax = 1000;
inline constexpr std::size_t kPageEntriesDefault = 100;
inline constexpr std::size_t kTailsMax = 64;  // live tails open at one time, of all loops
inline constexpr MonoNanos kTailHeartbeatNs = 15 * kNanosPerSecond;
// A page of events ends after the one that passes this, however few they are.
inline constexpr std::size_t kEventPageBytesMax = 4 * 1024 * 1024;

class ControlApi {
 public:
  explicit ControlApi(ControlWorld world);
  ~ControlApi();

  // /healthz and /readyz alone: on every listener, whoever asks.
  void AddHealthRoutes(http::Router& router);
  // /metrics and everything under /api/v1/. The router must outlive the API's requests: the OpenAPI
  // document is made from its routes.
  void AddRoutes(http::Router& router);
  // POST /destinations and GET /responses/{messageId} (collection-api.md section 11).
  void AddTrackApiRoutes(http::Router& router);
  // For Router::SetAround of each router that has routes of this API.
  http::Router::Around around();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tributary::control
