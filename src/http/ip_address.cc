#include "http/ip_address.h"

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <charconv>
#include <cstring>
#include <vector>

namespace tributary::http {
namespace ip = boost::asio::ip;

namespace {

struct Place {
  const char* network;
  unsigned bits;
  std::string_view kind;
};

constexpr std::string_view kLoopback = "a loopback address";
constexpr std::string_view kPrivate = "a private address";
constexpr std::string_view kLinkLocal = "a link-local address";
constexpr std::string_view kMetadata = "the address of a cloud's own services";
constexpr std::string_view kShared = "an address of a provider's internal network";
constexpr std::string_view kMulticast = "a multicast address";
constexpr std::string_view kReserved = "a reserved address";
constexpr std::string_view kTunnel = "an address that carries another one";

// downstream-dispatch.md section 7; RELIABILITY.md E1. First match names the place.
constexpr Place kIpv4Places[] = {
    {"168.63.129.16", 32, kMetadata},   {"169.254.169.254", 32, kMetadata},
    {"169.254.170.2", 32, kMetadata},   {"100.100.100.200", 32, kMetadata},
    {"192.0.0.192", 32, kMetadata},     {"0.0.0.0", 8, "an address of this host"},
    {"10.0.0.0", 8, kPrivate},          {"127.0.0.0", 8, kLoopback},
    {"169.254.0.0", 16, kLinkLocal},    {"172.16.0.0", 12, kPrivate},
    {"192.168.0.0", 16, kPrivate},      {"100.64.0.0", 10, kShared},
    {"192.0.0.0", 24, kReserved},       {"192.0.2.0", 24, kReserved},
    {"192.88.99.0", 24, kReserved},     {"198.18.0.0", 15, kReserved},
    {"198.51.100.0", 24, kReserved},    {"203.0.113.0", 24, kReserved},
    {"255.255.255.255", 32, kReserved}, {"224.0.0.0", 4, kMulticast},
    {"240.0.0.0", 4, kReserved},
};

constexpr Place kIpv6Places[] = {
    {"::1", 128, kLoopback},
    {"::", 128, "an address of this host"},
    {"::", 96, kTunnel},
    {"fd00:ec2::254", 128, kMetadata},
    {"fd00:ec2::23", 128, kMetadata},
    {"fc00::", 7, kPrivate},
    {"fe80::", 10, kLinkLocal},
    {"fec0::", 10, kPrivate},
    {"ff00::", 8, kMulticast},
    {"64:ff9b::", 96, kTunnel},
    {"64:ff9b:1::", 48, kTunnel},
    {"::ffff:0:0:0", 96, kTunnel},
    {"2002::", 16, kTunnel},
    {"2001::", 32, kTunnel},
    {"2001::", 23, kReserved},
    {"2001:db8::", 32, kReserved},
    {"3fff::", 20, kReserved},
    {"100::", 64, kReserved},
    {"5f00::", 16, kReserved},
};

struct ParsedPlace {
  IpBytes network;
  unsigned bits;  // of the 128
  std::string_view kind;
};

std::vector<ParsedPlace> ParsePlaces() {
  std::vector<ParsedPlace> places;
  for (const Place& p : kIpv4Places) places.push_back({*ParseIp(p.network), 96 + p.bits, p.kind});
  for (const Place& p : kIpv6Places) places.push_back({*ParseIp(p.network), p.bits, p.kind});
  return places;
}

IpBytes Mapped(std::uint32_t v4) {
  IpBytes out{};
  out[10] = out[11] = 0xFF;
  for (unsigned i = 0; i < 4; ++i) out[12 + i] = static_cast<unsigned char>(v4 >> (24 - 8 * i));
  return out;
}

// One part of a loose address; nullopt when it is no number.
std::optional<std::uint64_t> ParsePart(std::string_view part) {
  int base = 10;
  if (part.starts_with("0x") || part.starts_with("0X")) {
    base = 16;
    part.remove_prefix(2);
    if (part.empty()) return 0;  // "0x" is zero to several parsers
  } else if (part.size() > 1 && part[0] == '0') {
    base = 8;
  }
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(part.data(), part.data() + part.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != part.data() + part.size()) return std::nullopt;
  return value;
}

bool LooksNumeric(std::string_view part) {
  const bool digits =
      !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
  return digits || part.starts_with("0x") || part.starts_with("0X");
}

}  // namespace

std::optional<IpBytes> ParseIp(std::string_view text) {
  // Zones are not part of an address that can be compared; asio would accept them.
  if (text.find('%') != std::string_view::npos || text.size() > 45) return std::nullopt;
  boost::system::error_code ec;
  const std::string copy(text);
  if (text.find(':') == std::string_view::npos) {
    const auto v4 = ip::make_address_v4(copy, ec);
    if (ec) return std::nullopt;
    return Mapped(v4.to_uint());
  }
  const auto v6 = ip::make_address_v6(copy, ec);
  if (ec) return std::nullopt;
  return v6.to_bytes();
}

std::optional<IpBytes> ParseLooseIpv4(std::string_view host, bool& looks_numeric) {
  std::vector<std::string_view> parts;
  for (std::string_view rest = host;;) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    parts.push_back(rest.substr(0, dot));
    if (dot == rest.size()) break;
    rest.remove_prefix(dot + 1);
  }
  looks_numeric = LooksNumeric(parts.back());
  if (!looks_numeric || parts.size() > 4) return std::nullopt;
  std::uint64_t address = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto value = ParsePart(parts[i]);
    if (!value || parts[i].empty()) return std::nullopt;
    const bool last = i + 1 == parts.size();
    const unsigned bits = last ? static_cast<unsigned>(8 * (5 - parts.size())) : 8;
    if (*value >> bits != 0) return std::nullopt;
    address = address << bits | *value;
  }
  return Mapped(static_cast<std::uint32_t>(address));
}

bool IsMappedIpv4(const IpBytes& address) {
  static constexpr unsigned char kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  return std::memcmp(address.data(), kPrefix, sizeof kPrefix) == 0;
}

std::string FormatIp(const IpBytes& address) {
  if (!IsMappedIpv4(address)) return ip::address_v6(address).to_string();
  return ip::make_address_v4(ip::v4_mapped, ip::address_v6(address)).to_string();
}

std::string_view PlaceOf(const IpBytes& address) {
  static const std::vector<ParsedPlace> places = ParsePlaces();
  for (const ParsedPlace& place : places) {
    if (SamePrefix(address.data(), place.network.data(), place.bits)) return place.kind;
  }
  if (IsMappedIpv4(address)) return {};
  // Of IPv6 only 2000::/3 has been given out; the rest is nobody's, or somebody's secret.
  return address[0] >> 5 == 1 ? std::string_view() : kReserved;
}

bool SamePrefix(const unsigned char* a, const unsigned char* b, unsigned bits) {
  const unsigned bytes = bits / 8;
  if (std::memcmp(a, b, bytes) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0;
}

}  // namespace tributary::http
