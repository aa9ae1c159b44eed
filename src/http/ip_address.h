// Addresses as 16 bytes (IPv4 as mapped IPv6), in any notation a URL may hide one in, and what kind
// of place each belongs to. Pure; the egress guard decides what to do about it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace tributary::http {

using IpBytes = std::array<unsigned char, 16>;

// The usual written form: dotted quad or RFC 4291, no zone.
std::optional<IpBytes> ParseIp(std::string_view text);

// What resolvers take for an IPv4 address (inet_aton): one to four parts, each decimal, octal
// (leading 0) or hexadecimal (0x); the last fills the bytes that are left. `looks_numeric` is true
// also for what is no address but would be tried as one ("256.1.1.1", "1.2.3.4.5").
std::optional<IpBytes> ParseLooseIpv4(std::string_view host, bool& looks_numeric);

bool IsMappedIpv4(const IpBytes& address);
std::string FormatIp(const IpBytes& address);

// "a loopback address", "a private address", … or empty for one that is reachable from anywhere.
std::string_view PlaceOf(const IpBytes& address);

// The first `bits` bits are the same.
bool SamePrefix(const unsigned char* a, const unsigned char* b, unsigned bits);

}  // namespace tributary::http
