// GET /healthz, /readyz and /metrics.
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"

namespace tributary::control {
namespace {

using http::Request;
using http::Responder;
using http::Response;

std::string ReadinessText(const Readiness& readiness, const ControlWorld& world) {
  std::string reasons;
  for (const std::string& reason : readiness.reasons) {
    reasons += (reasons.empty() ? "" : ",") + JsonString(reason);
  }
  return std::string("{\"status\":") + (readiness.ready ? "\"ready\"" : "\"not_ready\"") +
         ",\"accepting\":" + (readiness.ready ? "true" : "false") +
         ",\"sync\":" + JsonString(world.sync_mode) + ",\"reasons\":[" + reasons + "]}";
}

schema::Schema ReadinessShape() {
  return schema::Named("Readiness",
                       schema::Object({{"status", schema::Word({"ready", "not_ready"})},
                                       {"accepting", schema::Flag()},
                                       {"sync", schema::Text()},
                                       {"reasons", schema::ListOf(schema::Text())}}));
}

}  // namespace

Readiness ReadinessOf(const ControlWorld& world) {
  Readiness readiness;
  if (!world.accepting->load(std::memory_order_acquire)) {
    readiness.reasons.emplace_back("starting or shutting down");
  }
  if (const log::Health health = world.log->health(); !health.writable) {
    readiness.reasons.push_back(health.reason.empty() ? "the log is not writable" : health.reason);
  }
  if (std::string failure = world.store->failure(); !failure.empty()) {
    readiness.reasons.push_back("store: " + failure);
  }
  if (std::string failure = world.events->failure(); !failure.empty()) {
    readiness.reasons.push_back("dedupe: " + failure);
  }
  readiness.ready = readiness.reasons.empty();
  return readiness;
}

void AddHealthHandlers(const ControlWorld& world, http::Router& router) {
  router.Add(
      {.method = http::Method::kGet,
       .pattern = "/healthz",
       .body_bytes_max = 0,
       .summary = "Whether the process is alive.",
       .docs = {.any_query = true, .answer = schema::Object({{"status", schema::Word({"ok"})}})},
       .handle = [](const Request&, const http::PathParams&, Responder responder) {
         responder.Send(Response::Json(200, R"({"status":"ok"})"));
       }});
  router.Add(
      {.method = http::Method::kGet,
       .pattern = "/readyz",
       .body_bytes_max = 0,
       .summary = "Whether events are accepted, and if not, why.",
       .statuses = {200, 503},
       .docs = {.any_query = true, .answer = ReadinessShape(), .unavailable_as_answer = true},
       .handle = [&world](const Request&, const http::PathParams&, Responder responder) {
         const Readiness readiness = ReadinessOf(world);
         responder.Send(
             Response::Json(readiness.ready ? 200 : 503, ReadinessText(readiness, world)));
       }});
}

void AddMetricsHandler(const ControlWorld& world, http::Router& router) {
  router.Add({.method = http::Method::kGet,
              .pattern = "/metrics",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Metrics in the Prometheus text format.",
              .docs = {.any_query = true, .answer = schema::Text(), .answer_type = "text/plain"},
              .handle = [&world](const Request&, const http::PathParams&, Responder responder) {
                Response response = Response::Text(200, world.metrics->Expose());
                response.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}};
                responder.Send(std::move(response));
              }});
}

}  // namespace tributary::control
