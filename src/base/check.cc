#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tributary {

void CheckFailed(const char* expression, const char* file, int line, const std::string& detail) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d %s\n", expression, file, line, detail.c_str());
  std::abort();
}

}  // namespace tributary
