// GET /api/v1/audit-log: who changed what, newest first.
#include "control/audit_log.h"
#include "control/handlers.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {

namespace {

schema::Schema RecordShape() {
  const schema::Schema text = schema::Text();
  const schema::Schema any = schema::Anything();
  return schema::Named(
      "AuditRecord",
      schema::Object({{"id", text},
                      {"at", schema::Time()},
                      {"who", text},
                      {"address", text},
                      {"action", text},
                      {"path", text},
                      {"subject", schema::OrNull(schema::Object({{"kind", text}, {"name", text}}))},
                      {"request", any},
                      {"before", any},
                      {"after", any},
                      {"status", schema::OrNull(schema::Count())}}));
}

}  // namespace

void AddAuditLogHandler(const ControlWorld& world, Blocking& blocking, http::Router& router) {
  const auto handle = [audit = world.journal.audit, &blocking](const http::Request& request,
                                                               const http::PathParams&,
                                                               http::Responder responder) {
    const auto page = ReadPage(request.query);
    if (!page) return responder.Send(http::ErrorResponse(page.error()));
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    const auto work = [audit, page = *page]() -> Result<std::string> {
      TRY_ASSIGN(const auto list, audit->List(page.cursor, page.limit));
      return PageText(list.data, list.next_cursor ? &*list.next_cursor : nullptr);
    };
    const bool taken = blocking.Run(work, [shared](Result<std::string> text) {
      shared->Send(text ? http::Response::Json(200, *std::move(text))
                        : http::ErrorResponse(text.error()));
    });
    if (!taken) {
      shared->Send(http::ErrorResponse(503, "unavailable", "too many calls wait; try again"));
    }
  };
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/audit-log",
              // Names and addresses of people, and what they did: not for whoever may read events.
              .scope = http::Scope::kAdmin,
              .body_bytes_max = 0,
              .summary = "Lists who changed what, newest first.",
              .docs = {.query = {"limit", "cursor"}, .answer = schema::PageOf(RecordShape())},
              .handle = handle});
}

}  // namespace tributary::control
