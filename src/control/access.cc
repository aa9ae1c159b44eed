#include "control/access.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Request;
using http::Response;
using http::Scope;

constexpr std::string_view kBearer = "Bearer ";

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

bool BeginsIgnoringCase(std::string_view text, std::string_view prefix) {
  return EqualIgnoringCase(text.substr(0, prefix.size()), prefix);
}

Response Denied(std::string_view message) {
  return http::ErrorResponse(403, "denied", message);
}

// "[::1]:8080" -> "[::1]"; "localhost:80" -> "localhost". Empty when the port is no number.
std::string_view HostWithoutPort(std::string_view host) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return host;
  const std::string_view port = host.substr(colon + 1);
  const bool digits = port.find_first_not_of("0123456789") == std::string_view::npos;
  return digits ? host.substr(0, colon) : std::string_view();
}

bool IsDottedLoopback(std::string_view host) {
  if (!host.starts_with("127.")) return false;
  int parts = 0;
  while (true) {
    const std::string_view part = host.substr(0, host.find('.'));
    const bool digits = part.find_first_not_of("0123456789") == std::string_view::npos;
    if (part.empty() || part.size() > 3 || !digits) return false;
    if (++parts == 4) return part.size() == host.size();
    if (part.size() == host.size()) return false;
    host.remove_prefix(part.size() + 1);
  }
}

bool IsLoopbackHostHeader(std::string_view value) {
  const std::string_view host = HostWithoutPort(value);
  return EqualIgnoringCase(host, "localhost") || host == "[::1]" || IsDottedLoopback(host);
}

bool IsForwardedHeader(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kNames = {"forwarded", "x-real-ip", "via"};
  return BeginsIgnoringCase(name, "x-forwarded-") ||
         std::ranges::any_of(kNames, [&](auto known) { return EqualIgnoringCase(name, known); });
}

bool IsOwnOrigin(std::string_view origin, const Request& request) {
  const std::string_view scheme = request.secure ? "https://" : "http://";
  return origin.starts_with(scheme) &&
         EqualIgnoringCase(origin.substr(scheme.size()), request.header("Host"));
}

bool IsJson(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ') || content_type.ends_with('\t')) content_type.remove_suffix(1);
  return EqualIgnoringCase(content_type, "application/json");
}

// One header of a request without tokens; a sentence when it must not be there.
std::string_view Fault(const Request& request, std::string_view name, std::string_view value) {
  if (EqualIgnoringCase(name, "Host") && !IsLoopbackHostHeader(value)) {
    return "the Host header must name this machine's loopback (localhost or 127.0.0.1)";
  }
  if (EqualIgnoringCase(name, "Origin") && !IsOwnOrigin(value, request)) {
    return "requests of web pages from another origin are refused";
  }
  if (EqualIgnoringCase(name, "Sec-Fetch-Site") && value != "same-origin" && value != "none") {
    return "requests of web pages from another site are refused";
  }
  if (IsForwardedHeader(name)) {
    return "requests that were forwarded by a proxy are refused";
  }
  return {};
}

// The simple API's own paths answer errors in its own form (collection-api.md section 11).
bool IsSeedPath(std::string_view pattern) {
  return !pattern.starts_with("/api/v1/") && pattern != "/metrics";
}

Response InSeedForm(Response answer) {
  const nlohmann::json body = nlohmann::json::parse(answer.body, nullptr, false);
  answer.body = nlohmann::json{{"error", body.value("message", "refused")}}.dump();
  return answer;
}

Scope ReachOf(const AccessToken& token) {
  if (token.admin) return Scope::kAdmin;
  if (token.write) return Scope::kWrite;
  return token.read ? Scope::kRead : Scope::kOpen;
}

std::string_view ScopeName(Scope scope) {
  switch (scope) {
    case Scope::kRead:
      return "read";
    case Scope::kWrite:
      return "write";
    default:
      return "admin";
  }
}

}  // namespace

