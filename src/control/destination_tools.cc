// /api/v1/destinations/{name}/rotate-secret.
#include "config/option_list.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "http/error_response.h"

namespace tributary::control {

void AddDestinationToolHandlers(const ControlWorld& world, http::Router& router) {
  const auto rotate = [&world](const http::Request& request, const http::PathParams& params,
                               http::Responder responder) {
    Status fine = CheckQuery(request.query, {});
    if (fine) fine = CheckPlainBody(request);
    if (!fine) return responder.Send(http::ErrorResponse(fine.error()));
    auto answer = [responder = std::move(responder)](Result<std::string> json) mutable {
      responder.Send(json ? http::Response::Json(200, *std::move(json))
                          : RefusalResponse(json.error()));
    };
    world.engine->secret_rotation().RotateSecret(
        params.at("name"), std::string(request.body),
        BackToLoop<std::string>(*world.loop, std::move(answer)));
  };
  router.Add({.method = http::Method::kPost,
              .pattern = "/api/v1/destinations/{name}/rotate-secret",
              .scope = http::Scope::kWrite,
              .body_bytes_max = config::kOptionsBytesMax,
              .summary = "Signs with a new secret, and for a while with the old one too.",
              .handle = rotate});
}

}  // namespace tributary::control
