// The door of the command line: picks a subcommand, runs it, and answers with the exit code.
//
//   0  fine
//   1  found something wrong (`verify`), or could not do what was asked
//   2  the command line or the configuration is wrong; nothing was done
//
// What a command is asked for goes to standard output, everything else to standard error.
//
// Threads: RunCommandLine belongs to the main thread and starts none. Called before the program
// starts any: it reads the environment. Throws nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tributary::cli {

inline constexpr int kExitFine = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// "0.1.0", as CMake knows it.
std::string_view Version();

// `tributary serve`, as given: what was not given is left to file, environment and defaults.
struct ServeOptions {
  std::optional<std::string> config_file;
  std::optional<std::string> data_dir;  // `data_dir` of the configuration
  std::optional<std::string> listen;    // `listen` of the configuration
};

// What stands to the left of cli/ and is called from here.
struct Hooks {
  int (*serve)(const ServeOptions& options) = nullptr;  // answers with an exit code
};

int RunCommandLine(int argc, char** argv, const Hooks& hooks);

}  // namespace tributary::cli
