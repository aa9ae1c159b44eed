// /api/v1/sources: what takes events in. Write keys are shown as "***".
#include <algorithm>
#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "config/option.h"
#include "control/handlers.h"
#include "control/query.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;
using ingest::SourceSpec;

std::string SourceText(const SourceSpec& source) {
  const nlohmann::json json = {
      {"id", source.id},
      {"name", source.name},
      {"enabled", source.enabled},
      {"keyless", source.keyless},
      {"browser", source.browser},
      {"ack", source.ack == ingest::Ack::kApplied ? "applied" : "durable"},
      {"event_size", source.event_bytes_max},
      {"batch_size", source.batch_bytes_max},
      {"write_keys",
       std::vector<std::string>(source.write_keys.size(), std::string(config::kRedacted))}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<const SourceSpec*> ByName(const ingest::SourceSnapshot& snapshot) {
  std::vector<const SourceSpec*> sources;
  for (const SourceSpec& source : snapshot.all()) sources.push_back(&source);
  std::ranges::sort(sources, {}, &SourceSpec::name);
  return sources;
}

// A cursor is the last name of the page before, so that pages stay right when sources come and go.
Result<std::string> PageAfter(const ingest::SourceSnapshot& snapshot, const PageRequest& page) {
  const auto after = codec::Base64Decode(page.cursor, codec::Base64::kUrl);
  if (!after) {
    return Fail(ErrorCode::kInvalid, "cursor", "cursor must be the next_cursor of a page before");
  }
  std::vector<std::string> entries;
  std::string next;
  const SourceSpec* last = nullptr;
  for (const SourceSpec* source : ByName(snapshot)) {
    if (!page.cursor.empty() && source->name <= *after) continue;
    if (entries.size() == page.limit) {
      next = codec::Base64UrlEncode(last->name);
      break;
    }
    entries.push_back(SourceText(*source));
    last = source;
  }
  return PageText(entries, next.empty() ? nullptr : &next);
}

Response ListAnswer(const ingest::SourceSnapshot& snapshot, const Request& request) {
  const auto page = ReadPage(request.query);
  if (!page) return http::ErrorResponse(page.error());
  auto text = PageAfter(snapshot, *page);
  return text ? Response::Json(200, *std::move(text)) : http::ErrorResponse(text.error());
}

Response OneAnswer(const ingest::SourceSnapshot& snapshot, const Request& request,
                   const PathParams& params) {
  if (const Status good = CheckQuery(request.query, {}); !good) {
    return http::ErrorResponse(good.error());
  }
  const SourceSpec* source = snapshot.FindByName(params.at("name"));
  if (source == nullptr) {
    return http::ErrorResponse(404, "not_found", "there is no source of that name");
  }
  return Response::Json(200, SourceText(*source));
}

}  // namespace

void AddSourceHandlers(const ControlWorld& world, http::Router& router) {
  const ingest::SourceDirectory& directory = *world.sources;
  const auto list = [&directory](const Request& request, const PathParams&, Responder responder) {
    responder.Send(ListAnswer(directory.current(), request));
  };
  const auto one = [&directory](const Request& request, const PathParams& params,
                                Responder responder) {
    responder.Send(OneAnswer(directory.current(), request, params));
  };
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/sources",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Lists the sources.",
              .handle = list});
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/sources/{name}",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Shows a source.",
              .handle = one});
}

}  // namespace tributary::control
