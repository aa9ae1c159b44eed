// tributary reload: a running server reads its configuration file again.
#include <nlohmann/json.hpp>

#include "cli/api_command.h"
#include "cli/plan_text.h"

namespace tributary::cli {
namespace {

class Reload final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    const auto api = context.connect(options_.Target(context.environment));
    if (!api) return ComplainOfUsage(context, api.error().message());
    const auto answer = (*api)->Call({.method = "POST", .path = "/api/v1/reload"});
    if (!answer) return Complain(context, answer.error().message());
    if (answer->status != 200) return ComplainOfConfig(context, *answer);
    if (options_.json) {
      context.out << Pretty(answer->body);
    } else {
      context.out << ReloadText(answer->body);
    }
    return kExitFine;
  }
};

const CommandRegistration kReload =
    Register<Reload>("reload", "Makes a server read its configuration file again.");

}  // namespace
}  // namespace tributary::cli
