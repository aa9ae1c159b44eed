// Chance. Real randomness is the kernel's (getrandom); tests pass a seeded one.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace tributary::os {

class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<unsigned char> out) = 0;
  std::uint64_t Next();
  // Uniform in [0, 1).
  double NextUnit();
  // A version 4 UUID (RFC 4122), lower case with dashes, 36 characters.
  std::string Uuid();
};

// The kernel's generator behind a per-thread buffer. Thread-safe, lives for ever.
Random& SystemRandom();

}  // namespace tributary::os
