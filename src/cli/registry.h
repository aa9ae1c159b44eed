// One more subcommand is one more file in cli/: a class and its registration.
//
//   class Verify final : public Command {
//    public:
//     void Describe(Arguments& a) override {
//       a.Positional("DIR", dir_, "The data directory.");
//       a.OnRun([this](Context& context) { return Run(context); });
//     }
//    …
//   };
//   const CommandRegistration kVerify = Register<Verify>("verify", "Reads everything …");
//
// The world comes in by the context, so that a test runs a whole command line on its own.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/api.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "config/loader.h"
#include "os/fs.h"

namespace tributary::cli {

struct Context {
  std::ostream& out;
  std::ostream& err;
  std::istream& in;
  os::FileSystem& fs;
  config::Environment environment;  // all of it
  bool err_is_terminal = false;
  Hooks hooks;
  Connect connect;
  std::string executable = "/proc/self/exe";  // of ours, to be started once more for programs
};

class Command {
 public:
  virtual ~Command() = default;
  virtual void Describe(Arguments& arguments) = 0;
};

struct CommandRegistration {
  using Make = std::unique_ptr<Command> (*)();
  CommandRegistration(std::string_view command_name, std::string_view command_summary,
                      Make make_command);
  std::string_view name;
  std::string_view summary;
  Make make;
};
// By name.
std::vector<const CommandRegistration*> RegisteredCommands();

template <class C>
CommandRegistration Register(std::string_view name, std::string_view summary) {
  return {name, summary, []() -> std::unique_ptr<Command> { return std::make_unique<C>(); }};
}

// Parses and runs; `arguments` without the program's name.
int RunArguments(std::vector<std::string> arguments, Context& context);

// "tributary: MESSAGE" on standard error; answers kExitFailed.
int Complain(Context& context, std::string_view message);
// The same for what is wrong with the command line; answers kExitUsage.
int ComplainOfUsage(Context& context, std::string_view message);
// An error that says that the command line is wrong, for what returns Result.
std::unexpected<Error> WrongUsage(std::string message);
// One of the two, as the error says.
int ComplainOfError(Context& context, const Error& error);

}  // namespace tributary::cli
