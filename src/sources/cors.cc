#include "sources/cors.h"

#include "http/error_response.h"

namespace tributary::sources {

ingest::Intake::OnFailure WithCors(const http::Request& request,
                                   http::Response (*on_failure)(const Error&)) {
  http::Response headers_only;
  AddCorsHeaders(request, headers_only);
  if (headers_only.headers.empty()) return on_failure;
  return [on_failure, headers = std::move(headers_only.headers)](const Error& error) {
    http::Response response = on_failure(error);
    response.headers.insert(response.headers.end(), headers.begin(), headers.end());
    return response;
  };
}

http::Response RefuseWithCors(const http::Request& request, int status, std::string_view code,
                              std::string_view message) {
  auto response = http::ErrorResponse(status == 413 ? 400 : status, code, message);
  AddCorsHeaders(request, response);
  return response;
}

void AddPreflight(http::Router& router, std::string pattern) {
  router.Add(
      {.method = http::Method::kOptions,
       .pattern = std::move(pattern),
       .trailing_slash = true,
       .summary = "Answers a browser's preflight.",
       .statuses = {204},
       .docs = {.any_query = true},
       .handle = [](const http::Request& request, const http::PathParams&,
                    http::Responder responder) { responder.Send(http::CorsPreflight(request)); }});
}

}  // namespace tributary::sources
