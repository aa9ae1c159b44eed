#include "control/control.h"

#include "control/event_tail.h"
#include "control/handlers.h"
#include "control/query.h"
#include "http/error_response.h"

namespace tributary::control {

struct ControlApi::Parts {
  explicit Parts(ControlWorld the_world)
      : world(std::move(the_world)),
        blocking(*world.loop, *world.blocking),
        front({.access = world.access,
               .journal = world.journal,
               .engine = world.engine,
               .sources = world.registry},
              blocking),
        names(*world.registry),
        tails(world, blocking, names),
        finder(world, blocking, names) {}
  const ControlWorld world;
  Blocking blocking;
  Front front;
  SourceNames names;
  EventTails tails;
  EventFinder finder;
};

ControlApi::ControlApi(ControlWorld world) : parts_(std::make_unique<Parts>(std::move(world))) {}
ControlApi::~ControlApi() = default;

void ControlApi::AddHealthRoutes(http::Router& router) {
  AddHealthHandlers(parts_->world, router);
}

void ControlApi::AddRoutes(http::Router& router) {
  AddMetricsHandler(parts_->world, router);
  AddOpenApiHandler(parts_->world, router);
  AddDestinationHandlers(parts_->world, router);
  AddDestinationToolHandlers(parts_->world, parts_->finder, router);
  AddEventListHandler(parts_->world, parts_->blocking, parts_->names, router);
  parts_->tails.AddRoute(router);
  AddReplayHandlers(parts_->world, router);
  AddRevisionHandlers(parts_->world, parts_->blocking, router);
  AddAuditLogHandler(parts_->world, parts_->blocking, router);
  AddSourceHandlers(parts_->world, parts_->blocking, router);
  AddEventHandlers(parts_->world, parts_->finder, router);
  AddBackupHandlers(parts_->world, parts_->blocking, router);
  AddReloadHandlers(parts_->world, router);
  AddDeliveryHandlers(parts_->world, parts_->blocking, parts_->names, router);
  AddAuditHandler(parts_->world, router);
  AddDeadLetterHandlers(parts_->world, parts_->blocking, parts_->names, router);
  AddDryRunHandler(parts_->world, parts_->finder, router);
}

void ControlApi::AddTrackApiRoutes(http::Router& router) {
  AddTrackApiHandlers(parts_->world, parts_->finder, router);
}

http::Router::Around ControlApi::around() {
  return parts_->front.around();
}

http::Response RefusalResponse(const Error& error) {
  if (error.code() != ErrorCode::kDenied) return http::ErrorResponse(error);
  return http::ErrorResponse(400, "blocked_address", error.message(), error.field());
}

Status CheckNoBody(const http::Request& request) {
  const std::string_view body = request.body;
  if (body.empty() || body == "{}") return {};
  return Fail(ErrorCode::kInvalid, "this call takes no body");
}

std::move_only_function<void(Result<std::string>)> AnswerJson(http::Responder responder,
                                                              int status) {
  return [responder = std::move(responder), status](Result<std::string> text) mutable {
    responder.Send(text ? http::Response::Json(status, *std::move(text))
                        : RefusalResponse(text.error()));
  };
}

Status CheckPlainBody(const http::Request& request) {
  const std::string_view encoding = request.header("Content-Encoding");
  if (encoding.empty() || encoding == "identity") return {};
  return Fail(ErrorCode::kInvalid, "Content-Encoding",
              "Content-Encoding must be absent: control bodies are not compressed");
}

Status CheckBareHead(const http::Request& request) {
  TRY(CheckQuery(request.query, {}));
  return CheckPlainBody(request);
}

}  // namespace tributary::control
