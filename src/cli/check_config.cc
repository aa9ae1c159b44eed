// tributary check-config: what `serve` would say to this file in this environment, and no more.
#include <ostream>

#include "cli/config_check.h"
#include "cli/escape.h"
#include "cli/registry.h"

namespace tributary::cli {
namespace {

class CheckConfig final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Positional("FILE", file_, "The configuration.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    auto text = os::ReadFile(context.fs, file_, config::kConfigBytesMax);
    if (!text) return ComplainOfUsage(context, text.error().message());
    config::LoadInput input;
    input.file_name = file_;
    input.text = *std::move(text);
    input.environment = context.environment;
    const auto loaded = LoadAndJudge(std::move(input), &context.fs);
    if (!loaded) {
      for (const auto& problem : loaded.error()) {
        context.err << EscapeLine(problem.ToString()) << '\n';
      }
      return kExitUsage;
    }
    for (const std::string& warning : loaded->warnings) {
      context.err << "warning: " << EscapeLine(warning) << '\n';
    }
    context.out << EscapeLine(file_) << ": fine\n";
    return kExitFine;
  }

  std::string file_;
};

const CommandRegistration kCheckConfig =
    Register<CheckConfig>("check-config", "Says what is wrong with a configuration file.");

}  // namespace
}  // namespace tributary::cli
