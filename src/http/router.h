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

#include "base/hash.h"
#include "http/server.h"

namespace tributary::http {

using PathParams = std::map<std::string, std::string, std::less<>>;

enum class Scope : std::uint8_t { kOpen, kRead, kWrite, kAdmin };  // kOpen: the entry checks itself

// What the OpenAPI document says of a route besides what follows from the rest of its entry.
// Schemas are JSON texts (config/json_schema.h writes them).
struct RouteDocs {
  std::vector<std::string> query = {};  // parameters that it reads
  bool any_query = false;               // it does not look at the query: no 400 for an unknown one
  std::string body = {};                // schema; empty: it takes none
  bool body_optional = false;
  std::string answer = {};  // schema of its 2xx with a body
  std::string answer_type = "application/json";
  std::string error = {};              // schema of its 4xx and 5xx; empty: the usual one
  bool unavailable_as_answer = false;  // its 503 has the form of its 2xx
};

struct Route {
  Method method = Method::kGet;
  std::string pattern;
  Scope scope = Scope::kOpen;
  std::size_t body_bytes_max = 1 << 20;
  bool trailing_slash = false;
  std::string summary;  // for the OpenAPI document
  // What the handler itself may answer besides what every route of its kind may (control/openapi.cc
  // derives that); without a 2xx among them: 200, or 204 for DELETE.
  std::vector<int> statuses = {};
  bool changes_nothing = false;  // although it is no GET: no audit record, no Idempotency-Key
  RouteDocs docs = {};
  std::function<void(const Request&, const PathParams&, Responder)> handle;
  std::function<std::size_t()> body_bytes_max_now = {};  // in place of body_bytes_max, when given
  // Writes what is answered without the handler (Handler::Refusal, and 405 on this path), where
  // the route's clients expect another status, shape or headers than ErrorResponse's.
  std::function<Response(const Request&, int status, std::string_view code,
                         std::string_view message)>
      refuse = {};
};

// Add and SetGate before the first request; after that any number of loops may use one router.
class Router final : public Handler {
 public:
  // A body that belongs to no route is read up to here before it is answered 404 or 405.
  static constexpr std::size_t kUnroutedBodyBytesMax = 64 * 1024;

  Router();
  ~Router() override;
  // Runs before every matched entry, e.g. to check who asks; answering there ends the request.
  using Gate = std::function<bool(const Route&, const Request&, Responder&)>;

  void Add(Route route);  // CHECKs that method + pattern is new
  void SetGate(Gate gate) { gate_ = std::move(gate); }
  // Runs what passed the gate; without one, the entry's handler runs at once.
  using Around = std::function<void(const Route&, const Request&, const PathParams&, Responder)>;
  void SetAround(Around around) { around_ = std::move(around); }
  const std::vector<Route>& routes() const { return routes_; }

  std::size_t BodyBytesMax(const Request& head) override;
  Response Refusal(const Request& head, int status, std::string_view code,
                   std::string_view message) override;
  void Handle(const Request& request, Responder responder) override;

 private:
  struct Node;
  struct PathHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view path) const { return Hash64(path); }
  };

  // What a path has that does not answer the method asked for.
  struct Others {
    std::string allowed;           // their methods, as the header Allow lists them
    const Route* first = nullptr;  // speaks for the path: one with `refuse`, if any
  };
  const Route* Match(const Request& request, PathParams& params, Others* others) const;
  const Route* Pick(const std::vector<std::size_t>& candidates, Method method,
                    Others* others) const;
  const Route* Descend(const Node& node, std::string_view rest, Method method, PathParams& params,
                       Others* others) const;
  static Response Refusal(const Route* route, const Request& request, int status,
                          std::string_view code, std::string_view message);
  static bool TakeParams(const Route& route, std::string_view segment, std::string_view rest,
                         PathParams& params);
  void Refuse(const Request& request, Responder responder) const;

  std::vector<Route> routes_;
  // The hot path: literal patterns by path, one lookup, nothing allocated.
  std::unordered_map<std::string, std::vector<std::size_t>, PathHash, std::equal_to<>> exact_;
  std::unique_ptr<Node> root_;
  Gate gate_;
  Around around_;
};

}  // namespace tributary::http
