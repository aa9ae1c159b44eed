#include "destinations/http_options.h"

#include "destinations/access_token.h"

namespace tributary::destinations {
namespace {

std::string_view MethodText(SendMethod method) {
  switch (method) {
    case SendMethod::kPost:
      return "POST";
    case SendMethod::kPut:
      return "PUT";
    case SendMethod::kPatch:
      return "PATCH";
  }
  return "POST";
}

}  // namespace

void HttpOptions::Describe(config::OptionList<HttpOptions>& o) {
  o.Required("url", &HttpOptions::url, "Where to send; http or https, without credentials.",
             {.min = 1, .max = kUrlBytesMax});
  o.Enum("method", &HttpOptions::method,
         {{"POST", SendMethod::kPost}, {"PUT", SendMethod::kPut}, {"PATCH", SendMethod::kPatch}},
         "HTTP method.");
  o.Optional("headers", &HttpOptions::headers, "Headers of every request; values are secret.");
  o.Optional("signing_secret", &HttpOptions::signing_secret,
             "whsec_… (symmetric) or whsk_… (ed25519 private key) of Standard Webhooks: requests "
             "are signed with it.");
  o.Optional("old_signing_secrets", &HttpOptions::old_signing_secrets,
             "Secrets that sign too, each until the time that is its name; rotate-secret makes "
             "these entries.");
  o.Object("auth", &HttpOptions::auth, "Authorization of every request.");
  o.Object("tls", &HttpOptions::tls, "Certificates of https connections (mTLS).");
}

Status CheckHttpOptions(const HttpOptions& options, const deliver::CheckContext& context) {
  if (context.egress != nullptr) {
    if (const Status judged = context.egress->JudgeUrl(options.url); !judged) {
      return Fail(judged.error().code(), "url", "url: " + judged.error().message());
    }
  }
  TRY(deliver::CheckCustomHeaders(options.headers));
  TRY(CheckAuthorization(options.auth, options.headers, context));
  return CheckSigning(options.signing_secret, options.old_signing_secrets);
}

RequestMaker::RequestMaker(HttpOptions options, std::string user_agent)
    : options_(std::move(options)),
      user_agent_(std::move(user_agent)),
      signer_(MakeSigner(options_.signing_secret, options_.old_signing_secrets)),
      authorization_(AuthorizationHeader(options_.auth)),
      tls_(options_.tls.identity()) {}

http::ClientRequest RequestMaker::Make(std::string url, std::string body,
                                       const deliver::Delivery& delivery) const {
  http::ClientRequest request;
  request.method = MethodText(options_.method);
  request.url = std::move(url);
  request.headers.reserve(options_.headers.size() + 6);
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("User-Agent", user_agent_);
  deliver::AddWebhookHeaders(delivery.webhook_id, delivery.now_us, body, signer_.get(),
                             request.headers);
  for (const auto& [name, value] : options_.headers) {
    request.headers.emplace_back(name, value.Reveal());
  }
  if (authorization_) request.headers.push_back(*authorization_);
  request.tls = tls_;
  request.body = std::make_shared<const std::string>(std::move(body));
  return request;
}

PlainHttpDestination::PlainHttpDestination(const HttpOptions& options,
                                           const deliver::DestinationContext& context)
    : HttpDestination(context), maker_(options, context.user_agent) {
  if (options.auth.type != AuthType::kOAuth2) return;
  tokens_ = std::make_unique<ClientCredentials>(options.auth, context);
}

}  // namespace tributary::destinations
