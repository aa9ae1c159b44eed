// GET /api/v1/events/{message_id}: one event, when and by which source it came, and what became of
// it at each destination.
#include <algorithm>

#include "base/time.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/index_wait.h"
#include "control/query.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;

std::string SourceName(const ControlWorld& world, log::SourceId id) {
  const ingest::SourceSpec* source = world.sources->current().FindById(id);
  return source != nullptr ? JsonString(source->name) : "null";  // its source may be gone
}

std::string TraceText(const ControlWorld& world, const EventFinder::Found& found) {
  std::string deliveries;
  for (const deliver::PairTrace& pair : found.pairs) {
    deliveries += (deliveries.empty() ? "" : ",") + deliver::PairTraceJson(pair);
  }
  return "{\"message_id\":" + JsonString(found.message_id) +
         ",\"source\":" + SourceName(world, found.source) + ",\"received_at\":\"" +
         FormatIso8601(found.received_at_us) + "\",\"event_time\":\"" +
         FormatIso8601(found.event_time_us) +
         "\",\"partition\":" + std::to_string(found.place.partition) +
         ",\"offset\":" + std::to_string(found.place.offset) +
         ",\"duplicates\":" + std::to_string(found.place.duplicates) +
         ",\"event\":" + (found.payload.empty() ? "null" : found.payload) + ",\"deliveries\":[" +
         deliveries + "]}";
}

// kCorrupt is an answer here, not a failure: the event was taken and delivered, and is unreadable.
Response FailureResponse(const Error& error) {
  if (error.code() != ErrorCode::kCorrupt) return http::ErrorResponse(error);
  return http::ErrorResponse(410, "damaged", error.message());
}

}  // namespace

struct EventFinder::Search {
  std::optional<log::SourceId> source;
  std::string message_id;
  Done done;
};

void EventFinder::Find(std::optional<log::SourceId> source, std::string message_id, Done done) {
  auto search = std::make_shared<Search>();
  search->source = source;
  search->message_id = std::move(message_id);
  search->done = std::move(done);
  WaitForDedupe(world_, Reached::kIndexed, [this, search](const Status& indexed) {
    if (!indexed) return search->done(Fail(indexed.error()));
    LookUp(search);
  });
}

void EventFinder::LookUp(std::shared_ptr<Search> search) {
  const bool taken = blocking_.Run([this, search] { return ReadRecord(*search); },
                                   [this, search](Result<Found> found) {
                                     if (!found) return search->done(std::move(found));
                                     Trace(search, *std::move(found));
                                   });
  if (!taken) search->done(Fail(ErrorCode::kUnavailable, "too many traces are asked for at once"));
}

// On the worker.
Result<EventFinder::Found> EventFinder::ReadRecord(const Search& search) const {
  TRY_ASSIGN(const EventPlace place, world_.events->Find(search.source, search.message_id));
  auto read = world_.log->ReadOne(place.partition, place.offset);
  if (!read && read.error().code() == ErrorCode::kNotFound) {
    // Inside of what the log holds, a record can only be missing because it was damaged.
    if (place.offset < world_.log->first(place.partition)) {
      return Fail(ErrorCode::kNotFound, "the event has left the log: its retention is over");
    }
    return Fail(ErrorCode::kCorrupt,
                "the event was accepted, but its record is damaged on disk (partition " +
                    std::to_string(place.partition) + ", offset " + std::to_string(place.offset) +
                    ")");
  }
  if (!read) return Fail(read.error());
  const log::RecordFields& fields = read->record.fields;
  Found found;
  found.place = place;
  found.source = fields.source;
  found.flags = fields.flags;
  found.received_at_us = fields.received_at_us;
  found.event_time_us = fields.event_time_us;
  found.message_id = fields.message_id;
  found.payload = read->record.payload;
  return found;
}

void EventFinder::Trace(std::shared_ptr<Search> search, Found found) {
  const EventPlace place = found.place;
  auto answer = [search,
                 found = std::move(found)](Result<std::vector<deliver::PairTrace>> pairs) mutable {
    if (!pairs) return search->done(Fail(pairs.error()));
    found.pairs = *std::move(pairs);
    search->done(std::move(found));
  };
  world_.engine->Trace(
      place.partition, place.offset,
      BackToLoop<std::vector<deliver::PairTrace>>(*world_.loop, std::move(answer)));
}

void AddEventHandlers(const ControlWorld& world, EventFinder& finder, http::Router& router) {
  const auto handle = [&world, &finder](const Request& request, const PathParams& params,
                                        Responder responder) {
    if (const Status good = CheckQuery(request.query, {"source"}); !good) {
      return responder.Send(http::ErrorResponse(good.error()));
    }
    std::optional<log::SourceId> source;
    std::string name;
    if (http::QueryParameter(request.query, "source", name)) {
      const auto ids = world.sources->current().IdsOfName(name);  // of deleted ones too
      if (ids.empty()) {
        return responder.Send(
            http::ErrorResponse(400, "invalid", "source names no source that there is", "source"));
      }
      source = ids.back();
    }
    finder.Find(
        source, params.at("message_id"),
        [&world, responder = std::move(responder)](Result<EventFinder::Found> found) mutable {
          responder.Send(found ? Response::Json(200, TraceText(world, *found))
                               : FailureResponse(found.error()));
        });
  };
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/events/{message_id}",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Shows an event and what became of it at each destination.",
              .handle = handle});
}

}  // namespace tributary::control
