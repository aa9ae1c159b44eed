// tributary serve: loads the configuration, builds the program, runs it until it is told to stop.
#pragma once

#include "cli/command.h"

namespace tributary::app {

// 0 after an orderly end, 1 when it could not start or the log failed, 2 for a wrong configuration.
int Serve(const cli::ServeOptions& options);

}  // namespace tributary::app
