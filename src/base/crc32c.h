// CRC-32C (Castagnoli, RFC 3720 B.4), with the SSE4.2 instruction. Chainable:
// Crc32c(b, Crc32c(a)) == Crc32c(a followed by b). Check value: "123456789" -> 0xE3069283.
#pragma once

#include <cstdint>
#include <string_view>

namespace tributary {
// Two names, so that a size can never be taken for the checksum to go on from.
std::uint32_t Crc32cOfRange(const void* data, std::size_t size, std::uint32_t crc = 0);
inline std::uint32_t Crc32c(std::string_view bytes, std::uint32_t crc = 0) {
  return Crc32cOfRange(bytes.data(), bytes.size(), crc);
}
}  // namespace tributary
