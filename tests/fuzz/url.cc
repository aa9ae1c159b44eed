// The egress guard: no text may crash it, and no forbidden address may pass in any notation that
// our own address reader understands.
#include "base/check.h"
#include "http/egress_guard.h"
#include "http/ip_address.h"

namespace http = tributary::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1024) return 0;
  static const auto guard = http::EgressGuard::Make({}).value();
  const std::string text(reinterpret_cast<const char*>(data), size);
  const bool accepted = guard.JudgeUrl(text).has_value();
  if (accepted) {
    CHECK(text.find('\\') == std::string::npos);
    CHECK(text.find("://") <= 5);
  }
  const auto refused = [](const std::string& url) { return !guard.JudgeUrl(url).has_value(); };
  if (const auto address = http::ParseIp(text); address && !http::PlaceOf(*address).empty()) {
    const bool v6 = text.find(':') != std::string::npos;
    CHECK(refused(v6 ? "http://[" + text + "]/" : "http://" + text + "/"));
    CHECK(!guard.JudgeAddress(text, "name.example"));
  }
  const bool could_be_host =
      text.find_first_not_of("0123456789.xXabcdefABCDEF") == std::string::npos;
  bool numeric = false;
  if (!could_be_host) {
    (void)http::ParseLooseIpv4(text, numeric);
  } else if (const auto address = http::ParseLooseIpv4(text, numeric)) {
    CHECK(refused("http://" + text + "/") || http::PlaceOf(*address).empty());
  } else if (numeric) {
    CHECK(refused("http://" + text + "/"));
  }
  (void)http::EgressGuard::Make({.allow = {text}}).has_value();
  return 0;
}
