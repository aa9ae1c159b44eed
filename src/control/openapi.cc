// GET /api/v1/openapi.json: made from the routes themselves, so that it cannot leave one out.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "control/handlers.h"
#include "control/shapes.h"

namespace tributary::control {
namespace {

using nlohmann::json;

std::string LowerName(http::Method method) {
  std::string name(http::MethodName(method));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

std::vector<std::string> ParameterNames(std::string_view pattern) {
  std::vector<std::string> names;
  for (std::size_t open = pattern.find('{'); open != std::string_view::npos;
       open = pattern.find('{', open + 1)) {
    names.emplace_back(pattern.substr(open + 1, pattern.find('}', open) - open - 1));
  }
  return names;
}

// What has a name is kept once, among the components, and referred to from everywhere else.
class Schemas {
 public:
  json Use(const schema::Schema& text) { return Hoist(json::parse(text)); }
  const json& all() const { return all_; }

 private:
  json Hoist(json value) {
    if (!value.is_structured()) return value;
    for (json& member : value) member = Hoist(std::move(member));
    // A member called "title" is no name: it is an object itself.
    if (!value.is_object() || !value.contains("title") || !value["title"].is_string()) return value;
    const std::string name = value["title"].get<std::string>();
    const auto [known, is_new] = all_.emplace(name, value);
    CHECK(is_new || *known == value);
    return {{"$ref", "#/components/schemas/" + name}};
  }

  json all_ = json::object();
};

json Content(const std::string& type, json schema) {
  return {{type, {{"schema", std::move(schema)}}}};
}

bool MayHaveBody(const http::Route& route) {
  return route.method == http::Method::kPost || route.method == http::Method::kPut ||
         route.method == http::Method::kPatch;
}

std::string_view MeaningOf(int status) {
  static const std::map<int, std::string_view> kMeanings = {
      {200, "Done."},
      {201, "Made."},
      {202, "Taken; it goes on by itself."},
      {204, "Done; there is nothing to show."},
      {400, "Something sent is wrong; `field` and `message` say what."},
      {401, "A token is needed, or it is not known."},
      {403, "The scopes of the token do not reach, or the call acts for somebody else."},
      {404, "There is no such thing."},
      {409, "What is there already, or its state, does not allow it."},
      {410, "It was there and can no longer be read."},
      {413, "The body is too large."},
      {415, "The body must be application/json."},
      {422, "The Idempotency-Key belongs to another request."},
      {503, "Not now; try again after the time of Retry-After."},
      {504, "It took too long."},
      {507, "A limit is reached, or the disk is full."}};
  const auto found = kMeanings.find(status);
  return found == kMeanings.end() ? "See the guide." : found->second;
}

// The statuses that follow from what the route is; see Route::statuses.
std::set<int> StatusesOf(const http::Route& route) {
  std::set<int> statuses(route.statuses.begin(), route.statuses.end());
  const bool success = std::ranges::any_of(statuses, [](int s) { return s >= 200 && s < 300; });
  if (!success) statuses.insert(route.method == http::Method::kDelete ? 204 : 200);
  if (route.scope == http::Scope::kOpen) return statuses;
  statuses.insert({401, 403, 503});
  // Routes that write their refusals themselves call a body too large a 400.
  if (!route.refuse) statuses.insert(413);
  const bool body = MayHaveBody(route);
  if (body) statuses.insert(415);
  if (body || !route.docs.any_query) statuses.insert(400);
  // What PUT names and is not there, it makes.
  if (route.pattern.contains('{') && route.method != http::Method::kPut) statuses.insert(404);
  if (route.method == http::Method::kPost && !route.changes_nothing) statuses.insert({409, 422});
  return statuses;
}

json ErrorOf(const http::Route& route, Schemas& schemas) {
  const bool usual = route.docs.error.empty();
  return Content("application/json", schemas.Use(usual ? shapes::Error() : route.docs.error));
}

json OneResponse(const http::Route& route, int status, Schemas& schemas) {
  json response = {{"description", MeaningOf(status)}};
  const bool as_answer = status < 400 || (status == 503 && route.docs.unavailable_as_answer);
  if (!as_answer) {
    response["content"] = ErrorOf(route, schemas);
  } else if (!route.docs.answer.empty() && status != 204) {
    response["content"] = Content(route.docs.answer_type, schemas.Use(route.docs.answer));
  }
  return response;
}

json Responses(const http::Route& route, Schemas& schemas) {
  json responses = {{"default",
                     {{"description", "Refused before the route was known, or failed."},
                      {"content", ErrorOf(route, schemas)}}}};
  for (const int status : StatusesOf(route)) {
    responses[std::to_string(status)] = OneResponse(route, status, schemas);
  }
  return responses;
}

std::string OperationId(const http::Route& route) {
  std::string id = LowerName(route.method);
  for (const char c : route.pattern) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      id += c;
    } else if (!id.ends_with('_')) {
      id += '_';
    }
  }
  while (id.ends_with('_')) id.pop_back();
  return id;
}

json Parameters(const http::Route& route) {
  json parameters = json::array();
  for (const std::string& name : ParameterNames(route.pattern)) {
    parameters.push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  for (const std::string& name : route.docs.query) {
    json type = {{"type", "string"}};
    if (name == "limit") type = {{"type", "integer"}, {"minimum", 1}, {"maximum", kPageEntriesMax}};
    parameters.push_back({{"name", name}, {"in", "query"}, {"schema", std::move(type)}});
  }
  if (route.method == http::Method::kPost && route.scope >= http::Scope::kWrite &&
      !route.changes_nothing) {
    parameters.push_back(
        {{"name", "Idempotency-Key"},
         {"in", "header"},
         {"required", false},
         {"schema", {{"type", "string"}, {"maxLength", kIdempotencyKeyBytesMax}}}});
  }
  return parameters;
}

json Operation(const http::Route& route, Schemas& schemas) {
  json operation = {{"operationId", OperationId(route)},
                    {"summary", route.summary},
                    {"responses", Responses(route, schemas)}};
  if (json parameters = Parameters(route); !parameters.empty()) {
    operation["parameters"] = std::move(parameters);
  }
  if (!route.docs.body.empty()) {
    operation["requestBody"] = {
        {"required", !route.docs.body_optional},
        {"content", Content("application/json", schemas.Use(route.docs.body))}};
  }
  switch (route.scope) {
    case http::Scope::kOpen:
      operation["security"] = json::array();
      break;
    case http::Scope::kRead:
      operation["security"] = {{{"token", {"read"}}}};
      break;
    case http::Scope::kWrite:
      operation["security"] = {{{"token", {"write"}}}};
      break;
    case http::Scope::kAdmin:
      operation["security"] = {{{"token", {"admin"}}}};
      break;
  }
  return operation;
}

}  // namespace

std::string OpenApiDocument(const std::vector<http::Route>& routes, std::string_view version) {
  json document = {
      {"openapi", "3.1.0"},
      {"info", {{"title", "Tributary"}, {"version", version}}},
      {"paths", json::object()},
      {"components", {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  Schemas schemas;
  for (const http::Route& route : routes) {
    // OpenAPI has no word for a method outside of its list.
    if (route.method == http::Method::kOther) continue;
    document["paths"][route.pattern][LowerName(route.method)] = Operation(route, schemas);
  }
  document["components"]["schemas"] = schemas.all();
  return document.dump();
}

void AddOpenApiHandler(const ControlWorld& world, http::Router& router) {
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/openapi.json",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "This description.",
              .docs = {.any_query = true, .answer = schema::AnyObject()},
              .handle = [&world, &router](const http::Request&, const http::PathParams&,
                                          http::Responder responder) {
                responder.Send(
                    http::Response::Json(200, OpenApiDocument(router.routes(), world.version)));
              }});
}

}  // namespace tributary::control
