#include "destinations/access_token.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "codec/base64.h"

namespace tributary::destinations {
namespace {

using nlohmann::json;

// application/x-www-form-urlencoded, the strict way: everything but letters, digits and "-._~".
std::string FormText(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

http::ClientRequest TokenRequest(const AuthOptions& auth,
                                 const deliver::DestinationContext& context) {
  http::ClientRequest request;
  request.url = auth.token_url;
  request.timeout_ns = context.timeout_ns;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"},
                     {"User-Agent", context.user_agent}};
  std::string form = "grant_type=client_credentials";
  const auto add = [&form](const char* name, const std::string& value) {
    if (!value.empty()) form.append("&").append(name).append("=").append(FormText(value));
  };
  add("scope", auth.scope);
  add("audience", auth.audience);
  if (auth.style == ClientAuth::kBody) {
    add("client_id", auth.client_id);
    add("client_secret", auth.client_secret.Reveal());
  } else {
    // Both are form-encoded before they are joined (RFC 6749, section 2.3.1).
    const std::string pair = FormText(auth.client_id) + ":" + FormText(auth.client_secret.Reveal());
    request.headers.emplace_back("Authorization", "Basic " + codec::Base64Encode(pair));
  }
  request.body = std::make_shared<const std::string>(std::move(form));
  return request;
}

// The word of RFC 6749, section 5.2, when it is one: nothing else of the answer is repeated.
std::string ErrorWord(const json& answer) {
  constexpr std::size_t kWordMax = 64;
  const auto found = answer.is_object() ? answer.find("error") : answer.end();
  if (!answer.is_object() || found == answer.end() || !found->is_string()) return {};
  const auto& word = found->get_ref<const std::string&>();
  const bool plain =
      !word.empty() && word.size() <= kWordMax && std::ranges::all_of(word, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      });
  return plain ? " (" + word + ")" : "";
}

bool IsBearer(const json& answer) {
  const auto found = answer.find("token_type");
  if (found == answer.end()) return true;  // required by the RFC, often forgotten
  if (!found->is_string()) return false;
  return std::ranges::equal(found->get_ref<const std::string&>(), std::string_view("bearer"), {},
                            [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : int{c}; });
}

// Seconds as a number, or as a text: both are seen. Absurd ones are bounded.
MonoNanos LifeOf(const json& answer) {
  const auto found = answer.find("expires_in");
  if (found == answer.end() || found->is_null()) return kTokenLifeDefault;
  double seconds = 0;
  if (found->is_number()) {
    seconds = found->get<double>();
  } else if (found->is_string()) {
    const json number = json::parse(found->get_ref<const std::string&>(), nullptr, false);
    if (!number.is_number()) return kTokenLifeDefault;
    seconds = number.get<double>();
  }
  constexpr double kMax = static_cast<double>(kTokenLifeMax) / kNanosPerSecond;
  return static_cast<MonoNanos>(std::clamp(seconds, 0.0, kMax) * kNanosPerSecond);
}

bool IsHeaderSafe(std::string_view token) {
  return !token.empty() && token.size() <= kAccessTokenBytesMax &&
         std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7F; });
}

std::unexpected<Error> Bad(std::string why) {
  return Fail(ErrorCode::kUnavailable, "oauth2: the token endpoint " + std::move(why));
}

}  // namespace

ClientCredentials::~ClientCredentials() {
  if (fetching_) context_.client->Cancel(request_);
}

void ClientCredentials::Get(Done done) {
  const MonoNanos now = context_.loop->Now();
  const bool good = !token_.empty() && now < ends_at_;
  const bool quiet = now < quiet_until_;
  if (good) {
    if (!fetching_ && !quiet && now >= renew_at_) Fetch();
    return done(token_);
  }
  if (!fetching_ && quiet) return FailSoon(std::move(done));
  waiting_.push_back(std::move(done));
  if (!fetching_) Fetch();
}

void ClientCredentials::Refused(const std::string& token) {
  if (token == token_) token_.clear();
}

void ClientCredentials::FailSoon(Done done) {
  context_.loop->Post(
      [this, alive = std::weak_ptr<char>(alive_), done = std::move(done)]() mutable {
        if (!alive.expired()) done(Fail(ErrorCode::kUnavailable, failure_));
      });
}

void ClientCredentials::Fetch() {
  fetching_ = true;
  request_ =
      context_.client->Send(TokenRequest(auth_, context_),
                            [this](const http::ClientResponse& response) { Took(response); });
}

Status ClientCredentials::Keep(const http::ClientResponse& response) {
  if (response.failure != http::Failure::kNone) {
    return Bad("gave no answer: " + std::string(http::FailureName(response.failure)) + ": " +
               response.error);
  }
  const json answer = json::parse(response.body, nullptr, false);
  if (response.status != 200) {
    return Bad("answered HTTP " + std::to_string(response.status) + ErrorWord(answer));
  }
  const auto found = answer.is_object() ? answer.find("access_token") : answer.end();
  if (!answer.is_object() || found == answer.end() || !found->is_string() ||
      !IsHeaderSafe(found->get_ref<const std::string&>())) {
    return Bad("gave no usable access_token");
  }
  if (!IsBearer(answer)) return Bad("gave a token that is no bearer token");
  token_ = found->get<std::string>();
  const MonoNanos now = context_.loop->Now();
  const MonoNanos life = LifeOf(answer);
  ends_at_ = now + life;
  renew_at_ = ends_at_ - std::min(life / 5, kTokenEarlyMax);
  return {};
}

// Whoever waited gets this token even if it ends at once: it was asked for just now.
void ClientCredentials::Took(const http::ClientResponse& response) {
  fetching_ = false;
  const Status kept = Keep(response);
  if (!kept) {
    failure_ = kept.error().message();
    quiet_until_ = context_.loop->Now() + kTokenQuiet;
  }
  const Result<std::string> answer =
      kept ? Result<std::string>(token_) : std::unexpected(kept.error());
  const std::weak_ptr<char> alive = alive_;
  for (Done& done : std::exchange(waiting_, {})) {
    if (alive.expired()) return;
    done(answer);
  }
}

}  // namespace tributary::destinations
