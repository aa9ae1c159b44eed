// tributary check-config: what `serve` would say to this file in this environment, and no more.
#include <ostream>

#include "cli/escape.h"
#include "cli/registry.h"
#include "deliver/spec.h"
#include "destinations/route_matcher.h"
#include "http/egress_guard.h"

namespace tributary::cli {
namespace {

using config::Loaded;
using config::LoadInput;
using config::Problems;

// Judges destinations as the server will: their types' options, their rules, their addresses.
std::expected<Loaded, Problems> LoadWithDestinations(LoadInput input, const Loaded& without,
                                                     const http::EgressGuard& guard) {
  const auto find_source = [&without](std::string_view name) -> std::optional<log::SourceId> {
    const auto& sources = without.settings.sources;
    const auto found = std::ranges::find(sources, name, &config::SourceSettings::name);
    if (found == sources.end()) return std::nullopt;
    return static_cast<log::SourceId>(found - sources.begin() + 1);
  };
  const auto matchers = destinations::MakeRouteMatchers(find_source);
  const deliver::SpecReader reader(*matchers, {.egress = &guard});
  input.check_destination = [&reader](const std::string& json) -> Status {
    TRY(reader.Create(json));
    return {};
  };
  return config::Load(input);
}

// The egress rules of the file decide about its destinations, so it is read twice.
std::expected<Loaded, Problems> Check(const LoadInput& input) {
  auto loaded = config::Load(input);
  if (!loaded || loaded->settings.destinations.empty()) return loaded;
  const config::EgressSettings& egress = loaded->settings.egress;
  const auto guard =
      http::EgressGuard::Make({.allow = egress.allow, .https_only = egress.https_only});
  if (!guard) {
    const std::string message = "egress: " + guard.error().message();
    return std::unexpected(Problems{{input.file_name, 0, 0, "egress", message}});
  }
  return LoadWithDestinations(input, *loaded, *guard);
}

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
    const auto loaded = Check({.file_name = file_,
                               .text = *std::move(text),
                               .environment = context.environment,
                               .overrides = {},
                               .check_destination = nullptr});
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
