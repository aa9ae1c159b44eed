#include "http/cors.h"

namespace tributary::http {

void AddCorsHeaders(const Request& request, Response& response) {
  const std::string_view origin = request.header("Origin");
  if (origin.empty()) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
  response.headers.emplace_back("Access-Control-Allow-Credentials", "true");
  response.headers.emplace_back("Access-Control-Expose-Headers", "Retry-After");
  response.headers.emplace_back("Vary", "Origin");
}

Response CorsPreflight(const Request& request) {
  Response response{.status = 204};
  AddCorsHeaders(request, response);
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS");
  const std::string_view asked = request.header("Access-Control-Request-Headers");
  if (!asked.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Headers", std::string(asked));
  }
  response.headers.emplace_back("Access-Control-Max-Age", "86400");
  return response;
}

}  // namespace tributary::http
