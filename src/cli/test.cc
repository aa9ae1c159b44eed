// tributary test: unit tests of filters, patterns and mappings; no server, nothing is sent.
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/escape.h"
#include "cli/filter_tests.h"
#include "cli/registry.h"
#include "config/yaml_options.h"
#include "destinations/jq_programs.h"
#include "destinations/route_matcher.h"
#include "os/random.h"

namespace tributary::cli {
namespace {

using nlohmann::json;

int ComplainOfAll(Context& context, const config::Problems& problems) {
  for (const config::Problem& problem : problems) {
    context.err << EscapeLine(problem.ToString()) << '\n';
  }
  return kExitUsage;
}

class Test final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Positional("FILE", file_, "The tests, in YAML.");
    a.Flag("--json", json_, "Answers with JSON.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    auto text = os::ReadFile(context.fs, file_, config::kConfigBytesMax);
    if (!text) return ComplainOfUsage(context, text.error().message());
    FilterTestFile file;
    const auto read =
        config::ReadYaml(file_, *text, config::OptionList<FilterTestFile>::Specs(), nullptr, &file);
    if (!read) return ComplainOfAll(context, read.error());
    if (!file.config.empty()) {
      if (const int code = LoadDestinations(context, file.config); code != kExitFine) return code;
    }
    if (file.cases.empty()) {
      return ComplainOfAll(context,
                           {(*read)({ErrorCode::kInvalid, "cases", "there are no cases"})});
    }
    return RunCases(context, file, *read);
  }

  std::string BesideFile(const std::string& name) const {
    if (name.starts_with('/')) return name;
    return file_.substr(0, file_.rfind('/') + 1) + name;
  }

  int LoadDestinations(Context& context, const std::string& name) {
    const std::string path = BesideFile(name);
    auto text = os::ReadFile(context.fs, path, config::kConfigBytesMax);
    if (!text) return ComplainOfUsage(context, text.error().message());
    config::LoadInput input;
    input.file_name = path;
    input.text = *std::move(text);
    input.environment = context.environment;
    const auto loaded = config::Load(input);
    if (!loaded) return ComplainOfAll(context, loaded.error());
    for (const config::JsonText& destination : loaded->settings.destinations) {
      const json object = json::parse(destination.text, nullptr, false);
      if (object.contains("name") && object["name"].is_string()) {
        declared_[object["name"]] = destination.text;
      }
    }
    return kExitFine;
  }

  int RunCases(Context& context, const FilterTestFile& file, const config::PlaceProblem& place) {
    const auto programs =
        destinations::ProgramsWithoutThreads(context.executable, os::SystemClock());
    // Every source that somebody names is there.
    const auto find_source = [this](std::string_view name) -> std::optional<log::SourceId> {
      return sources_.try_emplace(std::string(name), sources_.size() + 1).first->second;
    };
    const auto matchers = destinations::MakeRouteMatchers(find_source, programs.get());
    const FilterTestWorld world{
        .declared = [this](std::string_view name) -> std::optional<std::string> {
          const auto found = declared_.find(name);
          if (found == declared_.end()) return std::nullopt;
          return found->second;
        },
        .matchers = matchers.get(),
        .programs = programs.get(),
        .ask = [&](const auto& program, const std::string& event,
                   auto done) { done(programs->RunNow(*program, event)); },
        .find_source = find_source,
        .random = &os::SystemRandom()};
    std::vector<FilterTestVerdict> verdicts;
    verdicts.reserve(file.cases.size());
    config::Problems problems;
    for (std::size_t i = 0; i < file.cases.size(); ++i) {
      auto verdict = RunFilterTest(file.cases[i], world);
      if (verdict) {
        verdicts.push_back(*std::move(verdict));
      } else {
        problems.push_back(place(OfCase(i, file.cases[i].name, verdict.error())));
      }
    }
    if (!problems.empty()) return ComplainOfAll(context, problems);
    return Report(context, verdicts);
  }

  static Error OfCase(std::size_t number, const std::string& name, const Error& e) {
    return {e.code(), "cases[" + std::to_string(number) + "]." + e.field(),
            "case \"" + name + "\": " + e.message()};
  }

  int Report(Context& context, const std::vector<FilterTestVerdict>& verdicts) const {
    const auto passed =
        static_cast<std::size_t>(std::ranges::count_if(verdicts, &FilterTestVerdict::passed));
    const std::size_t failed = verdicts.size() - passed;
    if (json_) {
      json cases = json::array();
      for (const FilterTestVerdict& verdict : verdicts) {
        cases.push_back({{"name", verdict.name},
                         {"passed", verdict.passed()},
                         {"problems", verdict.problems},
                         {"got", verdict.got.empty() ? json(nullptr) : json::parse(verdict.got)}});
      }
      context.out << json{{"passed", passed}, {"failed", failed}, {"cases", cases}}.dump() << '\n';
    } else {
      for (const FilterTestVerdict& verdict : verdicts) Print(context, verdict);
      context.out << passed << " passed, " << failed << " failed\n";
    }
    return failed == 0 ? kExitFine : kExitFailed;
  }

  static void Print(Context& context, const FilterTestVerdict& verdict) {
    context.out << (verdict.passed() ? "ok    " : "FAIL  ") << EscapeLine(verdict.name) << '\n';
    for (const std::string& problem : verdict.problems) {
      std::size_t at = 0;
      while (at <= problem.size()) {
        const std::size_t end = std::min(problem.find('\n', at), problem.size());
        context.out << "      " << EscapeLine(problem.substr(at, end - at)) << '\n';
        at = end + 1;
      }
    }
  }

  std::string file_;
  bool json_ = false;
  std::map<std::string, std::string, std::less<>> declared_;
  std::map<std::string, log::SourceId, std::less<>> sources_;
};

const CommandRegistration kTest =
    Register<Test>("test", "Runs unit tests of filters, patterns and mappings.");

}  // namespace
}  // namespace tributary::cli
