#include "cli/config_check.h"

#include <map>
#include <nlohmann/json.hpp>

#include "destinations/jq_programs.h"
#include "destinations/route_matcher.h"

namespace tributary::cli {
namespace {

using config::Loaded;
using config::LoadInput;
using config::Problems;

class Judge final : public SpecJudge {
 public:
  Judge(const config::Settings& settings, KnownSource known_source, http::EgressGuard guard)
      : sources_(PlacesOf(settings.sources)),
        known_source_(std::move(known_source)),
        guard_(std::move(guard)),
        matchers_(destinations::MakeRouteMatchers(
            [this](std::string_view name) { return FindSource(name); }, programs_.get())),
        reader_(*matchers_, {.egress = &guard_}, programs_.get()),
        shown_by_(*matchers_, {.egress = nullptr}, programs_.get()) {}

  Status Check(const std::string& json_text) const override {
    TRY(reader_.Create(json_text));
    return {};
  }
  Result<std::string> Normal(const std::string& json_text, bool redact) const override {
    TRY_ASSIGN(const deliver::Spec spec, shown_by_.Create(json_text));
    return shown_by_.Write(spec, redact).dump();
  }

 private:
  using Places = std::map<std::string, log::SourceId, std::less<>>;  // by name

  // Any numbers will do: nothing is delivered by these rules.
  static Places PlacesOf(const std::vector<config::SourceSettings>& sources) {
    Places places;
    for (const config::SourceSettings& source : sources) {
      places.emplace(source.name, static_cast<log::SourceId>(places.size() + 1));
    }
    return places;
  }
  std::optional<log::SourceId> FindSource(std::string_view name) const {
    if (const auto found = sources_.find(name); found != sources_.end()) return found->second;
    if (!known_source_ || !known_source_(name)) return std::nullopt;
    return static_cast<log::SourceId>(sources_.size() + 1);
  }

  const Places sources_;
  const KnownSource known_source_;
  const http::EgressGuard guard_;
  // Filters and mappings are compiled by them, in a process that is there only meanwhile.
  const std::unique_ptr<destinations::JqPrograms> programs_ =
      destinations::ProgramsWithoutThreads(destinations::kThisExecutable, os::SystemClock());
  const std::unique_ptr<deliver::MatcherFactory> matchers_;
  const deliver::SpecReader reader_;
  const deliver::SpecReader shown_by_;  // without egress rules: what is shown was judged before
};

}  // namespace

Result<std::unique_ptr<SpecJudge>> SpecJudge::Make(const config::Settings& settings,
                                                   KnownSource known_source) {
  TRY_ASSIGN(http::EgressGuard guard,
             http::EgressGuard::Make(
                 {.allow = settings.egress.allow, .https_only = settings.egress.https_only}));
  return std::make_unique<Judge>(settings, std::move(known_source), std::move(guard));
}

// The egress rules and sources of the file decide about its destinations, so it is read twice.
std::expected<Loaded, Problems> LoadAndJudge(const LoadInput& input,
                                             const SpecJudge::KnownSource& known_source) {
  auto loaded = config::Load(input);
  if (!loaded) return loaded;
  const auto judge = SpecJudge::Make(loaded->settings, known_source);
  if (!judge) {
    const std::string message = "egress: " + judge.error().message();
    return std::unexpected(Problems{{input.file_name, 0, 0, "egress", message}});
  }
  if (loaded->settings.destinations.empty()) return loaded;
  LoadInput with = input;
  with.check_destination = [&judge](const std::string& json_text) {
    return (*judge)->Check(json_text);
  };
  return config::Load(with);
}

}  // namespace tributary::cli
