// The process that runs programs, for tests of route/ alone; the product's own is a subcommand.
// jq_child_for_tests [NANOSECONDS of one run]
#include <cstdlib>

#include "route/jq_child.h"

int main(int argc, char** argv) {
  tributary::route::JqChildLimits limits;
  if (argc > 1) limits.time_ns = std::atoll(argv[1]);
  return tributary::route::RunJqChild(limits);
}
