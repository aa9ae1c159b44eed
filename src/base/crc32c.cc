#include "base/crc32c.h"

#include <nmmintrin.h>

#include <array>

#include "base/bytes.h"

namespace tributary {
namespace {

// The instruction takes three cycles and can begin every cycle, so three streams run side by side
// over neighbouring blocks of this size; their states are joined by moving one past the zeros of
// the next, which is linear and comes from tables.
constexpr std::size_t kBlock = 128;

constexpr std::uint32_t PastZeroBlock(std::uint32_t state) {
  constexpr std::uint32_t kReversedPolynomial = 0x82F63B78;
  for (std::size_t bit = 0; bit < 8 * kBlock; ++bit) {
    state = (state >> 1) ^ ((state & 1) != 0 ? kReversedPolynomial : 0);
  }
  return state;
}

using ShiftTables = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr ShiftTables MakeShiftTables() {
  ShiftTables tables = {};
  for (std::size_t byte = 0; byte < 4; ++byte) {
    for (std::size_t bit = 0; bit < 8; ++bit) {
      const std::uint32_t shifted = PastZeroBlock(std::uint32_t{1} << (8 * byte + bit));
      for (std::size_t value = 0; value < 256; ++value) {
        if ((value >> bit & 1) != 0) tables[byte][value] ^= shifted;
      }
    }
  }
  return tables;
}

constexpr ShiftTables kShift = MakeShiftTables();

std::uint64_t Shifted(std::uint64_t state) {
  return kShift[0][state & 255] ^ kShift[1][state >> 8 & 255] ^ kShift[2][state >> 16 & 255] ^
         kShift[3][state >> 24 & 255];
}

std::uint64_t ThreeBlocks(const unsigned char* p, std::uint64_t first) {
  std::uint64_t second = 0, third = 0;
  for (std::size_t i = 0; i < kBlock; i += 8) {
    first = _mm_crc32_u64(first, LoadLe<std::uint64_t>(p + i));
    second = _mm_crc32_u64(second, LoadLe<std::uint64_t>(p + kBlock + i));
    third = _mm_crc32_u64(third, LoadLe<std::uint64_t>(p + 2 * kBlock + i));
  }
  return Shifted(Shifted(first) ^ second) ^ third;
}

}  // namespace

std::uint32_t Crc32cOfRange(const void* data, std::size_t size, std::uint32_t crc) {
  const auto* p = static_cast<const unsigned char*>(data);
  std::uint64_t state = static_cast<std::uint32_t>(~crc);
  for (; size >= 3 * kBlock; size -= 3 * kBlock, p += 3 * kBlock) state = ThreeBlocks(p, state);
  for (; size >= 8; size -= 8, p += 8) state = _mm_crc32_u64(state, LoadLe<std::uint64_t>(p));
  auto narrow = static_cast<std::uint32_t>(state);
  for (; size > 0; --size, ++p) narrow = _mm_crc32_u8(narrow, *p);
  return ~narrow;
}

}  // namespace tributary
