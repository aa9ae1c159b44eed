// Chance from a seed: the same seed, the same run. One thread.
#pragma once

#include "os/random.h"

namespace tributary::sim {

class SimRandom final : public os::Random {
 public:
  explicit SimRandom(std::uint64_t seed) : state_(seed) {}
  void Fill(std::span<unsigned char> out) override;

  std::uint64_t Draw();                    // splitmix64
  std::uint64_t Below(std::uint64_t end);  // uniform in [0, end)
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + Below(high - low + 1);
  }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace tributary::sim
