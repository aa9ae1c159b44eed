// How an HTTP destination shows who it is: a header that never changes, an access token that is
// fetched (access_token.h), a certificate of its own.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "config/option_list.h"
#include "deliver/http_destination.h"
#include "http/tls_identity.h"

namespace tributary::destinations {

enum class AuthType : std::uint8_t { kNone, kBearer, kBasic, kApiKey, kOAuth2 };
enum class ClientAuth : std::uint8_t { kBody, kBasic };

// Each type has its own options; those of another type are refused by name.
struct AuthOptions {
  AuthType type = AuthType::kNone;
  config::Secret token;  // bearer
  std::string username;  // basic
  config::Secret password;
  std::string header;  // api_key
  config::Secret value;
  std::string token_url;  // oauth2, client credentials (RFC 6749, section 4.4)
  std::string client_id;
  config::Secret client_secret;
  std::string scope;
  std::string audience;
  ClientAuth style = ClientAuth::kBody;  // how the client shows its secret

  static void Describe(config::OptionList<AuthOptions>& o);
  Status Check() const;
};

struct TlsOptions {
  std::string client_certificate;
  config::Secret client_key;
  std::string ca;

  static void Describe(config::OptionList<TlsOptions>& o);
  Status Check() const;
  // nullptr when nothing is set.
  std::shared_ptr<const http::TlsIdentity> identity() const;
};

// What Check() of the two cannot see: the token URL (by the egress guard) and `headers` that say
// the same as `auth`. Fields "auth.token_url", "auth.header", "headers.NAME".
Status CheckAuthorization(const AuthOptions& auth,
                          const std::map<std::string, config::Secret>& headers,
                          const deliver::CheckContext& context);

// The header of bearer, basic and api_key; nullopt for the others.
std::optional<http::Header> AuthorizationHeader(const AuthOptions& auth);

}  // namespace tributary::destinations
