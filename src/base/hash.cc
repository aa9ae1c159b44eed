#include "base/hash.h"

#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/bytes.h"

namespace tributary {

std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 HashOf128(std::string_view bytes) {
  const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
  return {.high = h.high64, .low = h.low64};
}

std::string Hash128::ToHex() const {
  std::string bytes;
  AppendBe64(bytes, high);
  AppendBe64(bytes, low);
  return tributary::ToHex(std::string_view(bytes));
}

}  // namespace tributary
