// POST /api/v1/destinations/{name}/dry-run: what would be sent, and why.
#include <set>

#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "deliver/dry_run.h"
#include "deliver/sample_record.h"
#include "event/json_document.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Request;
using http::Responder;
using http::Response;

constexpr std::size_t kDryRunBytesMax = deliver::kSampleBytesMax;

// What the body asks for.
struct Ask {
  std::string event;       // JSON; or
  std::string message_id;  // of an event that came in
  std::string source;      // whose event it is; empty: nobody's, or the newest of that id
};

// What `…/test` sends when nothing is said.
constexpr std::string_view kSample =
    R"({"type":"track","userId":"test-user","event":"Test Event",)"
    R"("properties":{"test":true,"total":39.95,"currency":"EUR"}})";

Status ReadField(std::string_view name, const event::JsonValue& value, Ask& ask) {
  if (name == "event") {
    if (!value.is(event::JsonType::kObject)) return WrongField(name, "must be an object");
    ask.event = value.raw();
    return {};
  }
  if (name != "message_id" && name != "source") {
    return WrongField(name, "is no option of a dry run: there are event, message_id, source");
  }
  std::string scratch;
  const std::string text(value.is(event::JsonType::kString) ? value.Text(scratch) : "");
  if (text.empty()) return WrongField(name, "must be a string that is not empty");
  (name == "source" ? ask.source : ask.message_id) = text;
  return {};
}

// Read as sources read events: what the event says stays as it was written.
Result<Ask> ReadAsk(std::string_view body) {
  if (body.empty()) return Ask{.event = std::string(kSample), .message_id = {}, .source = {}};
  event::JsonDocument document;
  TRY_ASSIGN(const event::JsonValue object, document.Parse(body));
  if (!object.is(event::JsonType::kObject)) {
    return Fail(ErrorCode::kInvalid, "a dry run takes a JSON object");
  }
  Ask ask;
  std::set<std::string> names;
  for (const event::JsonField field : object.fields()) {
    std::string scratch;
    const std::string name(field.Key(scratch));
    if (!names.insert(name).second) return WrongField(name, "is there twice");
    TRY(ReadField(name, field.value(), ask));
  }
  if (ask.event.empty() == ask.message_id.empty()) {
    return WrongField("event", "or message_id must be given, and not both");
  }
  return ask;
}

schema::Schema AskShape() {
  return schema::Object({{"event?", schema::AnyObject()},
                         {"message_id?", schema::Text()},
                         {"source?", schema::Text()}});
}

schema::Schema DryRunShape() {
  const schema::Schema text = schema::Text();
  const schema::Schema request = schema::Object({{"method", text},
                                                 {"url", text},
                                                 {"headers", schema::MapOf(text)},
                                                 {"body", schema::OrNull(text)}});
  const schema::Schema error = schema::Object({{"option", text}, {"message", text}});
  return schema::Named("DryRun", schema::Object({{"destination", text},
                                                 {"matched", schema::Flag()},
                                                 {"filtered_by", schema::OrNull(text)},
                                                 {"error", schema::OrNull(error)},
                                                 {"mapped", schema::Flag()},
                                                 {"body", schema::OrNull(text)},
                                                 {"request", schema::OrNull(request)}}));
}

class Handler {
 public:
  Handler(const ControlWorld& world, EventFinder& finder) : world_(world), finder_(finder) {}

  void Handle(const Request& request, const http::PathParams& params, Responder responder) {
    Status fine = CheckQuery(request.query, {});
    if (fine) fine = CheckPlainBody(request);
    Result<Ask> ask = fine ? ReadAsk(request.body) : std::unexpected(fine.error());
    std::optional<log::SourceId> source;
    if (ask && !ask->source.empty()) {
      const auto named = SourceNamed(world_, ask->source);
      if (named) {
        source = *named;
      } else {
        ask = Fail(named.error());
      }
    }
    if (!ask) return responder.Send(http::ErrorResponse(ask.error()));
    const std::string& name = params.at("name");
    if (ask->message_id.empty()) {
      Run(name, Sample(ask->event, source.value_or(0)), std::move(responder));
      return;
    }
    finder_.Find(
        source, ask->message_id,
        [this, name, responder = std::move(responder)](Result<EventFinder::Found> found) mutable {
          if (!found) {
            return responder.Send(http::ErrorResponse(
                Error(found.error().code(), "message_id", found.error().message())));
          }
          Run(name, Kept(*found), std::move(responder));
        });
  }

 private:
  void Run(const std::string& name, Result<deliver::SampleRecord> record, Responder responder) {
    if (!record) return responder.Send(http::ErrorResponse(record.error()));
    auto answer = [responder = std::move(responder)](Result<std::string> result) mutable {
      responder.Send(result ? Response::Json(200, *std::move(result))
                            : RefusalResponse(result.error()));
    };
    world_.engine->dry_runs().DryRun(name, record->view(),
                                     BackToLoop<std::string>(*world_.loop, std::move(answer)));
  }

  Result<deliver::SampleRecord> Sample(std::string_view event, log::SourceId source) const {
    return deliver::SampleRecord::Of(
        event, {.source = source, .received_at_us = world_.clock->Now()}, *world_.random);
  }

  // One that came in, as it stands in the log.
  Result<deliver::SampleRecord> Kept(const EventFinder::Found& found) const {
    if (found.damaged) return Fail(ErrorCode::kNotFound, "the event is damaged in the log");
    TRY_ASSIGN(auto record, deliver::SampleRecord::Of(
                                found.payload,
                                {.source = found.place.source,
                                 .historical = (found.flags & log::kFlagHistorical) != 0,
                                 .received_at_us = found.place.received_s * kMicrosPerSecond},
                                *world_.random));
    record.SetPayload(found.payload);
    return record;
  }

  const ControlWorld& world_;
  EventFinder& finder_;
};

}  // namespace

void AddDryRunHandler(const ControlWorld& world, EventFinder& finder, http::Router& router) {
  const auto handler = std::make_shared<Handler>(world, finder);
  router.Add({.method = http::Method::kPost,
              .pattern = "/api/v1/destinations/{name}/dry-run",
              .scope = http::Scope::kRead,
              .body_bytes_max = kDryRunBytesMax,
              .summary = "Shows what would be sent for an event, and why, without sending it.",
              .statuses = {200, 504},
              .changes_nothing = true,
              .docs = {.body = AskShape(), .body_optional = true, .answer = DryRunShape()},
              .handle = [handler](const Request& request, const http::PathParams& params,
                                  Responder responder) {
                handler->Handle(request, params, std::move(responder));
              }});
}

}  // namespace tributary::control
