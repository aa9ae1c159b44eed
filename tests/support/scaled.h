// How long the long tests are: whole in ordinary builds, a fraction under sanitizers, which make
// everything ten times dearer and look for another kind of mistake.
#pragma once

#include <cstdint>

namespace tributary::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// A number of seeds, events, operations.
constexpr std::uint64_t Scaled(std::uint64_t count) {
  return kSanitized ? count / 20 : count;
}
// A step through a range of cases; still co-prime to powers of two.
constexpr std::uint64_t Stride(std::uint64_t step) {
  return kSanitized ? step * 37 : step;
}

}  // namespace tributary::test
