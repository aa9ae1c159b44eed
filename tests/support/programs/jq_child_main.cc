// The process that runs programs, for tests of route/ alone; the product's own is a subcommand.
// jq_child_for_tests [NANOSECONDS of one run]
#include <cstdlib>

#include "route/jq_child.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// A sanitized process maps terabytes, so it goes without LimitOwnProcess's limit of memory. Its
// allocator refuses instead what no single allocation may ask for, and jq meets the same null.
constexpr const char* kAllocator = "allocator_may_return_null=1:max_allocation_size_mb=256";
extern "C" const char* __asan_default_options() {  // the names are the sanitizers'
  return kAllocator;
}
extern "C" const char* __tsan_default_options() {
  return kAllocator;
}
#endif

int main(int argc, char** argv) {
  tributary::route::JqChildLimits limits;
  if (argc > 1) limits.time_ns = std::atoll(argv[1]);
  return tributary::route::RunJqChild(limits);
}
