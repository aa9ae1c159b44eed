// tributary completion: a script that makes a shell complete this program's commands.
#include <ostream>

#include "cli/completion_script.h"
#include "cli/registry.h"

namespace tributary::cli {
namespace {

class Completion final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Positional("SHELL", shell_, "bash, zsh or fish.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    const auto script = CompletionScript(shell_, WholeCommandTree());
    if (!script) {
      return ComplainOfUsage(context, "'" + shell_ + "' is none of bash, zsh and fish");
    }
    context.out << *script;
    return kExitFine;
  }

  std::string shell_;
};

const CommandRegistration kCompletion =
    Register<Completion>("completion", "Prints a completion script for bash, zsh or fish.");

}  // namespace
}  // namespace tributary::cli
