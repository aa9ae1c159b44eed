// Who may: judges every request of a route that has a scope, before its handler runs.
//
// With tokens: `Authorization: Bearer TOKEN`; 401 when there is none or it is unknown, 403 when its
// scopes do not reach. `write` includes `read`, `admin` includes both.
//
// Without tokens (only possible when all listeners are loopback): open to this machine, and to
// nothing that acts for somebody else. Refused are a Host that is not loopback (DNS rebinding), an
// Origin other than our own and what browsers mark as coming from another site (web pages),
// forwarded headers (a local proxy), and bodies that are not application/json (forms).
//
// The tokens may be replaced while requests are judged. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "codec/hmac.h"
#include "http/router.h"

namespace tributary::control {

struct AccessToken {
  std::string name = {};  // for the audit record
  std::string token;
  bool read = false;
  bool write = false;
  bool admin = false;
};

class Access {
 public:
  explicit Access(const std::vector<AccessToken>& tokens) { Change(tokens); }

  // Other tokens for every request that is judged from now on.
  void Change(const std::vector<AccessToken>& tokens);

  // The answer that ends the request; nullopt: go on.
  std::optional<http::Response> Judge(http::Scope scope, const http::Request& request) const;

  // Who asks, for the audit record: the token's name ("token 2" where it has none), or "local".
  // For requests that Judge let pass.
  std::string NameOf(const http::Request& request) const;

  // The same, told apart as tokens are: names need not be unique, and shift where there are none.
  // Never shown.
  std::string IdentityOf(const http::Request& request) const;

  // Whether who sent the request may still have its answer, for answers without an end. The
  // request itself may be gone when it is asked. `this` must outlive it.
  std::function<bool()> StillMay(http::Scope scope, const http::Request& request) const;

  // For Router::SetGate. `this` must outlive the router.
  http::Router::Gate gate() const;

 private:
  struct Known {
    codec::Sha256Bytes digest;  // what is compared, so that not even a token's length shows
    http::Scope reach;
    std::string name;
  };
  using Tokens = std::vector<Known>;
  std::shared_ptr<const Tokens> tokens() const;
  static std::optional<codec::Sha256Bytes> DigestOf(const http::Request& request);
  static const Known* Find(const Tokens& tokens, const codec::Sha256Bytes& digest);
  static const Known* Find(const Tokens& tokens, const http::Request& request);
  static std::optional<http::Response> JudgeToken(const Tokens& tokens, http::Scope scope,
                                                  const http::Request& request);
  static std::optional<http::Response> JudgeLocal(const http::Request& request);

  mutable std::mutex mutex_;
  std::shared_ptr<const Tokens> tokens_;
};

}  // namespace tributary::control
