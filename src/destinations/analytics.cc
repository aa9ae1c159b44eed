// analytics: the seed's second type. Each event to the URL as it is.
#include "destinations/http_options.h"
#include "destinations/seed_body.h"

namespace tributary::destinations {
namespace {

class Analytics final : public PlainHttpDestination {
 public:
  using PlainHttpDestination::PlainHttpDestination;

  Result<http::ClientRequest> Encode(const deliver::Delivery& delivery) const override {
    return maker().Make(url(), SeedBody(delivery), delivery);
  }
};

const deliver::DestinationRegistration kAnalytics =
    deliver::Register<Analytics>("analytics", "Posts each event to an analytics system's URL.");

}  // namespace
}  // namespace tributary::destinations
