#include "app/run.h"

#include "app/serve.h"
#include "cli/command.h"
#include "destinations/jq_programs.h"
#include "os/process.h"

namespace tributary::app {

int RunMain(int argc, char** argv) {
  if (const auto code = destinations::RunAsJqProcess(argc, argv)) return *code;
  os::IgnoreFatalSignals();
  return cli::RunCommandLine(argc, argv, {.serve = Serve});
}

}  // namespace tributary::app
