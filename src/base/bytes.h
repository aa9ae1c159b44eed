// Little-endian integers in byte buffers, and hex. All formats on disk are little-endian.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace tributary {

static_assert(std::endian::native == std::endian::little, "the formats are written natively");

template <class T>
inline T LoadLe(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
inline void StoreLe(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <class T>
inline void AppendLe(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
// Big-endian, for keys whose byte order must be the numeric order.
inline void AppendBe64(std::string& out, std::uint64_t value) {
  const std::uint64_t be = __builtin_bswap64(value);
  out.append(reinterpret_cast<const char*>(&be), sizeof be);
}
inline std::uint64_t LoadBe64(const void* from) {
  return __builtin_bswap64(LoadLe<std::uint64_t>(from));
}

inline constexpr std::uint64_t AlignUp(std::uint64_t n, std::uint64_t alignment) {
  return (n + alignment - 1) / alignment * alignment;
}

std::string ToHex(std::span<const unsigned char> bytes);
std::string ToHex(std::string_view bytes);

}  // namespace tributary
