// CDP: the seed's first type. Each event to `url/channel`, where the channel is the event's
// preferredChannel if it is push, email or sms, else empty (which leaves a trailing slash).
#include "destinations/http_options.h"
#include "destinations/seed_body.h"

namespace tributary::destinations {
namespace {

// Before the query, so that a key in it survives. A slash that is there already is not doubled.
std::string WithChannel(const std::string& url, std::string_view channel) {
  const std::size_t end = url.find_first_of("?#");
  std::string out = url.substr(0, end);
  if (!out.ends_with('/')) out += '/';
  out += channel;
  if (end != std::string::npos) out += url.substr(end);
  return out;
}

class Cdp final : public PlainHttpDestination {
 public:
  using PlainHttpDestination::PlainHttpDestination;

  Result<http::ClientRequest> Encode(const deliver::Delivery& delivery) const override {
    return maker().Make(WithChannel(url(), event::PreferredChannel(delivery.body)),
                        SeedBody(delivery), delivery);
  }
};

const deliver::DestinationRegistration kCdp = deliver::Register<Cdp>(
    "CDP", "Posts each event to a customer data platform, by preferred channel.");

}  // namespace
}  // namespace tributary::destinations
