// Which handler answers which method and path. Declared by sources and by control; the OpenAPI
// document and the access table are made from the same entries.
//
// Patterns are literal segments and {names}: "/api/v1/destinations/{name}". A {name} matches one
// segment, percent-decoded. No pattern matches by prefix. One trailing slash is tolerated where the
// entry says so. Unknown path: 404; known path with another method: 405 with Allow.
// HEAD is answered by the GET entry (the server leaves the body out).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "http/server.h"

namespace tributary::http {

using PathParams = std::map<std::string, std::string, std::less<>>;

enum class Scope : std::uint8_t { kOpen, kRead, kWrite, kAdmin };  // kOpen: the entry checks itself

struct Route {
  Method method = Method::kGet;
  std::string pattern;
  Scope scope = Scope::kOpen;
  std::size_t body_bytes_max = 1 << 20;
  bool trailing_slash = false;
  std::string summary;  // for the OpenAPI document
  std::function<void(const Request&, const PathParams&, Responder)> handle;
};

class Router final : public Handler {
 public:
  // Runs before every matched entry, e.g. to check who asks; answering there ends the request.
  using Gate = std::function<bool(const Route&, const Request&, Responder&)>;

  void Add(Route route);  // CHECKs that method + pattern is new
  void SetGate(Gate gate) { gate_ = std::move(gate); }
  const std::vector<Route>& routes() const { return routes_; }

  std::size_t BodyBytesMax(const Request& head) override;
  void Handle(const Request& request, Responder responder) override;

 private:
  struct Node;
  const Route* Match(const Request& request, PathParams& params, std::string* allowed) const;

  std::vector<Route> routes_;
  std::unordered_map<std::string, std::size_t> exact_;  // "POST /v1/track" -> index
  Gate gate_;
};

}  // namespace tributary::http
