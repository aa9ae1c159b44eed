// XXH3 (xxHash 0.8), 64 and 128 bit. Hash64 decides slots and is part of the formats on disk;
// it is not keyed, so tables that hostile clients can fill use Hash64 with a per-process seed.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace tributary {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
  // 32 lower-case hex digits, high half first.
  std::string ToHex() const;
};

std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed = 0);
Hash128 HashOf128(std::string_view bytes);

inline constexpr unsigned kSlots = 256;
// The slot of a record key (DESIGN.md, "Record"): hash64(key) % 256.
inline std::uint8_t SlotOf(std::string_view key) {
  return static_cast<std::uint8_t>(Hash64(key) % kSlots);
}

}  // namespace tributary
