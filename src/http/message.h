// Plain HTTP messages, as the rest of the program sees them. Beast stays behind http/server.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tributary::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
std::string_view MethodName(Method method);

using Header = std::pair<std::string, std::string>;

// A request, whole (the body is read before a handler sees it, up to the route's limit). Views live
// until the responder has been used or dropped.
struct Request {
  Method method = Method::kGet;
  std::string_view method_text;  // as sent
  std::string_view path;         // as sent, before '?', not decoded
  std::string_view query;        // after '?', not decoded
  std::string_view body;         // as sent (Content-Encoding not undone), chunking removed
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // as sent, in order
  std::string_view peer;  // address of the other end, "127.0.0.1"
  bool peer_is_loopback = false;
  bool secure = false;  // came over TLS

  // First header of that name, any letter case; empty when absent.
  std::string_view header(std::string_view name) const;
  bool has_header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::vector<Header> headers;  // without Content-Length, Connection, Date: the server's own
  std::string body;
  bool close = false;  // close the connection after this answer

  static Response Json(int status, std::string body) {
    return {.status = status,
            .headers = {{"Content-Type", "application/json"}},
            .body = std::move(body)};
  }
  static Response Text(int status, std::string body) {
    return {.status = status,
            .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
            .body = std::move(body)};
  }
};

// Equal but for the letter case of ASCII, as header names and many header values compare.
bool SameText(std::string_view a, std::string_view b);

// The value of one query parameter, percent-decoded ('+' is a space); nullopt when absent or when
// the encoding is broken.
std::string PercentDecode(std::string_view text, bool plus_is_space, bool& ok);
bool QueryParameter(std::string_view query, std::string_view name, std::string& value);

}  // namespace tributary::http
