// GET /api/v1/events/{message_id}: one event, when and by which source it came, and what became of
// it at each destination.
#include <algorithm>

#include "base/time.h"
#include "control/back_to_loop.h"
#include "control/event_entry.h"
#include "control/handlers.h"
#include "control/index_wait.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;

std::string Repeats(const EventPlace& place) {
  std::string out;
  for (const EventPlace::Repeat& repeat : place.repeats) {
    out += (out.empty() ? "{\"received_at\":\"" : ",{\"received_at\":\"") +
           FormatIso8601(repeat.received_s * kMicrosPerSecond) +
           "\",\"partition\":" + std::to_string(repeat.partition) +
           ",\"offset\":" + std::to_string(repeat.offset) + "}";
  }
  return out;
}

std::string TraceText(const EventFinder::Found& found) {
  std::string deliveries;
  for (const deliver::PairTrace& pair : found.pairs) {
    deliveries += (deliveries.empty() ? "" : ",") + deliver::PairTraceJson(pair);
  }
  std::string out = found.entry;
  out.pop_back();  // what lists show, and more
  return out + ",\"damaged\":" + (found.damaged ? "true" : "false") +
         ",\"duplicates\":" + std::to_string(found.place.duplicates) + ",\"newest_duplicates\":[" +
         Repeats(found.place) + "],\"deliveries\":[" + deliveries + "]}";
}

}  // namespace

Result<log::SourceId> SourceNamed(const ControlWorld& world, std::string_view name) {
  const auto ids = world.sources->current().IdsOfName(name);
  if (!ids.empty()) return ids.back();
  return Fail(ErrorCode::kInvalid, "source",
              "source: there is none named \"" + std::string(name) + "\"");
}

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

void EventFinder::LookUp(const std::shared_ptr<Search>& search) {
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
    if (place.offset >= world_.log->first(place.partition)) return Damaged(search, place);
    return Fail(ErrorCode::kNotFound, "the event has left the log: its retention is over");
  }
  if (!read) return Fail(read.error());
  const log::RecordFields& fields = read->record.fields;
  return Found{.place = place,
               .entry = EventEntry(read->record, false, names_),
               .flags = fields.flags,
               .message_id = std::string(fields.message_id),
               .payload = std::string(read->record.payload),
               .pairs = {}};
}

// It was accepted, and may have been delivered: that much is known without its record.
Result<EventFinder::Found> EventFinder::Damaged(const Search& search, EventPlace place) const {
  const std::string source = names_.NameOf(place.source);
  std::string entry = "{\"message_id\":" + JsonString(search.message_id) +
                      ",\"source\":" + (source.empty() ? "null" : JsonString(source)) +
                      ",\"received_at\":\"" + FormatIso8601(place.received_s * kMicrosPerSecond) +
                      "\",\"partition\":" + std::to_string(place.partition) +
                      ",\"offset\":" + std::to_string(place.offset) + ",\"event\":null}";
  return Found{.place = std::move(place),
               .damaged = true,
               .entry = std::move(entry),
               .message_id = search.message_id,
               .payload = {},
               .pairs = {}};
}

void EventFinder::Trace(const std::shared_ptr<Search>& search, Found found) {
  const EventPlace place = found.place;
  auto answer = [search,
                 found = std::move(found)](Result<std::vector<deliver::PairTrace>> pairs) mutable {
    // Without the record nobody can say which destinations it was for.
    const bool lost = found.damaged && !pairs && pairs.error().code() == ErrorCode::kNotFound;
    if (!pairs && !lost) return search->done(Fail(pairs.error()));
    if (pairs) found.pairs = *std::move(pairs);
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
      const auto named = SourceNamed(world, name);
      if (!named) return responder.Send(http::ErrorResponse(named.error()));
      source = *named;
    }
    finder.Find(source, params.at("message_id"),
                [responder = std::move(responder)](Result<EventFinder::Found> found) mutable {
                  responder.Send(found ? Response::Json(200, TraceText(*found))
                                       : http::ErrorResponse(found.error()));
                });
  };
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/events/{message_id}",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Shows an event and what became of it at each destination.",
              .statuses = {200, 504},
              .docs = {.query = {"source"}, .answer = shapes::Trace()},
              .handle = handle});
}

}  // namespace tributary::control
