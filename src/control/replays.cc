// /api/v1/replays: make, list, show, pause, resume, cancel, remove.
#include "deliver/replays.h"

#include "config/option_list.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Method;
using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;
using http::Scope;

class ReplayHandlers {
 public:
  explicit ReplayHandlers(const ControlWorld& world)
      : replays_(world.engine->replays()), loop_(*world.loop) {}

  void Create(const Request& request, const PathParams&, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    if (Refused(CheckPlainBody(request), responder)) return;
    replays_.Create(std::string(request.body), Answer(std::move(responder), 201));
  }

  void List(const Request& request, const PathParams&, Responder responder) {
    const auto page = ReadPage(request.query, {"destination"});
    if (!page) return responder.Send(http::ErrorResponse(page.error()));
    std::string destination;
    http::QueryParameter(request.query, "destination", destination);
    const auto list = replays_.List(destination, page->cursor, page->limit);
    if (!list) return responder.Send(RefusalResponse(list.error()));
    responder.Send(Response::Json(
        200, PageText(list->data, list->next_cursor ? &*list->next_cursor : nullptr)));
  }

  void Get(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    const auto replay = replays_.Get(params.at("id"));
    responder.Send(replay ? Response::Json(200, *replay) : RefusalResponse(replay.error()));
  }

  void Pause(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    if (Refused(CheckNoBody(request), responder)) return;
    replays_.Pause(params.at("id"), Answer(std::move(responder), 200));
  }

  void Resume(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    if (Refused(CheckNoBody(request), responder)) return;
    replays_.Resume(params.at("id"), Answer(std::move(responder), 200));
  }

  void Cancel(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    if (Refused(CheckNoBody(request), responder)) return;
    replays_.Cancel(params.at("id"), Answer(std::move(responder), 200));
  }

  void Delete(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    auto answer = [responder = std::move(responder)](Result<void> done) mutable {
      responder.Send(done ? Response{.status = 204, .headers = {}, .body = {}}
                          : RefusalResponse(done.error()));
    };
    replays_.Delete(params.at("id"), BackToLoop<void>(loop_, std::move(answer)));
  }

 private:
  deliver::Replays::Done<std::string> Answer(Responder responder, int status) {
    return BackToLoop<std::string>(loop_, AnswerJson(std::move(responder), status));
  }
  static bool Refused(const Status& status, Responder& responder) {
    if (status) return false;
    responder.Send(http::ErrorResponse(status.error()));
    return true;
  }

  deliver::Replays& replays_;
  os::Executor& loop_;
};

using ReplayCall = void (ReplayHandlers::*)(const Request&, const PathParams&, Responder);

}  // namespace

void AddReplayHandlers(const ControlWorld& world, http::Router& router) {
  const auto handlers = std::make_shared<ReplayHandlers>(world);
  const auto add = [&](Method method, std::string pattern, std::string summary, ReplayCall call,
                       http::RouteDocs docs, std::vector<int> statuses) {
    router.Add({.method = method,
                .pattern = std::move(pattern),
                .scope = method == Method::kGet ? Scope::kRead : Scope::kWrite,
                .body_bytes_max = method == Method::kPost ? config::kOptionsBytesMax : 0,
                .summary = std::move(summary),
                .statuses = std::move(statuses),
                .docs = std::move(docs),
                .handle = [handlers, call](const Request& request, const PathParams& params,
                                           Responder responder) {
                  ((*handlers).*call)(request, params, std::move(responder));
                }});
  };
  const std::string all = "/api/v1/replays";
  const std::string one = all + "/{id}";
  const schema::Schema shown = shapes::Replay();
  add(Method::kGet, all, "Lists the replays, newest first.", &ReplayHandlers::List,
      {.query = {"limit", "cursor", "destination"}, .answer = schema::PageOf(shown)}, {});
  add(Method::kPost, all, "Sends a stretch of the log to a destination once more.",
      &ReplayHandlers::Create, {.body = shapes::NewReplay(), .answer = shown}, {201, 409});
  add(Method::kGet, one, "Shows a replay and how far it is.", &ReplayHandlers::Get,
      {.answer = shown}, {});
  add(Method::kDelete, one, "Removes a replay that has ended, and its dead letters.",
      &ReplayHandlers::Delete, {}, {204, 409});
  add(Method::kPost, one + "/pause", "Stops sending until resumed.", &ReplayHandlers::Pause,
      {.answer = shown}, {200, 409});
  add(Method::kPost, one + "/resume", "Goes on.", &ReplayHandlers::Resume, {.answer = shown},
      {200, 409});
  add(Method::kPost, one + "/cancel", "Ends it; what is left is dropped.", &ReplayHandlers::Cancel,
      {.answer = shown}, {200, 409});
}

}  // namespace tributary::control
