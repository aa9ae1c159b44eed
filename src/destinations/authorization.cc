#include "destinations/authorization.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "codec/base64.h"

namespace tributary::destinations {
namespace {

constexpr std::int64_t kTokenBytesMax = 8 * 1024;
constexpr std::int64_t kNameBytesMax = 1024;

std::unexpected<Error> Wrong(std::string field, std::string why) {
  return Fail(ErrorCode::kInvalid, std::move(field), std::move(why));
}

bool IsVisible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

bool HasControl(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string_view TypeName(AuthType type) {
  constexpr std::array<std::string_view, 5> kNames{"none", "bearer", "basic", "api_key", "oauth2"};
  return kNames[static_cast<std::size_t>(type)];
}

// One option, the type it belongs to, and whether that type cannot do without it.
struct Part {
  const char* name;
  AuthType type;
  bool required;
  bool given;
};

std::array<Part, 11> PartsOf(const AuthOptions& a) {
  return {{{"token", AuthType::kBearer, true, !a.token.empty()},
           {"username", AuthType::kBasic, true, !a.username.empty()},
           {"password", AuthType::kBasic, false, !a.password.empty()},
           {"header", AuthType::kApiKey, true, !a.header.empty()},
           {"value", AuthType::kApiKey, true, !a.value.empty()},
           {"token_url", AuthType::kOAuth2, true, !a.token_url.empty()},
           {"client_id", AuthType::kOAuth2, true, !a.client_id.empty()},
           {"client_secret", AuthType::kOAuth2, true, !a.client_secret.empty()},
           {"scope", AuthType::kOAuth2, false, !a.scope.empty()},
           {"audience", AuthType::kOAuth2, false, !a.audience.empty()},
           {"style", AuthType::kOAuth2, false, a.style != ClientAuth::kBody}}};
}

}  // namespace

void AuthOptions::Describe(config::OptionList<AuthOptions>& o) {
  const config::Bounds name{.max = kNameBytesMax};
  const config::Bounds secret{.max = kTokenBytesMax};
  o.Enum("type", &AuthOptions::type,
         {{"none", AuthType::kNone},
          {"bearer", AuthType::kBearer},
          {"basic", AuthType::kBasic},
          {"api_key", AuthType::kApiKey},
          {"oauth2", AuthType::kOAuth2}},
         "How requests show who sends them.");
  o.Optional("token", &AuthOptions::token, "bearer: sent as `Authorization: Bearer …`.", secret);
  o.Optional("username", &AuthOptions::username, "basic: the user's name.", name);
  o.Optional("password", &AuthOptions::password, "basic: the password.", secret);
  o.Optional("header", &AuthOptions::header, "api_key: name of the header.", name);
  o.Optional("value", &AuthOptions::value, "api_key: its value.", secret);
  o.Optional("token_url", &AuthOptions::token_url,
             "oauth2 (client credentials): where access tokens are fetched.", secret);
  o.Optional("client_id", &AuthOptions::client_id, "oauth2: the client.", name);
  o.Optional("client_secret", &AuthOptions::client_secret, "oauth2: its secret.", secret);
  o.Optional("scope", &AuthOptions::scope, "oauth2: scopes asked for, separated by spaces.", name);
  o.Optional("audience", &AuthOptions::audience, "oauth2: audience asked for.", name);
  o.Enum("style", &AuthOptions::style, {{"body", ClientAuth::kBody}, {"basic", ClientAuth::kBasic}},
         "oauth2: where the client's secret goes, the form or an Authorization header.");
}

Status AuthOptions::Check() const {
  const std::string own(TypeName(type));
  for (const Part& part : PartsOf(*this)) {
    if (part.type == type && part.required && !part.given) {
      return Wrong(part.name, "is required for type " + own);
    }
    if (part.type != type && part.given) {
      return Wrong(part.name, "belongs to type " + std::string(TypeName(part.type)) + ", not to " +
                                  own + "; null removes it");
    }
  }
  if (!IsVisible(token.Reveal())) return Wrong("token", "must be visible ASCII without spaces");
  if (HasControl(username) || username.find(':') != std::string::npos) {
    return Wrong("username", "must not have colons or control characters");
  }
  if (HasControl(password.Reveal())) return Wrong("password", "must not have control characters");
  return {};
}

void TlsOptions::Describe(config::OptionList<TlsOptions>& o) {
  o.Optional("client_certificate", &TlsOptions::client_certificate,
             "PEM text of the certificate shown to the receiver, with its chain.");
  o.Optional("client_key", &TlsOptions::client_key, "PEM text of its private key.");
  o.Optional("ca", &TlsOptions::ca, "PEM text of the authorities trusted instead of the system's.");
}

Status TlsOptions::Check() const {
  const auto found = identity();
  return found ? http::CheckTlsIdentity(*found) : Status{};
}

std::shared_ptr<const http::TlsIdentity> TlsOptions::identity() const {
  http::TlsIdentity found{
      .client_certificate = client_certificate, .client_key = client_key.Reveal(), .ca = ca};
  if (found == http::TlsIdentity{}) return nullptr;
  return std::make_shared<const http::TlsIdentity>(std::move(found));
}

Status CheckAuthorization(const AuthOptions& auth,
                          const std::map<std::string, config::Secret>& headers,
                          const deliver::CheckContext& context) {
  if (auth.type == AuthType::kNone) return {};
  for (const auto& [name, value] : headers) {
    const std::string lower = AsciiLower(name);
    if (lower == "authorization" || lower == AsciiLower(auth.header)) {
      return Wrong("headers." + name, "headers." + name + " is what auth says already");
    }
  }
  if (auth.type == AuthType::kApiKey) {
    if (const Status fine = deliver::CheckCustomHeaders({{auth.header, auth.value}}); !fine) {
      return Wrong("auth.header", "auth.header: " + fine.error().message());
    }
  }
  if (auth.type == AuthType::kOAuth2 && context.egress != nullptr) {
    if (const Status judged = context.egress->JudgeUrl(auth.token_url); !judged) {
      return Fail(judged.error().code(), "auth.token_url",
                  "auth.token_url: " + judged.error().message());
    }
  }
  return {};
}

std::optional<http::Header> AuthorizationHeader(const AuthOptions& auth) {
  switch (auth.type) {
    case AuthType::kBearer:
      return http::Header("Authorization", "Bearer " + auth.token.Reveal());
    case AuthType::kBasic:
      return http::Header("Authorization", "Basic " + codec::Base64Encode(auth.username + ":" +
                                                                          auth.password.Reveal()));
    case AuthType::kApiKey:
      return http::Header(auth.header, auth.value.Reveal());
    case AuthType::kNone:
    case AuthType::kOAuth2:
      break;
  }
  return std::nullopt;
}

}  // namespace tributary::destinations
