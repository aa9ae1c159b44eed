#include "sources/cors.h"

namespace tributary::sources {
namespace {

void AddOriginHeaders(std::string origin, http::Response& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", std::move(origin));
  response.headers.emplace_back("Access-Control-Allow-Credentials", "true");
  response.headers.emplace_back("Access-Control-Expose-Headers", "Retry-After");
  response.headers.emplace_back("Vary", "Origin");
}

http::Response PreflightAnswer(const http::Request& request) {
  http::Response answer{.status = 204};
  AddCorsHeaders(request, answer);
  answer.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS");
  // Echoed, because a literal "*" does not cover Authorization (Fetch standard).
  const std::string_view wanted = request.header("Access-Control-Request-Headers");
  if (!wanted.empty()) {
    answer.headers.emplace_back("Access-Control-Allow-Headers", std::string(wanted));
  }
  answer.headers.emplace_back("Access-Control-Max-Age", "86400");
  return answer;
}

}  // namespace

void AddCorsHeaders(const http::Request& request, http::Response& response) {
  const std::string_view origin = request.header("Origin");
  if (!origin.empty()) AddOriginHeaders(std::string(origin), response);
}

ingest::Intake::OnFailure WithCors(const http::Request& request,
                                   http::Response (*on_failure)(const Error&)) {
  const std::string_view origin = request.header("Origin");
  if (origin.empty()) return on_failure;
  return [on_failure, kept = std::string(origin)](const Error& error) {
    http::Response response = on_failure(error);
    AddOriginHeaders(kept, response);
    return response;
  };
}

void AddPreflight(http::Router& router, std::string pattern) {
  router.Add({.method = http::Method::kOptions,
              .pattern = std::move(pattern),
              .trailing_slash = true,
              .summary = "Answers a browser's preflight.",
              .handle = [](const http::Request& request, const http::PathParams&,
                           http::Responder responder) {
                responder.Send(PreflightAnswer(request));
              }});
}

}  // namespace tributary::sources
