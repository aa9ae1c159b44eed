// /api/v1/destinations: make, list, show, replace, change, remove, pause, resume, count.
#include "config/option_list.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using deliver::Engine;
using http::Method;
using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;
using http::Scope;

constexpr std::size_t kDestinationBodyBytesMax = config::kOptionsBytesMax;

// What every changing call demands of the request besides its body's content.
class DestinationHandlers {
 public:
  explicit DestinationHandlers(const ControlWorld& world)
      : engine_(*world.engine), loop_(*world.loop), access_(*world.access) {}

  void Create(const Request& request, const PathParams&, Responder responder) {
    if (Refused(CheckBareHead(request), responder)) return;
    engine_.Create(std::string(request.body),
                   BackToLoop<std::string>(loop_, AnswerJson(std::move(responder), 201)),
                   access_.NameOf(request));
  }

  void Put(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckBareHead(request), responder)) return;
    auto answer = [responder = std::move(responder)](Result<Engine::Replaced> done) mutable {
      responder.Send(done ? Response::Json(done->created ? 201 : 200, std::move(done->json))
                          : RefusalResponse(done.error()));
    };
    engine_.Replace(Name(params), std::string(request.body), true,
                    BackToLoop<Engine::Replaced>(loop_, std::move(answer)),
                    access_.NameOf(request));
  }

  void Patch(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckBareHead(request), responder)) return;
    engine_.Patch(Name(params), std::string(request.body),
                  BackToLoop<std::string>(loop_, AnswerJson(std::move(responder), 200)),
                  access_.NameOf(request));
  }

  void Delete(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    auto answer = [responder = std::move(responder)](Result<void> done) mutable {
      responder.Send(done ? Response{.status = 204, .headers = {}, .body = {}}
                          : RefusalResponse(done.error()));
    };
    engine_.Delete(Name(params), BackToLoop<void>(loop_, std::move(answer)));
  }

  void Pause(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    if (Refused(CheckNoBody(request), responder)) return;
    engine_.Pause(Name(params),
                  BackToLoop<std::string>(loop_, AnswerJson(std::move(responder), 200)));
  }

  void Resume(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    if (Refused(CheckNoBody(request), responder)) return;
    engine_.Resume(Name(params),
                   BackToLoop<std::string>(loop_, AnswerJson(std::move(responder), 200)));
  }

  void List(const Request& request, const PathParams&, Responder responder) {
    const auto page = ReadPage(request.query);
    if (!page) return responder.Send(http::ErrorResponse(page.error()));
    const auto list = engine_.List(page->cursor, page->limit);
    if (!list) return responder.Send(RefusalResponse(list.error()));
    responder.Send(Response::Json(
        200, PageText(list->data, list->next_cursor ? &*list->next_cursor : nullptr)));
  }

  void Get(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    AnswerJson(std::move(responder), 200)(engine_.Get(Name(params)));
  }

  void Stats(const Request& request, const PathParams& params, Responder responder) {
    if (Refused(CheckQuery(request.query, {}), responder)) return;
    const auto stats = engine_.Stats(Name(params));
    if (!stats) return responder.Send(RefusalResponse(stats.error()));
    responder.Send(Response::Json(200, stats->ToJson()));
  }

 private:
  static std::string Name(const PathParams& params) { return params.at("name"); }
  static bool Refused(const Status& status, Responder& responder) {
    if (status) return false;
    responder.Send(http::ErrorResponse(status.error()));
    return true;
  }

  Engine& engine_;
  os::Executor& loop_;
  const Access& access_;
};

using DestinationCall = void (DestinationHandlers::*)(const Request&, const PathParams&, Responder);

}  // namespace

void AddDestinationHandlers(const ControlWorld& world, http::Router& router) {
  const auto handlers = std::make_shared<DestinationHandlers>(world);
  const auto add = [&](Method method, std::string pattern, Scope scope, std::string summary,
                       DestinationCall call, std::vector<int> statuses, http::RouteDocs docs) {
    const bool body = method != Method::kGet && method != Method::kDelete;
    router.Add({.method = method,
                .pattern = std::move(pattern),
                .scope = scope,
                .body_bytes_max = body ? kDestinationBodyBytesMax : 0,
                .summary = std::move(summary),
                .statuses = std::move(statuses),
                .docs = std::move(docs),
                .handle = [handlers, call](const Request& request, const PathParams& params,
                                           Responder responder) {
                  ((*handlers).*call)(request, params, std::move(responder));
                }});
  };
  const std::string all = "/api/v1/destinations";
  const std::string one = all + "/{name}";
  const auto options = world.engine->options();
  const schema::Schema shown = shapes::Destination(options);
  add(Method::kGet, all, Scope::kRead, "Lists the destinations.", &DestinationHandlers::List, {},
      {.query = {"limit", "cursor"}, .answer = schema::PageOf(shown)});
  add(Method::kPost, all, Scope::kWrite, "Makes a destination.", &DestinationHandlers::Create,
      {201, 409, 507},
      {.body = schema::Named("NewDestination", schema::OptionsToWrite(options)), .answer = shown});
  add(Method::kGet, one, Scope::kRead, "Shows a destination.", &DestinationHandlers::Get, {},
      {.answer = shown});
  add(Method::kPut, one, Scope::kWrite, "Makes or replaces a destination.",
      &DestinationHandlers::Put, {200, 201, 409, 507},
      {.body = schema::Named("WholeDestination", shapes::DestinationToReplace(options)),
       .answer = shown});
  add(Method::kPatch, one, Scope::kWrite, "Changes what the body names.",
      &DestinationHandlers::Patch, {200, 409, 507},
      {.body = schema::Named("ChangedDestination", schema::OptionsToChange(options)),
       .answer = shown});
  add(Method::kDelete, one, Scope::kWrite, "Removes a destination and what waits for it.",
      &DestinationHandlers::Delete, {204, 409}, {});
  add(Method::kPost, one + "/pause", Scope::kWrite, "Stops sending; the backlog stays.",
      &DestinationHandlers::Pause, {}, {.answer = shown});
  add(Method::kPost, one + "/resume", Scope::kWrite, "Sends again.", &DestinationHandlers::Resume,
      {200, 409}, {.answer = shown});
  add(Method::kGet, one + "/stats", Scope::kRead, "Counts deliveries and what waits.",
      &DestinationHandlers::Stats, {},
      {.answer = schema::Named("DestinationStats", shapes::Stats())});
}

}  // namespace tributary::control
