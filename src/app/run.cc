#include "app/run.h"

#include "app/serve.h"
#include "cli/command.h"
#include "os/process.h"

namespace tributary::app {

int RunMain(int argc, char** argv) {
  os::IgnoreFatalSignals();
  return cli::RunCommandLine(argc, argv, {.serve = Serve});
}

}  // namespace tributary::app
