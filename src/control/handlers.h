// The groups of handlers behind control.h, one file each. Inside control/ only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/blocking.h"
#include "control/control.h"
#include "control/source_names.h"

namespace tributary::control {

// An engine's refusal of what was sent: a blocked URL is the sender's mistake (400), not a question
// of who may.
http::Response RefusalResponse(const Error& error);
// What answers a call of the engine with its JSON, or its refusal.
std::move_only_function<void(Result<std::string>)> AnswerJson(http::Responder responder,
                                                              int status = 200);
// Whether a body that should not be there is harmless ("" or "{}"); else 400.
Status CheckNoBody(const http::Request& request);
// kInvalid for a Content-Encoding: control bodies are read as they come.
Status CheckPlainBody(const http::Request& request);
// The same, and kInvalid for a query: of calls that take none.
Status CheckBareHead(const http::Request& request);

// The source of a request that names one, deleted ones too; kInvalid names `source`. Of several
// that had the name it is the newest; EventFinder looks among all of them.
Result<log::SourceId> SourceNamed(const ControlWorld& world, std::string_view name);

struct Readiness {
  bool ready = false;
  std::vector<std::string> reasons;  // why not; one sentence each
};
Readiness ReadinessOf(const ControlWorld& world);

void AddHealthHandlers(const ControlWorld& world, http::Router& router);
void AddMetricsHandler(const ControlWorld& world, http::Router& router);
void AddDestinationHandlers(const ControlWorld& world, http::Router& router);
void AddReplayHandlers(const ControlWorld& world, http::Router& router);
void AddRevisionHandlers(const ControlWorld& world, Blocking& blocking, http::Router& router);
void AddAuditLogHandler(const ControlWorld& world, Blocking& blocking, http::Router& router);
void AddSourceHandlers(const ControlWorld& world, Blocking& blocking, http::Router& router);
void AddBackupHandlers(const ControlWorld& world, Blocking& blocking, http::Router& router);
void AddReloadHandlers(const ControlWorld& world, http::Router& router);
void AddOpenApiHandler(const ControlWorld& world, http::Router& router);

// OpenAPI 3.1 of every route the router has, whoever added it.
std::string OpenApiDocument(const std::vector<http::Route>& routes, std::string_view version);

// Finds events and what became of them; one per loop.
class EventFinder {
 public:
  EventFinder(const ControlWorld& world, Blocking& blocking, const SourceNames& names)
      : world_(world), blocking_(blocking), names_(names) {}

  struct Found {
    EventPlace place;
    // Its record cannot be read: only what the index knows is there.
    bool damaged = false;
    std::string entry;  // as lists show it (event_entry.h)
    std::uint8_t flags = 0;
    std::string message_id;
    std::string payload;
    std::vector<deliver::PairTrace> pairs;
  };
  using Done = std::move_only_function<void(Result<Found>)>;
  // `done` on the loop. Waits until dedupe has passed what was durable at this call, so that
  // nothing acknowledged before it is missed; kDeadline after kTraceWaitMax. kNotFound when there
  // is none.
  void Find(std::optional<log::SourceId> source, std::string message_id, Done done);

 private:
  struct Search;
  void LookUp(const std::shared_ptr<Search>& search);
  Result<Found> ReadRecord(const Search& search) const;
  Result<Found> Damaged(const Search& search, EventPlace place) const;
  void Trace(const std::shared_ptr<Search>& search, Found found);

  const ControlWorld& world_;
  Blocking& blocking_;
  const SourceNames& names_;
};

void AddEventListHandler(const ControlWorld& world, Blocking& blocking, const SourceNames& names,
                         http::Router& router);
void AddDeliveryHandlers(const ControlWorld& world, Blocking& blocking, SourceNames& names,
                         http::Router& router);
void AddAuditHandler(const ControlWorld& world, http::Router& router);
void AddDeadLetterHandlers(const ControlWorld& world, Blocking& blocking, SourceNames& names,
                           http::Router& router);

void AddEventHandlers(const ControlWorld& world, EventFinder& finder, http::Router& router);
void AddDestinationToolHandlers(const ControlWorld& world, EventFinder& finder,
                                http::Router& router);
void AddDryRunHandler(const ControlWorld& world, EventFinder& finder, http::Router& router);
void AddTrackApiHandlers(const ControlWorld& world, EventFinder& finder, http::Router& router);

}  // namespace tributary::control
