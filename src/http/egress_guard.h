// Which addresses outgoing requests may reach (downstream-dispatch.md section 7, RELIABILITY.md
// E1).
//
// Judged twice: URLs at creation (literal addresses in any notation, known metadata names, scheme,
// credentials), and every address at the moment of connecting, after resolution, so that DNS
// rebinding does not help. A name that does not resolve is accepted at creation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tributary::http {

struct EgressOptions {
  std::vector<std::string> allow;  // networks ("127.0.0.1/32", "fd00::/8") or host names
  bool https_only = false;
};

class EgressGuard {
 public:
  // kInvalid names the entry that is no network and no host name.
  static Result<EgressGuard> Make(const EgressOptions& options);

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
  std::vector<Network> allowed_;
  std::vector<std::string> allowed_names_;
  bool https_only_ = false;
};

}  // namespace tributary::http
