// The process that runs jq programs: reads questions from its standard input, answers on its
// standard output, until its input ends. `tributary run-programs` is this; nobody types it.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace tributary::route {

struct JqChildLimits {
  MonoNanos time_ns = 100 * kNanosPerMilli;      // of processor time, of one run
  std::size_t memory_bytes = 256 * 1024 * 1024;  // of the process
};

// The process's exit code.
int RunJqChild(const JqChildLimits& limits);

}  // namespace tributary::route
