#include "app/serve.h"

#include <cstdio>

#include "app/program.h"
#include "app/translate.h"
#include "base/logging.h"
#include "cli/config_check.h"
#include "config/loader.h"
#include "os/process.h"

namespace tributary::app {
namespace {

void Complain(const std::string& line) {
  std::fprintf(stderr, "tributary: %s\n", line.c_str());
}

config::Environment EnvironmentOf() {
  config::Environment environment;
  for (auto& [name, value] : os::EnvironmentWithPrefix("")) environment.emplace(name, value);
  return environment;
}

Result<config::LoadInput> InputOf(const cli::ServeOptions& options) {
  config::LoadInput input;
  input.environment = EnvironmentOf();
  if (options.config_file) {
    input.file_name = *options.config_file;
    TRY_ASSIGN(const auto file, os::PosixFileSystem().Open(input.file_name, os::OpenMode::kRead));
    TRY_ASSIGN(input.text, os::ReadFile(*file, input.file_name, config::kConfigBytesMax));
    input.read_once = !file->CanSeek();
  }
  if (options.data_dir) input.overrides["data_dir"] = *options.data_dir;
  if (options.listen) input.overrides["listen"] = *options.listen;
  return input;
}

// What is wrong with one of the file's options has a line there; all else has none.
std::string WhyNotBuilt(const Error& error, const config::PlaceProblem& place) {
  const config::Problem problem = place(error);
  return problem.line > 0 ? problem.ToString() : error.message();
}

int RunProgram(config::Settings settings, config::LoadInput input, config::PlaceProblem place) {
  const std::string data_dir = settings.data_dir;
  const std::string sync(SyncModeName(settings.sync));
  auto program = Program::Build(std::move(settings), std::move(input));
  if (!program) {
    Complain(WhyNotBuilt(program.error(), place));
    return cli::kExitFailed;
  }
  place = nullptr;
  LogInfo("starting", {{"version", cli::Version()}, {"data_dir", data_dir}, {"sync", sync}});
  // Before anybody is told that it listens: until it is watched, a signal ends the process at once.
  // Runs until SIGTERM or SIGINT; a second one is final. SIGHUP reads the configuration file again.
  os::AsioLoop loop;
  const os::SignalWatch watch(
      loop, [&loop] { loop.Stop(); }, [&program] { (*program)->Reload(); });
  (*program)->Start();
  if (const std::string admin = (*program)->admin_address(); !admin.empty()) {
    LogInfo("admin_listening", {{"address", admin}});
  }
  std::fprintf(stderr, "listening on %s\n", (*program)->address().c_str());
  loop.Run();
  LogInfo("stopping");
  (*program)->Stop();
  LogInfo("stopped");
  return cli::kExitFine;
}

}  // namespace

int Serve(const cli::ServeOptions& options) {
  os::RaiseDescriptorLimit();
  os::LimitHeaps();
  auto input = InputOf(options);
  if (!input) {
    Complain(input.error().message());
    return cli::kExitUsage;
  }
  input->check_settings = [](const config::Settings& settings) {
    return cli::SettingsErrors(settings, &os::PosixFileSystem());
  };
  auto loaded = config::Load(*input);
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) Complain(problem.ToString());
    return cli::kExitUsage;
  }
  SetLogging(loaded->settings.logging.level, loaded->settings.logging.format);
  for (const std::string& warning : loaded->warnings) Complain(warning);
  return RunProgram(std::move(loaded->settings), *std::move(input), std::move(loaded->place));
}

}  // namespace tributary::app
