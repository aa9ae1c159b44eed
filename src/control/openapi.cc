// GET /api/v1/openapi.json: made from the routes themselves, so that it cannot leave one out.
#include <nlohmann/json.hpp>

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

json Responses(const http::Route& route) {
  json responses = {
      {"2XX", {{"description", "Done."}}},
      {"4XX", {{"description", "Refused; nothing was changed."}, {"content", Content("Error")}}},
      {"5XX",
       {{"description", "A failure of the server, or not now."}, {"content", Content("Error")}}}};
  if (route.scope == http::Scope::kOpen) return responses;
  responses["401"] = {{"description", "A token is needed."}, {"content", Content("Error")}};
  responses["403"] = {{"description", "The token's scopes do not reach."},
                      {"content", Content("Error")}};
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
  const bool has_body = route.method == http::Method::kPost || route.method == http::Method::kPut ||
                        route.method == http::Method::kPatch;
  if (has_body) {
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
