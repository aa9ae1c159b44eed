// OAuth2 client credentials (RFC 6749, section 4.4): fetches an access token, keeps it in memory,
// and fetches the next before it ends. One fetch at a time; whoever needs the token meanwhile waits
// for it, or uses the old one while that is good.
//
// A fetch that fails answers everybody who waits, and for a second everybody who asks: a broken
// token endpoint is not asked once per event. Neither tokens nor what the endpoint said beyond its
// `error` word are ever part of an error's text. Loop's thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "destinations/authorization.h"

namespace tributary::destinations {

inline constexpr std::size_t kAccessTokenBytesMax = 16 * 1024;
// A token without `expires_in` is used so long; one with more is fetched again after a day.
inline constexpr MonoNanos kTokenLifeDefault = 3600 * kNanosPerSecond;
inline constexpr MonoNanos kTokenLifeMax = 24 * 3600 * kNanosPerSecond;
// How long before its end a token is replaced: a fifth of its life, at most this.
inline constexpr MonoNanos kTokenEarlyMax = 60 * kNanosPerSecond;
inline constexpr MonoNanos kTokenQuiet = kNanosPerSecond;  // after a failure

class ClientCredentials final : public deliver::TokenSource {
 public:
  // `auth` was checked, its type is oauth2.
  ClientCredentials(AuthOptions auth, const deliver::DestinationContext& context)
      : auth_(std::move(auth)), context_(context) {}
  ~ClientCredentials() override;

  void Get(Done done) override;
  void Refused(const std::string& token) override;

 private:
  void Fetch();
  void Took(const http::ClientResponse& response);
  Status Keep(const http::ClientResponse& response);
  void FailSoon(Done done);

  const AuthOptions auth_;
  const deliver::DestinationContext context_;
  std::string token_;  // empty: none
  MonoNanos ends_at_ = 0;
  MonoNanos renew_at_ = 0;
  bool fetching_ = false;
  http::Client::Id request_ = 0;
  std::vector<Done> waiting_;
  std::string failure_;  // of the last fetch
  MonoNanos quiet_until_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace tributary::destinations
