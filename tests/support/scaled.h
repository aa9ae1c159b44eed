// How long the long tests are: whole in ordinary builds, a fraction under sanitizers, which make
// everything ten times dearer and look for another kind of mistake.
#pragma once

#include <cstdint>
#include <cstdlib>

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
// A number of seeds of a simulation; TRIBUTARY_SIM_SEEDS=N multiplies every such number by N, for
// runs that have a night.
inline std::uint64_t Seeds(std::uint64_t count) {
  const char* const times = std::getenv("TRIBUTARY_SIM_SEEDS");
  const std::uint64_t factor = times == nullptr ? 1 : std::strtoull(times, nullptr, 10);
  return Scaled(count) * (factor == 0 ? 1 : factor);
}
// A step through a range of cases; still co-prime to powers of two.
constexpr std::uint64_t Stride(std::uint64_t step) {
  return kSanitized ? step * 37 : step;
}

}  // namespace tributary::test
