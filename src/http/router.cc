#include "http/router.h"

#include <algorithm>

#include "base/check.h"
#include "http/error_response.h"

namespace tributary::http {
namespace {

bool IsParameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

// "/a/b" -> "a", "b"; "/" -> "". Views into `path`.
std::string_view NextSegment(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

// HEAD is GET without its body.
Method Wanted(Method method) {
  return method == Method::kHead ? Method::kGet : method;
}

void Allow(std::string& allowed, Method method) {
  if (!allowed.empty()) allowed += ", ";
  allowed += MethodName(method);
  if (method == Method::kGet) allowed += ", HEAD";
}

}  // namespace

// The routes of one pattern, by method, and what may follow it.
struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literal;
  std::unique_ptr<Node> parameter;
  std::vector<std::size_t> routes;  // those that end here
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

void Router::Add(Route route) {
  CHECK(route.pattern.starts_with('/'));
  const std::size_t index = routes_.size();
  const bool literal = route.pattern.find('{') == std::string::npos;
  Node* node = root_.get();
  for (std::string_view rest = route.pattern; !rest.empty();) {
    const std::string_view segment = NextSegment(rest);
    auto& next = IsParameter(segment) ? node->parameter : node->literal[std::string(segment)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  for (const std::size_t other : node->routes) CHECK(routes_[other].method != route.method);
  node->routes.push_back(index);
  if (literal) {
    exact_[route.pattern].push_back(index);
    if (route.trailing_slash) exact_[route.pattern + "/"].push_back(index);
  }
  routes_.push_back(std::move(route));
}

const Route* Router::Pick(const std::vector<std::size_t>& candidates, Method method,
                          Others* others) const {
  for (const std::size_t index : candidates) {
    if (routes_[index].method == method) return &routes_[index];
  }
  if (others != nullptr) {
    for (const std::size_t index : candidates) Allow(others->allowed, routes_[index].method);
    for (const std::size_t index : candidates) {
      if (others->first == nullptr || !others->first->refuse) others->first = &routes_[index];
    }
  }
  return nullptr;
}

const Route* Router::Match(const Request& request, PathParams& params, Others* others) const {
  const Method method = Wanted(request.method);
  if (const auto found = exact_.find(request.path); found != exact_.end()) {
    return Pick(found->second, method, others);
  }
  return Descend(*root_, request.path, method, params, others);
}

// Literal segments come before parameters; the first pattern that fits the whole path decides.
const Route* Router::Descend(const Node& node, std::string_view rest, Method method,
                             PathParams& params, Others* others) const {
  if (rest.empty()) return Pick(node.routes, method, others);
  if (rest == "/" && !node.routes.empty()) {
    const Route* const route = Pick(node.routes, method, others);
    return route != nullptr && route->trailing_slash ? route : nullptr;
  }
  if (rest.front() != '/') return nullptr;
  const std::string_view segment = NextSegment(rest);
  if (const auto next = node.literal.find(segment); next != node.literal.end()) {
    if (const Route* route = Descend(*next->second, rest, method, params, others)) return route;
  }
  if (!node.parameter || segment.empty()) return nullptr;
  const Route* const route = Descend(*node.parameter, rest, method, params, others);
  return route != nullptr && TakeParams(*route, segment, rest, params) ? route : nullptr;
}

// The name of a parameter is its route's own, so values get their names once the route is known.
bool Router::TakeParams(const Route& route, std::string_view segment, std::string_view rest,
                        PathParams& params) {
  const auto depth_from_end = [](std::string_view path) {
    return std::count(path.begin(), path.end(), '/') - (path.ends_with('/') ? 1 : 0);
  };
  std::string_view pattern = route.pattern;
  auto skip = std::count(pattern.begin(), pattern.end(), '/') - 1 - depth_from_end(rest);
  std::string_view name = NextSegment(pattern);
  for (; skip > 0; --skip) name = NextSegment(pattern);
  bool ok = false;
  std::string value = PercentDecode(segment, false, ok);
  if (!ok) return false;
  params.emplace(std::string(name.substr(1, name.size() - 2)), std::move(value));
  return true;
}

std::size_t Router::BodyBytesMax(const Request& head) {
  PathParams params;
  const Route* const route = Match(head, params, nullptr);
  if (route == nullptr) return kUnroutedBodyBytesMax;
  return route->body_bytes_max_now ? route->body_bytes_max_now() : route->body_bytes_max;
}

Response Router::Refusal(const Route* route, const Request& request, int status,
                         std::string_view code, std::string_view message) {
  if (route != nullptr && route->refuse) return route->refuse(request, status, code, message);
  return ErrorResponse(status, code, message);
}

Response Router::Refusal(const Request& head, int status, std::string_view code,
                         std::string_view message) {
  PathParams params;
  Others others;
  const Route* const route = Match(head, params, &others);
  return Refusal(route != nullptr ? route : others.first, head, status, code, message);
}

void Router::Handle(const Request& request, Responder responder) {
  PathParams params;
  const Route* const route = Match(request, params, nullptr);
  if (route == nullptr) return Refuse(request, std::move(responder));
  if (gate_ && !gate_(*route, request, responder)) return;
  if (around_) return around_(*route, request, params, std::move(responder));
  route->handle(request, params, std::move(responder));
}

void Router::Refuse(const Request& request, Responder responder) const {
  PathParams params;
  Others others;
  Match(request, params, &others);
  if (others.allowed.empty()) {
    return responder.Send(
        ErrorResponse(404, "not_found", "there is nothing at " + std::string(request.path)));
  }
  Response response = Refusal(others.first, request, 405, "method_not_allowed",
                              std::string(request.path) + " answers " + others.allowed);
  response.headers.emplace_back("Allow", others.allowed);
  responder.Send(std::move(response));
}

}  // namespace tributary::http