void Access::Change(const std::vector<AccessToken>& tokens) {
  auto known = std::make_shared<Tokens>();
  for (const AccessToken& token : tokens) {
    std::string name = token.name;
    if (name.empty()) name = "token " + std::to_string(known->size() + 1);
    known->push_back({codec::Sha256Of(token.token), ReachOf(token), std::move(name)});
  }
  const std::lock_guard lock(mutex_);
  tokens_ = std::move(known);
}

std::shared_ptr<const Access::Tokens> Access::tokens() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

std::optional<Response> Access::Judge(Scope scope, const Request& request) const {
  if (scope == Scope::kOpen) return std::nullopt;
  const auto now = tokens();
  return now->empty() ? JudgeLocal(request) : JudgeToken(*now, scope, request);
}

std::string Access::NameOf(const Request& request) const {
  const auto now = tokens();
  const Known* const known = Find(*now, request);
  return known == nullptr ? "local" : known->name;
}

std::string Access::IdentityOf(const Request& request) const {
  const auto now = tokens();
  const Known* const known = Find(*now, request);
  return known == nullptr ? "local" : std::string(codec::AsText(known->digest));
}

std::function<bool()> Access::StillMay(Scope scope, const Request& request) const {
  return [this, scope, digest = DigestOf(request)] {
    const auto now = tokens();
    // What came without a token came from this machine, and goes on until tokens are asked for.
    if (!digest) return now->empty();
    const Known* const known = Find(*now, *digest);
    return known != nullptr ? known->reach >= scope : now->empty();
  };
}

std::optional<codec::Sha256Bytes> Access::DigestOf(const Request& request) {
  std::string_view given = request.header("Authorization");
  if (!BeginsIgnoringCase(given, kBearer)) return std::nullopt;
  given.remove_prefix(kBearer.size());
  while (given.starts_with(' ')) given.remove_prefix(1);
  return codec::Sha256Of(given);
}

const Access::Known* Access::Find(const Tokens& tokens, const Request& request) {
  const auto digest = DigestOf(request);
  return digest ? Find(tokens, *digest) : nullptr;
}

const Access::Known* Access::Find(const Tokens& tokens, const codec::Sha256Bytes& digest) {
  const Known* found = nullptr;
  // All of them, always: how long it takes says nothing about which one was close.
  for (const Known& known : tokens) {
    if (codec::ConstantTimeEqual(codec::AsText(known.digest), codec::AsText(digest))) {
      found = &known;
    }
  }
  return found;
}

std::optional<Response> Access::JudgeToken(const Tokens& tokens, Scope scope,
                                           const Request& request) {
  if (!BeginsIgnoringCase(request.header("Authorization"), kBearer)) {
    return http::UnauthorizedResponse("a token is needed: Authorization: Bearer TOKEN");
  }
  const Known* const found = Find(tokens, request);
  if (found == nullptr) return http::UnauthorizedResponse("the token is not known");
  if (found->reach < scope) {
    return Denied("this needs a token with the scope '" + std::string(ScopeName(scope)) + "'");
  }
  return std::nullopt;
}

std::optional<Response> Access::JudgeLocal(const Request& request) {
  constexpr std::string_view kHint = "; to use the control API from elsewhere, configure tokens";
  if (!request.peer_is_loopback) {
    return Denied("the control API is open to this machine only" + std::string(kHint));
  }
  if (!request.has_header("Host")) return Denied("the Host header is missing");
  for (const auto& [name, value] : request.headers) {
    const std::string_view fault = Fault(request, name, value);
    if (!fault.empty()) return Denied(std::string(fault) + std::string(kHint));
  }
  if (!request.body.empty() && !IsJson(request.header("Content-Type"))) {
    return http::ErrorResponse(415, "unsupported_media_type",
                               "the body must be sent as Content-Type: application/json");
  }
  return std::nullopt;
}

http::Router::Gate Access::gate() const {
  return [this](const http::Route& route, const Request& request, http::Responder& responder) {
    auto answer = Judge(route.scope, request);
    if (!answer) return true;
    responder.Send(IsSeedPath(route.pattern) ? InSeedForm(*std::move(answer)) : *std::move(answer));
    return false;
  };
}

}  // namespace tributary::control
