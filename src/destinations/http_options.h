// What the HTTP destinations of this folder have in common: a URL, a method, custom headers and a
// Standard Webhooks secret, and the request made of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "deliver/http_destination.h"
#include "destinations/signing.h"

namespace tributary::destinations {

enum class SendMethod : std::uint8_t { kPost, kPut, kPatch };

struct HttpOptions {
  std::string url;
  SendMethod method = SendMethod::kPost;
  std::map<std::string, config::Secret> headers;
  config::Secret signing_secret;
  OldSecrets old_signing_secrets;
  static void Describe(config::OptionList<HttpOptions>& o);
};

// URL (also by the egress guard), headers and secret. Fields "url", "headers.NAME",
// "signing_secret", "old_signing_secrets.TIME".
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
};

}  // namespace tributary::destinations
