// CHECK(condition): for what cannot happen unless we have a bug. It stays on in release, prints the
// expression and place, and stops the process: a crash is recovered from the log, a wrong byte is
// not. CHECK_OP prints both values.
#pragma once

#include <string>

namespace tributary {
[[noreturn]] void CheckFailed(const char* expression, const char* file, int line,
                              const std::string& detail = {});
}  // namespace tributary

#define CHECK(condition)                  \
  (static_cast<bool>(condition) ? (void)0 \
                                : ::tributary::CheckFailed(#condition, __FILE__, __LINE__))
#define CHECK_OP(a, op, b)                                                    \
  ((a)op(b) ? (void)0                                                         \
            : ::tributary::CheckFailed(#a " " #op " " #b, __FILE__, __LINE__, \
                                       std::to_string(a) + " against " + std::to_string(b)))
