// What the HTTP destinations of this folder have in common: a URL, a method, custom headers and a
// Standard Webhooks secret, and the request made of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "deliver/http_destination.h"
#include "destinations/authorization.h"
#include "destinations/signing.h"

namespace tributary::destinations {

inline constexpr std::size_t kUrlBytesMax = 8 * 1024;

enum class SendMethod : std::uint8_t { kPost, kPut, kPatch };

struct HttpOptions {
  std::string url;
  SendMethod method = SendMethod::kPost;
  std::map<std::string, config::Secret> headers;
  config::Secret signing_secret;
  OldSecrets old_signing_secrets;
  AuthOptions auth;
  TlsOptions tls;
  static void Describe(config::OptionList<HttpOptions>& o);
};

// URL (also by the egress guard), headers, auth and secrets. Fields "url", "headers.NAME",
// "auth.…", "signing_secret", "old_signing_secrets.TIME".
Status CheckHttpOptions(const HttpOptions& options, const deliver::CheckContext& context);

// Makes requests for one destination instance; its thread only.
class RequestMaker {
 public:
  RequestMaker(HttpOptions options, std::string user_agent);
  // `body` as is, to `url`, with all headers.
  http::ClientRequest Make(std::string url, std::string body,
                           const deliver::Delivery& delivery) const;
  const HttpOptions& options() const { return options_; }

 private:
  HttpOptions options_;
  std::string user_agent_;
  std::unique_ptr<codec::WebhookSigner> signer_;  // nullptr: not signed
  std::optional<http::Header> authorization_;
  std::shared_ptr<const http::TlsIdentity> tls_;
};

// A destination whose options are just these: its types differ in Encode.
class PlainHttpDestination : public deliver::HttpDestination {
 public:
  using OptionsType = HttpOptions;
  static Status Check(const HttpOptions& options, const deliver::CheckContext& context) {
    return CheckHttpOptions(options, context);
  }
  PlainHttpDestination(const HttpOptions& options, const deliver::DestinationContext& context);
  deliver::TokenSource* tokens() final { return tokens_.get(); }

 protected:
  const RequestMaker& maker() const { return maker_; }
  const std::string& url() const { return maker_.options().url; }

 private:
  RequestMaker maker_;
  std::unique_ptr<deliver::TokenSource> tokens_;  // nullptr: none is needed
};

}  // namespace tributary::destinations
