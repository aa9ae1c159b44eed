// tributary config-reference: every option, as this very program knows it.
#include "config/reference.h"

#include <ostream>

#include "cli/registry.h"

namespace tributary::cli {
namespace {

class ConfigReference final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Flag("--yaml", yaml_, "A commented configuration file at its defaults instead of the page.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) const {
    context.out << (yaml_ ? config::DefaultYaml() : config::ConfigurationPage());
    return kExitFine;
  }

  bool yaml_ = false;
};

const CommandRegistration kConfigReference = Register<ConfigReference>(
    "config-reference", "Prints the reference of all options, as Markdown or as a file.");

}  // namespace
}  // namespace tributary::cli
