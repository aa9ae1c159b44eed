// The simple API's POST /destinations and GET /responses/{messageId}: exact shapes of
// collection-api.md section 11. Errors are {"error":"Validation error: FIELD …"}.
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "config/option_list.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "event/seed_form.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;
using nlohmann::json;

constexpr std::string_view kIdWord = "messageId ";  // what POST /track puts before its ids
constexpr int kDepthMax = 8;

Response ErrorAnswer(int status, std::string_view text) {
  return Response::Json(status, "{\"error\":" + JsonString(text) + "}");
}

Response ValidationError(std::string_view text) {
  return ErrorAnswer(400, "Validation error: " + std::string(text));
}

// Route::refuse: what is answered before the handler has the request.
Response RefuseInShape(const Request&, int status, std::string_view code,
                       std::string_view message) {
  if (status == 413) return ValidationError("body: " + std::string(message));
  Response response = http::ErrorResponse(status, code, message);
  response.body = ErrorAnswer(status, message).body;
  return response;
}

Result<std::string> RequiredText(const json& body, const char* field) {
  const auto found = body.find(field);
  if (found == body.end() || found->is_null()) return WrongField(field, "is required");
  if (!found->is_string()) return WrongField(field, "must be a string");
  const auto& text = found->get_ref<const std::string&>();
  if (text.empty()) return WrongField(field, "must not be empty");
  return text;
}

Result<std::string> KindOf(const json& body) {
  TRY_ASSIGN(const std::string given, RequiredText(body, "type"));
  std::string lower = given;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower == "cdp") return "CDP";
  if (lower == "analytics") return lower;
  return WrongField("type", "must be CDP or analytics");
}

// "", null, an object of texts, or a text that holds such an object.
Result<json> HeadersOf(const json& body) {
  constexpr std::string_view kWhat = "must be an object of strings, or a string holding one";
  const auto found = body.find("headers");
  if (found == body.end() || found->is_null()) return json::object();
  json headers = *found;
  if (headers.is_string()) {
    const std::string text = headers.get<std::string>();
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) return json::object();
    auto parsed = config::ParseJson(text, config::kOptionsBytesMax, kDepthMax);
    if (!parsed) return WrongField("headers", kWhat);
    headers = *std::move(parsed);
  }
  if (!headers.is_object()) return WrongField("headers", kWhat);
  for (const auto& [name, value] : headers.items()) {
    if (!value.is_string()) return WrongField("headers", kWhat);
  }
  return headers;
}

struct NewDestination {
  std::string name;
  std::string json_text;
};

// The seed's fields become an ordinary destination. Its `password` is read by nothing, here as
// there: it is checked and not kept. Fields that it does not know it ignores, so we do.
Result<NewDestination> ReadDestination(const json& body) {
  if (!body.is_object()) return WrongField("body", "must be a JSON object");
  TRY_ASSIGN(std::string name, RequiredText(body, "destinationName"));
  TRY_ASSIGN(const std::string url, RequiredText(body, "url"));
  TRY_ASSIGN(const std::string kind, KindOf(body));
  TRY_ASSIGN(const json headers, HeadersOf(body));
  const auto password = body.find("password");
  if (password != body.end() && !password->is_null() && !password->is_string()) {
    return WrongField("password", "must be a string or null");
  }
  const json object = {{"name", name}, {"type", kind}, {"url", url}, {"headers", headers}};
  return NewDestination{std::move(name), object.dump()};
}

// What the engine refuses is bad input too; it calls the name `name`.
Response EngineFailure(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalid:
    case ErrorCode::kDenied:
    case ErrorCode::kTooLarge:
      return ValidationError(error.field() == "name" ? "destinationName: " + error.message()
                                                     : error.message());
    case ErrorCode::kConflict:
      return ErrorAnswer(409, "Validation error: " + error.message());
    case ErrorCode::kUnavailable:
    case ErrorCode::kExhausted: {
      Response response = ErrorAnswer(503, error.message());
      response.headers.emplace_back("Retry-After", "1");
      return response;
    }
    default:
      return ErrorAnswer(500, "the destination could not be stored");
  }
}

