#include "base/crc32c.h"

#include <nmmintrin.h>

#include "base/bytes.h"

namespace tributary {

std::uint32_t Crc32cOfRange(const void* data, std::size_t size, std::uint32_t crc) {
  const auto* p = static_cast<const unsigned char*>(data);
  std::uint64_t state = ~crc;
  for (; size >= 8; size -= 8, p += 8) state = _mm_crc32_u64(state, LoadLe<std::uint64_t>(p));
  auto narrow = static_cast<std::uint32_t>(state);
  for (; size > 0; --size, ++p) narrow = _mm_crc32_u8(narrow, *p);
  return ~narrow;
}

}  // namespace tributary
