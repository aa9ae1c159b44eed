#pragma once

// A small fast generator (xoshiro256**, Blackman and Vigna, public domain) and the UUIDs made of
// it. Not for secrets. Seeded, so that a run's events can be made again. Thread: one.

#include <bit>
#include <cstdint>
#include <string>

namespace tributary::bench {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = SplitMix(seed);
  }

  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // 0 to bound - 1; the bias of the remainder does not matter to a load generator.
  uint64_t Below(uint64_t bound) { return Next() % bound; }

 private:
  static uint64_t SplitMix(uint64_t& seed) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  uint64_t state_[4] = {};
};

constexpr size_t kUuidBytes = 36;

// Writes a version 4 UUID of the 128 bits given to out[0, kUuidBytes).
inline void WriteUuid(uint64_t high, uint64_t low, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  high = (high & ~uint64_t{0xf000}) | 0x4000;
  low = (low >> 2) | (uint64_t{1} << 63);
  for (unsigned digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) *out++ = '-';
    const uint64_t half = digit < 16 ? high : low;
    *out++ = kHex[(half >> (60 - 4 * (digit % 16))) & 15];
  }
}

inline std::string MakeUuid(Random& random) {
  std::string text(kUuidBytes, '\0');
  const uint64_t high = random.Next();
  WriteUuid(high, random.Next(), text.data());
  return text;
}

}  // namespace tributary::bench
