#include "destinations/http_options.h"

namespace tributary::destinations {
namespace {

constexpr std::size_t kUrlBytesMax = 8 * 1024;

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
             "whsec_… of Standard Webhooks: requests are signed with it.");
}

Status CheckHttpOptions(const HttpOptions& options, const deliver::CheckContext& context) {
  if (context.egress != nullptr) {
    if (const Status judged = context.egress->JudgeUrl(options.url); !judged) {
      return Fail(judged.error().code(), "url", "url: " + judged.error().message());
    }
  }
  TRY(deliver::CheckCustomHeaders(options.headers));
  if (options.signing_secret.empty()) return {};
  const auto signer = codec::WebhookSigner::Make({options.signing_secret.Reveal()});
  if (!signer) {
    return Fail(ErrorCode::kInvalid, "signing_secret",
                "signing_secret: " + signer.error().message());
  }
  return {};
}

RequestMaker::RequestMaker(HttpOptions options, std::string user_agent)
    : options_(std::move(options)), user_agent_(std::move(user_agent)) {
  if (options_.signing_secret.empty()) return;
  auto signer = codec::WebhookSigner::Make({options_.signing_secret.Reveal()});
  // It was checked when the destination was made.
  if (signer) signer_ = std::make_unique<codec::WebhookSigner>(std::move(*signer));
}

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
  if (!delivery.replay.empty()) request.headers.emplace_back("Tributary-Replay", delivery.replay);
  for (const auto& [name, value] : options_.headers) {
    request.headers.emplace_back(name, value.Reveal());
  }
  request.body = std::make_shared<const std::string>(std::move(body));
  return request;
}

}  // namespace tributary::destinations
