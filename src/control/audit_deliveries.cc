// GET /api/v1/audit: whether every delivery adds up.
#include <charconv>
#include <nlohmann/json.hpp>

#include "control/back_to_loop.h"
#include "control/delivery_text.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "deliver/audit.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using deliver::AuditLine;
using deliver::AuditQuery;
using deliver::AuditReport;
using nlohmann::json;

Result<std::optional<log::Offset>> OffsetParameter(std::string_view query, std::string_view name) {
  const auto text = TextParameter(query, name);
  if (!text) return std::nullopt;
  log::Offset offset = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), offset);
  if (error == std::errc() && end == text->data() + text->size()) return offset;
  return Fail(ErrorCode::kInvalid, std::string(name), std::string(name) + " must be an offset");
}

Result<AuditQuery> ReadAudit(std::string_view text) {
  TRY(CheckQuery(text, {"from", "to", "destination", "cursor"}));
  if (auto cursor = TextParameter(text, "cursor")) {
    for (const char* other : {"from", "to", "destination"}) {
      if (!TextParameter(text, other)) continue;
      return Fail(ErrorCode::kInvalid, other,
                  std::string(other) + " is what the audit began with: a cursor goes alone");
    }
    if (cursor->empty()) return Fail(ErrorCode::kInvalid, "cursor", "cursor must not be empty");
    return AuditQuery{.destination = {}, .cursor = *std::move(cursor)};
  }
  AuditQuery query{.destination = TextParameter(text, "destination"), .cursor = {}};
  TRY_ASSIGN(const auto from, OffsetParameter(text, "from"));
  TRY_ASSIGN(const auto to, OffsetParameter(text, "to"));
  query.from = from.value_or(query.from);
  query.to = to.value_or(query.to);
  if (query.from > query.to) return Fail(ErrorCode::kInvalid, "to", "to must not be before from");
  return query;
}

json LineJson(const AuditLine& line) {
  json problems = json::array();
  for (const deliver::AuditProblem& problem : line.problems) {
    json one{{"what", problem.what}};
    if (!problem.delivery_id.empty()) {
      one["id"] = problem.delivery_id;
      one["partition"] = problem.partition;
      one["offset"] = problem.offset;
    }
    problems.push_back(std::move(one));
  }
  json object{
      {"lane", line.lane},
      {"destination", line.destination},
      {"deleted_at", line.deleted_at_us ? json(FormatIso8601(*line.deleted_at_us)) : json()},
      {"events", line.events},
      {"delivered", line.delivered},
      {"filtered", line.filtered},
      {"dead_lettered", line.dead_lettered},
      {"dropped", line.dropped},
      {"pending", line.pending},
      {"undecided", line.undecided},
      {"counts_checked", line.counts_checked},
      {"problems_total", line.problems_total},
      {"problems", std::move(problems)}};
  if (!line.replay.empty()) object["replay"] = line.replay;
  return object;
}

std::string ReportText(const AuditReport& report) {
  json lines = json::array();
  json replays = json::array();
  for (const AuditLine& line : report.destinations) {
    (line.replay.empty() ? lines : replays).push_back(LineJson(line));
  }
  return json{{"from", report.from},
              {"to", report.to},
              {"next_cursor", report.next_cursor ? json(*report.next_cursor) : json(nullptr)},
              {"next_from", report.next_from ? json(*report.next_from) : json(nullptr)},
              {"records", report.records},
              {"duplicates", report.duplicates},
              {"conditions", report.conditions},
              {"balanced", report.problems() == 0},
              {"destinations", std::move(lines)},
              {"replays", std::move(replays)}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

schema::Schema ReportShape() {
  const schema::Schema count = schema::Count();
  const schema::Schema problem = schema::Object({{"what", schema::Text()},
                                                 {"id?", schema::Text()},
                                                 {"partition?", count},
                                                 {"offset?", count}});
  const schema::Schema line = schema::Object({{"lane", count},
                                              {"destination", schema::Text()},
                                              {"deleted_at", schema::OrNull(schema::Time())},
                                              {"replay?", schema::Text()},
                                              {"events", count},
                                              {"delivered", count},
                                              {"filtered", count},
                                              {"dead_lettered", count},
                                              {"dropped", count},
                                              {"pending", count},
                                              {"undecided", count},
                                              {"counts_checked", schema::Flag()},
                                              {"problems_total", count},
                                              {"problems", schema::ListOf(problem)}});
  return schema::Object({{"from", count},
                         {"to", count},
                         {"next_cursor", schema::OrNull(schema::Text())},
                         {"next_from", schema::OrNull(count)},
                         {"records", count},
                         {"duplicates", count},
                         {"conditions", count},
                         {"balanced", schema::Flag()},
                         {"destinations", schema::ListOf(line)},
                         {"replays", schema::ListOf(line)}});
}

}  // namespace

void AddAuditHandler(const ControlWorld& world, http::Router& router) {
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/audit",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Checks that every delivery adds up: log and rules against outcomes.",
              .docs = {.query = {"from", "to", "destination", "cursor"}, .answer = ReportShape()},
              .handle = [&world](const http::Request& request, const http::PathParams&,
                                 http::Responder responder) {
                auto query = ReadAudit(request.query);
                if (!query) return responder.Send(http::ErrorResponse(query.error()));
                auto answer = [responder =
                                   std::move(responder)](Result<AuditReport> report) mutable {
                  responder.Send(report ? http::Response::Json(200, ReportText(*report))
                                        : http::ErrorResponse(report.error()));
                };
                world.engine->audit().Run(*std::move(query),
                                          BackToLoop<AuditReport>(*world.loop, std::move(answer)));
              }});
}

}  // namespace tributary::control
