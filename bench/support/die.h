#pragma once

// The one way a bench program fails: a sentence on standard error and exit status 1. A benchmark
// that went on after an error would print a figure that means nothing. Thread: any.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace tributary::bench {

[[noreturn]] inline void Die(const std::string& sentence) {
  std::fprintf(stderr, "error: %s\n", sentence.c_str());
  std::exit(1);
}

// As Die, with what errno says.
[[noreturn]] inline void DieErrno(const std::string& what) {
  Die(what + ": " + std::strerror(errno));
}

}  // namespace tributary::bench
