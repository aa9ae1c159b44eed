#include "sim/sim_random.h"

#include <algorithm>
#include <cstring>

namespace tributary::sim {

std::uint64_t SimRandom::Draw() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

std::uint64_t SimRandom::Below(std::uint64_t end) {
  return end == 0 ? 0 : Draw() % end;
}

void SimRandom::Fill(std::span<unsigned char> out) {
  while (!out.empty()) {
    const std::uint64_t word = Draw();
    const std::size_t piece = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, piece);
    out = out.subspan(piece);
  }
}

}  // namespace tributary::sim
