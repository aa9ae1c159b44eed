#include "cli/config_check.h"

#include <map>
#include <nlohmann/json.hpp>

#include "destinations/jq_programs.h"
#include "destinations/route_matcher.h"
#include "http/tls_identity.h"

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

// libcurl says of such a file only that a transfer failed, at each transfer.
Status CheckCaFile(const std::string& path, os::FileSystem& fs) {
  constexpr std::uint64_t kBytesMax = 8 * 1024 * 1024;
  constexpr const char* kField = "delivery.ca_file";
  if (path.empty()) return {};
  const auto pem = os::ReadFile(fs, path, kBytesMax);
  if (!pem) return Fail(ErrorCode::kInvalid, kField, "cannot be read: " + pem.error().message());
  const Status good = http::CheckCertificates(*pem);
  if (!good) return Fail(ErrorCode::kInvalid, kField, good.error().message());
  return {};
}

}  // namespace

Result<std::unique_ptr<SpecJudge>> SpecJudge::Make(const config::Settings& settings,
                                                   KnownSource known_source) {
  TRY_ASSIGN(http::EgressGuard guard,
             http::EgressGuard::Make(
                 {.allow = settings.egress.allow, .https_only = settings.egress.https_only}));
  return std::make_unique<Judge>(settings, std::move(known_source), std::move(guard));
}

std::vector<Error> SettingsErrors(const config::Settings& settings, os::FileSystem* fs) {
  std::vector<Error> errors;
  const auto guard = http::EgressGuard::Make({.allow = settings.egress.allow});
  if (!guard) errors.push_back(guard.error());
  if (fs != nullptr) {
    const Status good = CheckCaFile(settings.delivery.ca_file, *fs);
    if (!good) errors.push_back(good.error());
  }
  return errors;
}

// The egress rules and sources of the file decide about its destinations.
std::expected<Loaded, Problems> LoadAndJudge(LoadInput input, os::FileSystem* fs,
                                             const SpecJudge::KnownSource& known_source) {
  std::unique_ptr<SpecJudge> judge;
  input.check_settings = [&](const config::Settings& settings) {
    std::vector<Error> errors = SettingsErrors(settings, fs);
    if (!errors.empty()) return errors;
    auto made = SpecJudge::Make(settings, known_source);
    if (!made) return std::vector<Error>{made.error()};
    judge = *std::move(made);
    return errors;
  };
  input.check_destination = [&](const std::string& json_text) { return judge->Check(json_text); };
  return config::Load(input);
}

}  // namespace tributary::cli
