#include "http/egress_guard.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/ascii.h"
#include "http/ip_address.h"

namespace tributary::http {
namespace {

constexpr std::size_t kUrlBytesMax = 8 * 1024;
constexpr std::size_t kHostBytesMax = 253;  // RFC 1035

// Names that stand for an address of the machine, or of its cloud, whatever they resolve to here.
constexpr std::string_view kLoopbackNames[] = {"localhost",     "localhost.localdomain",
                                               "localhost6",    "localhost6.localdomain6",
                                               "ip6-localhost", "ip6-loopback"};
constexpr std::string_view kMetadataNames[] = {"metadata",
                                               "metadata.google.internal",
                                               "metadata.goog",
                                               "metadata.azure.internal",
                                               "metadata.azure.com",
                                               "instance-data",
                                               "instance-data.ec2.internal",
                                               "metadata.packet.net",
                                               "metadata.platformequinix.com",
                                               "metadata.tencentyun.com",
                                               "metadata.oraclecloud.com",
                                               "rancher-metadata",
                                               "kubernetes.default",
                                               "kubernetes.default.svc",
                                               "kubernetes.default.svc.cluster.local"};

std::unexpected<Error> BadUrl(std::string why) {
  return Fail(ErrorCode::kInvalid, "url", std::move(why));
}

// AsciiLower case, without the one dot that a name may end with.
std::string CanonicalName(std::string_view host) {
  if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  return AsciiLower(host);
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  char before = '.';
  for (const char c : host) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!word && (c != '.' || before == '.')) return false;
    before = c;
  }
  return before != '.';
}

bool IsLoopbackName(std::string_view name) {
  return std::ranges::find(kLoopbackNames, name) != std::end(kLoopbackNames) ||
         name.ends_with(".localhost");
}

struct UrlParts {
  bool https = false;
  std::string_view host;  // as written, brackets removed
  bool bracketed = false;
};

// Only what every reader of URLs understands alike; the rest is refused rather than guessed.
Result<UrlParts> SplitUrl(std::string_view url) {
  if (url.size() > kUrlBytesMax) {
    return BadUrl("the URL has more than " + std::to_string(kUrlBytesMax) + " bytes");
  }
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '\\') {
      return BadUrl("the URL has a space, a control character or a backslash");
    }
  }
  const std::size_t colon = url.find("://");
  const std::string scheme =
      colon == std::string_view::npos ? "" : AsciiLower(url.substr(0, colon));
  UrlParts parts;
  parts.https = scheme == "https";
  if (scheme != "http" && !parts.https)
    return BadUrl("the URL must begin with http:// or https://");
  const std::string_view rest = url.substr(colon + 3);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return BadUrl("the URL must not have a user name or password; use a header");
  }
  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return BadUrl("the URL has an unclosed bracket");
    parts.bracketed = true;
    parts.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    has_port = !port.empty();
    if (has_port && port[0] != ':') return BadUrl("the URL has something after its address");
  } else {
    parts.host = authority.substr(0, authority.find(':'));
    port = authority.substr(parts.host.size());
    has_port = !port.empty();
  }
  if (has_port) {
    port.remove_prefix(1);
    unsigned number = 0;
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || number == 0 ||
        number > 65535) {
      return BadUrl("the port of the URL is not between 1 and 65535");
    }
  }
  return parts;
}

std::string AllowHint(std::string_view entry) {
  return "; to allow it: egress: {allow: [" + std::string(entry) + "]}";
}

std::string AllowEntry(const IpBytes& address) {
  return FormatIp(address) + (IsMappedIpv4(address) ? "/32" : "/128");
}

}  // namespace

bool EgressGuard::Rules::AllowsName(std::string_view name) const {
  return std::ranges::find(allowed_names, name) != allowed_names.end();
}

Result<EgressGuard> EgressGuard::Make(const EgressOptions& options) {
  EgressGuard guard;
  TRY(guard.Change(options));
  return guard;
}

Status EgressGuard::Change(const EgressOptions& options) {
  TRY_ASSIGN(std::shared_ptr<const Rules> rules, ReadRules(options));
  const std::lock_guard lock(current_->mutex);
  current_->rules = std::move(rules);
  return {};
}

std::shared_ptr<const EgressGuard::Rules> EgressGuard::rules() const {
  const std::lock_guard lock(current_->mutex);
  return current_->rules;
}

