// /api/v1/backups: begin a backup of this server's data, see how far it is.
#include "control/backup.h"

#include "config/option_list.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Request;
using http::Responder;
using http::Response;

constexpr std::size_t kBackupBodyBytesMax = 16 * 1024;

struct BackupBody {
  std::string dir;
  static void Describe(config::OptionList<BackupBody>& o) {
    o.Required("dir", &BackupBody::dir, "Absolute path on the server's machine.");
  }
};

Result<BackupBody> ReadBody(const Request& request) {
  TRY(CheckQuery(request.query, {}));
  TRY(CheckPlainBody(request));
  return config::ParseOptions<BackupBody>(request.body);
}

void Create(const ControlWorld& world, Blocking& blocking, const Request& request,
            Responder responder) {
  auto body = ReadBody(request);
  if (!body) return responder.Send(http::ErrorResponse(body.error()));
  auto shared = std::make_shared<Responder>(std::move(responder));
  const bool taken = blocking.Run(
      [&backups = *world.backups, dir = std::move(body->dir)] { return backups.Start(dir); },
      [shared](Result<std::string> made) {
        shared->Send(made ? Response::Json(202, *std::move(made))
                          : http::ErrorResponse(made.error()));
      });
  if (!taken) {
    shared->Send(
        http::ErrorResponse(Error(ErrorCode::kUnavailable, "too much waits for the disk")));
  }
}

void Show(const ControlWorld& world, const Request& request, const std::string& id,
          Responder responder) {
  if (const Status good = CheckQuery(request.query, {}); !good) {
    return responder.Send(http::ErrorResponse(good.error()));
  }
  auto found = world.backups->Get(id);
  responder.Send(found ? Response::Json(200, *std::move(found))
                       : http::ErrorResponse(found.error()));
}

void List(const ControlWorld& world, const Request& request, Responder responder) {
  if (const Status good = CheckQuery(request.query, {}); !good) {
    return responder.Send(http::ErrorResponse(good.error()));
  }
  responder.Send(Response::Json(200, PageText(world.backups->List(), nullptr)));
}

}  // namespace

void AddBackupHandlers(const ControlWorld& world, Blocking& blocking, http::Router& router) {
  if (world.backups == nullptr) return;
  router.Add({.method = http::Method::kPost,
              .pattern = "/api/v1/backups",
              .scope = http::Scope::kAdmin,
              .body_bytes_max = kBackupBodyBytesMax,
              .summary = "Begins a backup into a directory of the server's machine.",
              .statuses = {202, 409},
              .docs = {.body = schema::OptionsToWrite(config::OptionList<BackupBody>::Specs()),
                       .answer = shapes::Backup()},
              .handle = [&world, &blocking](const Request& request, const http::PathParams&,
                                            Responder responder) {
                Create(world, blocking, request, std::move(responder));
              }});
  router.Add(
      {.method = http::Method::kGet,
       .pattern = "/api/v1/backups",
       .scope = http::Scope::kAdmin,
       .body_bytes_max = 0,
       .summary = "Lists the backups begun since the start of the server.",
       .docs = {.answer = schema::PageOf(shapes::Backup())},
       .handle = [&world](const Request& request, const http::PathParams&, Responder responder) {
         List(world, request, std::move(responder));
       }});
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/backups/{id}",
              .scope = http::Scope::kAdmin,
              .body_bytes_max = 0,
              .summary = "Shows a backup and how far it is.",
              .docs = {.answer = shapes::Backup()},
              .handle = [&world](const Request& request, const http::PathParams& params,
                                 Responder responder) {
                Show(world, request, params.at("id"), std::move(responder));
              }});
}

}  // namespace tributary::control
