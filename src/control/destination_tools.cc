// /api/v1/destinations/{name}/rotate-secret and …/test.
#include "config/option_list.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "deliver/sample_record.h"
#include "event/json_document.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;

void Rotate(const ControlWorld& world, const Request& request, const PathParams& params,
            Responder responder) {
  if (const Status fine = CheckBareHead(request); !fine) {
    return responder.Send(http::ErrorResponse(fine.error()));
  }
  world.engine->secret_rotation().RotateSecret(
      params.at("name"), std::string(request.body),
      BackToLoop<std::string>(*world.loop, AnswerJson(std::move(responder))),
      world.access->NameOf(request));
}

// What to send: the event itself, byte for byte, or the id of one that was kept. Neither: a sample.
struct Wanted {
  std::string event;
  std::string message_id;
  std::string source;  // whose event it is; empty: nobody's, or the newest of that id
};

Result<Wanted> ReadWanted(std::string_view body) {
  Wanted wanted;
  if (body.empty()) return wanted;
  event::JsonDocument document;
  TRY_ASSIGN(const event::JsonValue object, document.Parse(body));
  if (!object.is(event::JsonType::kObject)) {
    return Fail(ErrorCode::kInvalid, "the body must be a JSON object");
  }
  std::string scratch;
  for (const event::JsonField field : object.fields()) {
    const std::string key(field.Key(scratch));
    if (key == "event") {
      if (!field.value().is(event::JsonType::kObject)) return WrongField(key, "must be an object");
      wanted.event = field.value().raw();
    } else if (key == "message_id" || key == "source") {
      if (!field.value().is(event::JsonType::kString)) return WrongField(key, "must be a text");
      std::string& text = key == "source" ? wanted.source : wanted.message_id;
      text = field.value().Text(scratch);
      if (text.empty()) return WrongField(key, "must not be empty");
    } else {
      return WrongField(key, "is not known here: event, message_id or source");
    }
  }
  if (!wanted.event.empty() && !wanted.message_id.empty()) {
    return WrongField("message_id", "cannot be given together with event");
  }
  if (!wanted.source.empty() && wanted.event.empty() && wanted.message_id.empty()) {
    return WrongField("source", "says whose event is meant: event or message_id is missing");
  }
  return wanted;
}

schema::Schema WantedShape() {
  return schema::Object({{"event?", schema::AnyObject()},
                         {"message_id?", schema::Text()},
                         {"source?", schema::Text()}});
}

schema::Schema TrialShape() {
  const schema::Schema text = schema::Text();
  const schema::Schema message =
      schema::Object({{"headers", schema::MapOf(text)}, {"body?", text}, {"body_base64?", text}});
  return schema::Named(
      "Trial",
      schema::Object(
          {{"destination", text},
           {"webhook_id", text},
           {"event", schema::Anything()},
           {"request", schema::OrNull(schema::With(message, {{"method", text}, {"url", text}}))},
           {"response", schema::OrNull(schema::With(message, {{"status", schema::Count()}}))},
           {"verdict", schema::Word({"delivered", "retry", "rejected", "disabled"})},
           {"error", schema::OrNull(text)},
           {"duration_ms", schema::Count()}}));
}

// Judged as a source judges it, and sent as it was given. One that has no messageId is a new event
// each time: receivers drop an id that they know.
Result<deliver::TrialEvent> EventOf(const ControlWorld& world, std::string event,
                                    log::SourceId source) {
  if (event.empty()) return deliver::TrialEvent{.payload = {}, .message_id = {}, .source = source};
  TRY_ASSIGN(const auto record,
             deliver::SampleRecord::Of(
                 event, {.source = source, .received_at_us = world.clock->Now()}, *world.random));
  return deliver::TrialEvent{.payload = std::move(event),
                             .message_id = std::string(record.view().fields.message_id),
                             .source = source};
}

void Test(const ControlWorld& world, EventFinder& finder, const Request& request,
          const PathParams& params, Responder responder) {
  const Status fine = CheckBareHead(request);
  auto wanted = fine ? ReadWanted(request.body) : std::unexpected(fine.error());
  if (!wanted) return responder.Send(http::ErrorResponse(wanted.error()));
  const std::string& name = params.at("name");
  std::optional<log::SourceId> source;
  if (!wanted->source.empty()) {
    const auto named = SourceNamed(world, wanted->source);
    if (!named) return responder.Send(http::ErrorResponse(named.error()));
    source = *named;
  }
  // Asked before the search, so that an unknown destination is said at once.
  if (const auto known = world.engine->Get(name); !known) {
    return responder.Send(RefusalResponse(known.error()));
  }
  if (wanted->message_id.empty()) {
    auto event = EventOf(world, std::move(wanted->event), source.value_or(0));
    if (!event) return responder.Send(http::ErrorResponse(event.error()));
    return world.engine->trials().Try(
        name, *std::move(event),
        BackToLoop<std::string>(*world.loop, AnswerJson(std::move(responder))));
  }
  auto answer = BackToLoop<std::string>(*world.loop, AnswerJson(std::move(responder)));
  finder.Find(source, std::move(wanted->message_id),
              [&world, name, answer = std::move(answer)](Result<EventFinder::Found> found) mutable {
                if (!found) {
                  return answer(Fail(found.error().code(), "message_id", found.error().message()));
                }
                if (found->damaged) {
                  return answer(Fail(ErrorCode::kNotFound, "message_id",
                                     "the event is damaged and cannot be read any more"));
                }
                world.engine->trials().Try(name,
                                           {.payload = std::move(found->payload),
                                            .message_id = std::move(found->message_id),
                                            .source = found->place.source,
                                            .flags = found->flags},
                                           std::move(answer));
              });
}

}  // namespace

void AddDestinationToolHandlers(const ControlWorld& world, EventFinder& finder,
                                http::Router& router) {
  const std::string one = "/api/v1/destinations/{name}";
  router.Add(
      {.method = http::Method::kPost,
       .pattern = one + "/rotate-secret",
       .scope = http::Scope::kWrite,
       .body_bytes_max = config::kOptionsBytesMax,
       .summary = "Signs with a new secret, and for a while with the old one too.",
       .statuses = {200, 409},
       .docs = {.body = shapes::Rotation(),
                .body_optional = true,
                .answer = shapes::Destination(world.engine->options())},
       .handle = [&world](const Request& request, const PathParams& params, Responder responder) {
         Rotate(world, request, params, std::move(responder));
       }});
  router.Add({.method = http::Method::kPost,
              .pattern = one + "/test",
              .scope = http::Scope::kWrite,
              .body_bytes_max = config::kOptionsBytesMax,
              .summary = "Sends one real request now; shows it and its answer.",
              .statuses = {200, 504},
              .docs = {.body = WantedShape(), .body_optional = true, .answer = TrialShape()},
              .handle = [&world, &finder](const Request& request, const PathParams& params,
                                          Responder responder) {
                Test(world, finder, request, params, std::move(responder));
              }});
}

}  // namespace tributary::control
