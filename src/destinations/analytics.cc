// analytics: the seed's second type. Each event to the URL as it is.
#include "destinations/http_options.h"
#include "destinations/seed_body.h"

namespace tributary::destinations {
namespace {

class Analytics final : public deliver::HttpDestination {
 public:
  using OptionsType = HttpOptions;
  static Status Check(const HttpOptions& options, const deliver::CheckContext& context) {
    return CheckHttpOptions(options, context);
  }
  Analytics(const HttpOptions& options, const deliver::DestinationContext& context)
      : HttpDestination(context), maker_(options, context.user_agent) {}

  Result<http::ClientRequest> Encode(const deliver::Delivery& delivery) const override {
    return maker_.Make(maker_.options().url, SeedBody(delivery), delivery);
  }

 private:
  RequestMaker maker_;
};

const deliver::DestinationRegistration kAnalytics =
    deliver::Register<Analytics>("analytics", "Posts each event to an analytics system's URL.");

}  // namespace
}  // namespace tributary::destinations
