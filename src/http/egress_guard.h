// Which addresses outgoing requests may reach (downstream-dispatch.md section 7, RELIABILITY.md
// E1).
//
// Judged twice: URLs at creation (literal addresses in any notation, known metadata names, scheme,
// credentials), and every address at the moment of connecting, after resolution, so that DNS
// rebinding does not help. A name that does not resolve is accepted at creation.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/ip_address.h"

namespace tributary::http {

struct EgressOptions {
  std::vector<std::string> allow;  // networks ("127.0.0.1/32", "fd00::/8") or host names
  bool https_only = false;
  std::vector<std::string> own;  // numeric addresses this program can be reached at itself
};

// Copies share one set of rules. Thread-safe.
class EgressGuard {
 public:
  // kInvalid, field "egress.allow[i]": the entry that is no network and no host name.
  static Result<EgressGuard> Make(const EgressOptions& options);
  // Other rules from now on, or kInvalid as above and the old ones. Connections that are open stay.
  Status Change(const EgressOptions& options);

  // kDenied with a sentence that names the option which would allow it:
  // "127.0.0.1 is a loopback address; to allow it: egress: {allow: [127.0.0.1/32]}".
  Status JudgeUrl(std::string_view url) const;
  // `address` in numeric form, as about to be connected to. `host` is the name it came from.
  Status JudgeAddress(std::string_view address, std::string_view host) const;

 private:
  struct Network {
    unsigned char bytes[16];  // IPv4 as mapped IPv6
    unsigned prefix_bits;
  };
  struct Rules {
    std::vector<Network> allowed;
    std::vector<IpBytes> own;
    std::vector<std::string> allowed_names;
    bool https_only = false;
    bool AllowsName(std::string_view name) const;
  };
  struct Current {
    std::mutex mutex;
    std::shared_ptr<const Rules> rules;
  };
  static Result<std::shared_ptr<const Rules>> ReadRules(const EgressOptions& options);
  static Status Judge(const Rules& rules, std::string_view address, std::string_view host);
  std::shared_ptr<const Rules> rules() const;

  std::shared_ptr<Current> current_ = std::make_shared<Current>();
};

}  // namespace tributary::http
