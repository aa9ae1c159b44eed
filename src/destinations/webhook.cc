// webhook: one request per event, the event's JSON as it was accepted.
#include "destinations/http_options.h"

namespace tributary::destinations {
namespace {

class Webhook final : public deliver::HttpDestination {
 public:
  using OptionsType = HttpOptions;
  static constexpr bool kBatches = true;
  static Status Check(const HttpOptions& options, const deliver::CheckContext& context) {
    return CheckHttpOptions(options, context);
  }
  Webhook(const HttpOptions& options, const deliver::DestinationContext& context)
      : HttpDestination(context), maker_(options, context.user_agent) {}

  Result<http::ClientRequest> Encode(const deliver::Delivery& delivery) const override {
    return maker_.Make(maker_.options().url, std::string(delivery.body), delivery);
  }

 private:
  RequestMaker maker_;
};

const deliver::DestinationRegistration kWebhook = deliver::Register<Webhook>(
    "webhook", "Posts each event as JSON, signed by Standard Webhooks if it has a secret.");

}  // namespace
}  // namespace tributary::destinations
