// ThreadSanitizer hands a signal to its handler when the program next calls something that it
// watches. A program that computes without end calls nothing, so what ends it by a signal cannot be
// tested there.
#pragma once

namespace tributary::test {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kLateSignals = true;
#else
inline constexpr bool kLateSignals = false;
#endif

}  // namespace tributary::test

#define NEEDS_SIGNALS_AT_ONCE()        \
  if (::tributary::test::kLateSignals) \
  GTEST_SKIP() << "ThreadSanitizer holds signals back from a program that calls nothing"