Result<std::shared_ptr<const EgressGuard::Rules>> EgressGuard::ReadRules(
    const EgressOptions& options) {
  auto rules = std::make_shared<Rules>();
  rules->https_only = options.https_only;
  for (const std::string& own : options.own) {
    const auto address = ParseIp(own.substr(0, own.find('%')));
    if (address) rules->own.push_back(*address);
  }
  for (std::size_t i = 0; i < options.allow.size(); ++i) {
    const std::string& entry = options.allow[i];
    // Says which one, not what it is: a variable may have been put in there by mistake.
    const auto bad = [&](std::string why) {
      return Fail(ErrorCode::kInvalid, "egress.allow[" + std::to_string(i) + "]", std::move(why));
    };
    const std::string_view text = entry;
    const std::size_t slash = text.find('/');
    const auto address = ParseIp(text.substr(0, slash));
    if (!address) {
      std::string name = CanonicalName(text);
      bool numeric = false;
      ParseLooseIpv4(name, numeric);
      if (numeric || !IsHostName(name)) return bad("is no network and no host name");
      rules->allowed_names.push_back(std::move(name));
      continue;
    }
    const unsigned offset = IsMappedIpv4(*address) && text.find(':') == text.npos ? 96 : 0;
    unsigned bits = 128 - offset;
    if (slash != std::string_view::npos) {
      const std::string_view digits = text.substr(slash + 1);
      unsigned given = 0;
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), given);
      if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || given > bits) {
        return bad("has no prefix length of 0 to " + std::to_string(bits));
      }
      bits = given;
    }
    Network network{.prefix_bits = offset + bits};
    std::memcpy(network.bytes, address->data(), sizeof network.bytes);
    // Set bits past the prefix mean that somebody meant another network than is written.
    for (unsigned bit = network.prefix_bits; bit < 128; ++bit) {
      if (network.bytes[bit / 8] >> (7 - bit % 8) & 1) return bad("has bits set past its prefix");
    }
    rules->allowed.push_back(network);
  }
  return rules;
}

Status EgressGuard::JudgeUrl(std::string_view url) const {
  const std::shared_ptr<const Rules> now = rules();
  TRY_ASSIGN(const UrlParts parts, SplitUrl(url));
  const std::string host = parts.bracketed ? std::string(parts.host) : CanonicalName(parts.host);
  if (now->https_only && !parts.https) {
    return Fail(ErrorCode::kDenied, "url", "only https is allowed; see egress: {https_only}");
  }
  if (parts.bracketed) {
    const auto address = ParseIp(host);
    if (!address || host.find(':') == std::string::npos) {
      return BadUrl("what the URL has in brackets is no IPv6 address (zones are not understood)");
    }
    return Judge(*now, FormatIp(*address), host);
  }
  bool numeric = false;
  if (const auto address = ParseLooseIpv4(host, numeric)) {
    return Judge(*now, FormatIp(*address), host);
  }
  if (numeric) return BadUrl("the host of the URL is no address and cannot be a name");
  if (!IsHostName(host)) {
    return BadUrl("the host of the URL is no name; write international names as xn--…");
  }
  if (now->AllowsName(host)) return {};
  if (std::ranges::find(kMetadataNames, host) != std::end(kMetadataNames)) {
    return Fail(ErrorCode::kDenied, "url",
                host + " is a name of a cloud's own services" + AllowHint(host));
  }
  if (!IsLoopbackName(host)) return {};  // judged again when it has been resolved
  const Status loopback = Judge(*now, "127.0.0.1", host);
  if (loopback || Judge(*now, "::1", host)) return {};
  return Fail(loopback.error().With(host));
}

Status EgressGuard::JudgeAddress(std::string_view address, std::string_view host) const {
  return Judge(*rules(), address, host);
}

Status EgressGuard::Judge(const Rules& rules, std::string_view address, std::string_view host) {
  const auto bytes = ParseIp(address.substr(0, address.find('%')));
  if (!bytes) return Fail(ErrorCode::kDenied, "url", "the host is at no address of the internet");
  std::string_view place = PlaceOf(*bytes);
  if (place.empty() && std::ranges::find(rules.own, *bytes) != rules.own.end()) {
    place = "an address of this server itself";
  }
  if (place.empty()) return {};
  if (!rules.allowed_names.empty() && rules.AllowsName(CanonicalName(host))) return {};
  for (const Network& network : rules.allowed) {
    if (SamePrefix(bytes->data(), network.bytes, network.prefix_bits)) return {};
  }
  return Fail(ErrorCode::kDenied, "url",
              FormatIp(*bytes) + " is " + std::string(place) + AllowHint(AllowEntry(*bytes)));
}

}  // namespace tributary::http
