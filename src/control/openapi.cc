// GET /api/v1/openapi.json: made from the routes themselves, so that it cannot leave one out.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "control/handlers.h"

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

json Content(const char* schema) {
  return {{"application/json",
           {{"schema", {{"$ref", std::string("#/components/schemas/") + schema}}}}}};
}

bool HasBody(const http::Route& route) {
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
  statuses.insert({400, 401, 403, 415, 503});
  // Routes that write their refusals themselves call a body too large a 400.
  if (!route.refuse) statuses.insert(413);
  // What PUT names and is not there, it makes.
  if (route.pattern.contains('{') && route.method != http::Method::kPut) statuses.insert(404);
  if (route.method == http::Method::kPost && !route.changes_nothing) statuses.insert({409, 422});
  return statuses;
}

json Responses(const http::Route& route) {
  json responses = {{"default",
                     {{"description", "Refused before the route was known, or failed."},
                      {"content", Content("Error")}}}};
  for (const int status : StatusesOf(route)) {
    json& response = responses[std::to_string(status)];
    response = {{"description", MeaningOf(status)}};
    if (status >= 400) response["content"] = Content("Error");
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

json Operation(const http::Route& route) {
  json operation = {{"operationId", OperationId(route)},
                    {"summary", route.summary},
                    {"responses", Responses(route)}};
  for (const std::string& name : ParameterNames(route.pattern)) {
    operation["parameters"].push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  if (route.method == http::Method::kPost && route.scope >= http::Scope::kWrite &&
      !route.changes_nothing) {
    operation["parameters"].push_back({{"name", "Idempotency-Key"},
                                       {"in", "header"},
                                       {"required", false},
                                       {"schema", {{"type", "string"}, {"maxLength", 255}}}});
  }
  if (HasBody(route)) {
    operation["requestBody"] = {{"content", {{"application/json", {{"schema", json::object()}}}}}};
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

json ErrorSchema() {
  const json text = {{"type", "string"}};
  return {{"type", "object"},
          {"required", {"success", "code", "message"}},
          {"properties",
           {{"success", {{"const", false}}},
            {"code", text},
            {"message", text},
            {"field", {{"type", "string"}, {"description", "What was wrong, as a path."}}}}}};
}

}  // namespace

std::string OpenApiDocument(const std::vector<http::Route>& routes, std::string_view version) {
  json document = {{"openapi", "3.1.0"},
                   {"info", {{"title", "Tributary"}, {"version", version}}},
                   {"paths", json::object()},
                   {"components",
                    {{"schemas", {{"Error", ErrorSchema()}}},
                     {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  for (const http::Route& route : routes) {
    // OpenAPI has no word for a method outside of its list.
    if (route.method == http::Method::kOther) continue;
    document["paths"][route.pattern][LowerName(route.method)] = Operation(route);
  }
  return document.dump();
}

void AddOpenApiHandler(const ControlWorld& world, http::Router& router) {
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/openapi.json",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "This description.",
              .handle = [&world, &router](const http::Request&, const http::PathParams&,
                                          http::Responder responder) {
                responder.Send(
                    http::Response::Json(200, OpenApiDocument(router.routes(), world.version)));
              }});
}

}  // namespace tributary::control