void CreateDestination(const ControlWorld& world, const Request& request, Responder responder) {
  if (const Status plain = CheckPlainBody(request); !plain) {
    return responder.Send(ValidationError(plain.error().message()));
  }
  const auto body = config::ParseJson(request.body, config::kOptionsBytesMax, kDepthMax);
  if (!body)
    return responder.Send(ErrorAnswer(400, "Invalid JSON input: " + body.error().message()));
  auto destination = ReadDestination(*body);
  if (!destination) return responder.Send(ValidationError(destination.error().message()));
  auto answer = [responder = std::move(responder)](Result<deliver::Engine::Replaced> done) mutable {
    // The inner text is part of the contract, space after the colon included.
    responder.Send(
        done ? Response::Json(200, R"({"body": "{\"Destination created status\": \"success\"}"})")
             : EngineFailure(done.error()));
  };
  world.engine->Replace(std::move(destination->name), std::move(destination->json_text), true,
                        BackToLoop<deliver::Engine::Replaced>(*world.loop, std::move(answer)),
                        world.access->NameOf(request));
}

std::string ResponseRow(const EventFinder::Found& found) {
  const bool seed_form = (found.flags & log::kFlagSeedForm) != 0;
  std::string destinations;
  for (const auto& [name, delivered] : deliver::Engine::Responses(found.pairs)) {
    destinations +=
        (destinations.empty() ? "" : ",") + JsonString(name) + (delivered ? ":true" : ":false");
  }
  return "{\"responseId\":" + JsonString(found.message_id) +
         ",\"responseBody\":" + (seed_form ? event::SeedForm(found.payload) : found.payload) +
         ",\"destinations\":{" + destinations + "}}";
}

Response FindFailure(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
      return ErrorAnswer(404, "no response with that id");
    case ErrorCode::kCorrupt:
      return ErrorAnswer(410, error.message());
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadline: {
      Response response = ErrorAnswer(503, error.message());
      response.headers.emplace_back("Retry-After", "1");
      return response;
    }
    default:
      return ErrorAnswer(500, "the response could not be read");
  }
}

void GetResponse(EventFinder& finder, const PathParams& params, Responder responder) {
  std::string id = params.at("messageId");
  if (id.starts_with(kIdWord)) id.erase(0, kIdWord.size());
  finder.Find(std::nullopt, std::move(id),
              [responder = std::move(responder)](Result<EventFinder::Found> found) mutable {
                if (found && found->damaged) {
                  found = Fail(ErrorCode::kCorrupt, "the event's record is damaged on disk");
                }
                responder.Send(found ? Response::Json(200, ResponseRow(*found))
                                     : FindFailure(found.error()));
              });
}

schema::Schema SimpleDestinationShape() {
  const schema::Schema text = schema::Text();
  const schema::Schema headers = schema::OrNull(schema::Either(text, schema::MapOf(text)));
  return schema::Open(schema::Object({{"destinationName", text},
                                      {"type", text},
                                      {"url", text},
                                      {"headers?", headers},
                                      {"password?", schema::OrNull(text)}}));
}

schema::Schema SimpleRowShape() {
  return schema::Object({{"responseId", schema::Text()},
                         {"responseBody", schema::AnyObject()},
                         {"destinations", schema::MapOf(schema::Flag())}});
}

}  // namespace

void AddTrackApiHandlers(const ControlWorld& world, EventFinder& finder, http::Router& router) {
  router.Add({.method = http::Method::kPost,
              .pattern = "/destinations",
              .scope = http::Scope::kWrite,
              .body_bytes_max = config::kOptionsBytesMax,
              .trailing_slash = true,
              .summary = "Makes or replaces a destination of the types CDP and analytics.",
              .statuses = {200, 409},
              .docs = {.any_query = true,
                       .body = SimpleDestinationShape(),
                       .answer = schema::Object({{"body", schema::Text()}}),
                       // What is said of an Idempotency-Key, it says as everywhere else.
                       .error = schema::Either(shapes::SimpleError(), shapes::Error())},
              .handle =
                  [&world](const Request& request, const PathParams&, Responder responder) {
                    CreateDestination(world, request, std::move(responder));
                  },
              .refuse = RefuseInShape});
  router.Add(
      {.method = http::Method::kGet,
       .pattern = "/responses/{messageId}",
       .scope = http::Scope::kRead,
       .body_bytes_max = 0,
       .trailing_slash = true,
       .summary = "Shows to which destinations an event was delivered.",
       .statuses = {200, 400, 410},
       .docs = {.any_query = true, .answer = SimpleRowShape(), .error = shapes::SimpleError()},
       .handle = [&finder](
                     const Request&, const PathParams& params,
                     Responder responder) { GetResponse(finder, params, std::move(responder)); },
       .refuse = RefuseInShape});
}

}  // namespace tributary::control
