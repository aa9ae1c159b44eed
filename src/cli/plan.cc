// tributary plan: what a configuration file would change on a running server.
#include <nlohmann/json.hpp>

#include "cli/api_command.h"
#include "cli/input.h"
#include "cli/plan_text.h"
#include "config/loader.h"

namespace tributary::cli {
namespace {

class Plan final : public ApiCommand {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    a.Option("--config", file_, "FILE",
             "The file to compare; - reads standard input. Without one, the server's own.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  // 0: nothing would change; 1: no answer, or the file is wrong; 2: something would change. A
  // script that applies what has changes must not take a wrong file for one.
  static constexpr int kExitChanges = 2;

  int Run(Context& context) {
    std::string body;
    if (file_) {
      auto text = ReadWhole(context, *file_, config::kConfigBytesMax);
      if (!text) return ComplainOfUsage(context, text.error().message());
      body = nlohmann::json({{"file", *file_}, {"text", *std::move(text)}})
                 .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
    const auto api = context.connect(options_.Target(context.environment));
    if (!api) return ComplainOfUsage(context, api.error().message());
    const auto answer =
        (*api)->Call({.method = "POST", .path = "/api/v1/plan", .body = std::move(body)});
    if (!answer) return Complain(context, answer.error().message());
    if (answer->status != 200) {
      ComplainOfConfig(context, *answer);
      return kExitFailed;
    }
    context.out << (options_.json ? Pretty(answer->body) : PlanText(answer->body));
    return PlanHasChanges(answer->body) ? kExitChanges : kExitFine;
  }

  std::optional<std::string> file_;
};

const CommandRegistration kPlan =
    Register<Plan>("plan", "Shows what a configuration file would change on a server.");

}  // namespace
}  // namespace tributary::cli
