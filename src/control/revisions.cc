// /api/v1/destinations/{name}/revisions: the history of a destination, and the way back.
#include "deliver/revisions.h"

#include <charconv>

#include "config/option_list.h"
#include "control/back_to_loop.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;

struct RevertOptions {
  std::uint32_t revision = 0;
  static void Describe(config::OptionList<RevertOptions>& o) {
    o.Required("revision", &RevertOptions::revision, "The revision to go back to.", {.min = 1});
  }
};

std::optional<std::uint32_t> NumberOf(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

class RevisionHandlers {
 public:
  RevisionHandlers(const ControlWorld& world, Blocking& blocking)
      : access_(*world.access), revisions_(world.engine->revisions()), blocking_(blocking) {}

  void List(const Request& request, const PathParams& params, Responder responder) {
    const auto page = ReadPage(request.query);
    if (!page) return responder.Send(http::ErrorResponse(page.error()));
    Read(std::move(responder),
         [this, page = *page, name = params.at("name")]() -> Result<std::string> {
           TRY_ASSIGN(const auto list, revisions_.List(name, page.cursor, page.limit));
           return PageText(list.data, list.next_cursor ? &*list.next_cursor : nullptr);
         });
  }

  void Get(const Request& request, const PathParams& params, Responder responder) {
    if (const Status good = CheckQuery(request.query, {}); !good) {
      return responder.Send(http::ErrorResponse(good.error()));
    }
    const auto number = NumberOf(params.at("revision"));
    if (!number) {
      return responder.Send(
          http::ErrorResponse(404, "not_found", "a revision is a number", "revision"));
    }
    Read(std::move(responder), [this, number = *number, name = params.at("name")] {
      return revisions_.Get(name, number);
    });
  }

  void Revert(const Request& request, const PathParams& params, Responder responder) {
    Status good = CheckQuery(request.query, {});
    if (good) good = CheckPlainBody(request);
    if (!good) return responder.Send(http::ErrorResponse(good.error()));
    const auto options = config::ParseOptions<RevertOptions>(request.body);
    if (!options) return responder.Send(http::ErrorResponse(options.error()));
    revisions_.Revert(params.at("name"), options->revision, access_.NameOf(request),
                      BackToLoop<std::string>(blocking_.loop(), AnswerJson(std::move(responder))));
  }

 private:
  template <class Work>
  void Read(Responder responder, Work work) {
    auto shared = std::make_shared<Responder>(std::move(responder));
    const bool taken = blocking_.Run(std::move(work), [shared](Result<std::string> text) {
      shared->Send(text ? Response::Json(200, *std::move(text))
                        : http::ErrorResponse(text.error()));
    });
    if (!taken) {
      shared->Send(http::ErrorResponse(503, "unavailable", "too many calls wait; try again"));
    }
  }

  const Access& access_;
  deliver::Revisions& revisions_;
  Blocking& blocking_;
};

using RevisionCall = void (RevisionHandlers::*)(const Request&, const PathParams&, Responder);

}  // namespace

void AddRevisionHandlers(const ControlWorld& world, Blocking& blocking, http::Router& router) {
  const auto handlers = std::make_shared<RevisionHandlers>(world, blocking);
  const auto add = [&](http::Method method, std::string pattern, http::Scope scope,
                       std::string summary, RevisionCall call, http::RouteDocs docs,
                       std::vector<int> statuses = {}) {
    router.Add({.method = method,
                .pattern = std::move(pattern),
                .scope = scope,
                .body_bytes_max = method == http::Method::kGet ? 0 : config::kOptionsBytesMax,
                .summary = std::move(summary),
                .statuses = std::move(statuses),
                .docs = std::move(docs),
                .handle = [handlers, call](const Request& request, const PathParams& params,
                                           Responder responder) {
                  ((*handlers).*call)(request, params, std::move(responder));
                }});
  };
  const std::string one = "/api/v1/destinations/{name}";
  const auto options = world.engine->options();
  const schema::Schema shown = schema::Named(
      "DestinationRevision", schema::Object({{"revision", schema::Count()},
                                             {"at", schema::Time()},
                                             {"who", schema::Text()},
                                             {"changed", schema::ListOf(schema::Text())},
                                             {"from", schema::Anything()},
                                             {"spec", schema::OptionsShown(options)}}));
  add(http::Method::kGet, one + "/revisions", http::Scope::kRead,
      "Lists what a destination was, newest first.", &RevisionHandlers::List,
      {.query = {"limit", "cursor"}, .answer = schema::PageOf(shown)});
  add(http::Method::kGet, one + "/revisions/{revision}", http::Scope::kRead,
      "Shows a revision of a destination.", &RevisionHandlers::Get, {.answer = shown});
  add(http::Method::kPost, one + "/revert", http::Scope::kWrite,
      "Makes a destination what it was, secrets included.", &RevisionHandlers::Revert,
      {.body = schema::OptionsToWrite(config::OptionList<RevertOptions>::Specs()),
       .answer = shapes::Destination(options)},
      {200, 409, 507});
}

}  // namespace tributary::control
