// webhook: one request per event, the event's JSON as it was accepted.
#include "destinations/http_options.h"

namespace tributary::destinations {
namespace {

class Webhook final : public PlainHttpDestination {
 public:
  static constexpr bool kBatches = true;
  using PlainHttpDestination::PlainHttpDestination;

  Result<http::ClientRequest> Encode(const deliver::Delivery& delivery) const override {
    return maker().Make(url(), std::string(delivery.body), delivery);
  }
};

const deliver::DestinationRegistration kWebhook = deliver::Register<Webhook>(
    "webhook", "Posts each event as JSON, signed by Standard Webhooks if it has a secret.");

}  // namespace
}  // namespace tributary::destinations
