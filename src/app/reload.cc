#include "app/reload.h"

#include <nlohmann/json.hpp>

#include "app/translate.h"
#include "base/logging.h"
#include "cli/config_check.h"
#include "config/json_text.h"
#include "http/error_response.h"

namespace tributary::app {
namespace {

using Answer = control::Configuration::Answer;
using config::Difference;
using nlohmann::json;

Answer Refusal(const Error& error) {
  http::Response response = http::ErrorResponse(error);
  return {response.status, std::move(response.body)};
}

// The first problem as the error itself, and all of them as a list.
Answer Refusal(const config::Problems& problems) {
  json list = json::array();
  for (const config::Problem& p : problems) {
    list.push_back({{"file", p.origin},
                    {"line", p.line},
                    {"column", p.column},
                    {"field", p.field},
                    {"message", p.message}});
  }
  return {400, config::DumpText({{"success", false},
                                 {"code", "invalid"},
                                 {"message", problems.front().ToString()},
                                 {"field", problems.front().field},
                                 {"problems", std::move(list)}})};
}

std::vector<std::string> DeclaredOf(const config::Settings& settings) {
  std::vector<std::string> declared;
  declared.reserve(settings.destinations.size());
  for (const config::JsonText& d : settings.destinations) declared.push_back(d.text);
  return declared;
}

}  // namespace

Reloader::Reloader(ReloadWorld world, config::LoadInput input, config::Settings settings)
    : world_(world), input_(std::move(input)), current_(std::move(settings)) {}

// ---- One at a time ----

void Reloader::Enqueue(Work work) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(work));
    if (working_) return;
    working_ = true;
  }
  RunNext();
}

void Reloader::RunNext() {
  world_.blocking->Post([this] {
    Work work;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        working_ = false;
        return;
      }
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work([this] { RunNext(); });
  });
}

// ---- Judging ----

// The file as it stands now, where it can be read again.
std::string Reloader::OwnText() const {
  if (input_.file_name.empty() || input_.read_once) return input_.text;
  return os::ReadFile(*world_.fs, input_.file_name, config::kConfigBytesMax)
      .value_or(std::string(input_.text));
}

std::expected<Reloader::Prepared, Answer> Reloader::Prepare(const std::optional<File>& file) const {
  config::LoadInput input = input_;
  if (file) {
    input.file_name = file->name;
    input.text = file->text;
    input.may_expand = [known = config::VariablesIn(OwnText())](std::string_view name) {
      return known.contains(name);
    };
  } else {
    if (input.file_name.empty()) {
      return std::unexpected(Refusal(Error(
          ErrorCode::kConflict, "the server was started without a configuration file (--config)")));
    }
    if (input.read_once) {
      return std::unexpected(Refusal(
          Error(ErrorCode::kConflict, "the configuration came through a pipe (" + input.file_name +
                                          "), which cannot be read again")));
    }
    auto text = os::ReadFile(*world_.fs, input.file_name, config::kConfigBytesMax);
    if (!text) {
      return std::unexpected(Refusal(config::Problems{
          {input.file_name, 0, 0, "", "cannot be read: " + text.error().message()}}));
    }
    input.text = *std::move(text);
  }
  auto loaded = cli::LoadAndJudge(
      std::move(input), file ? nullptr : world_.fs,
      [this](std::string_view name) { return world_.sources->IdOf(name).has_value(); });
  if (!loaded) return std::unexpected(Refusal(loaded.error()));
  Prepared prepared{.settings = std::move(loaded->settings), .differences = {}};
  // Read by the rules of the new file: they are what both sides are shown by.
  const auto judge = cli::SpecJudge::Make(prepared.settings, [](auto) { return true; });
  if (!judge) return std::unexpected(Refusal(judge.error()));
  auto differences = config::DifferencesOf(
      current_, prepared.settings,
      [&judge](const std::string& text, bool redact) { return (*judge)->Normal(text, redact); });
  if (!differences) return std::unexpected(Refusal(differences.error()));
  prepared.differences = *std::move(differences);
  // What needs a restart stays as it is until then: together with that, too, it must be allowed.
  config::Settings until_restart = current_;
  config::TakeOver(until_restart, prepared.settings);
  if (const Status may = until_restart.Check(); !may) {
    const Error& e = may.error();
    return std::unexpected(Refusal(Error(ErrorCode::kConflict, e.field(),
                                         "until a restart " + e.field() + " " + e.message())));
  }
  if (const Status may = world_.sources->CheckDeclared(prepared.settings.sources); !may) {
    return std::unexpected(Refusal(may.error()));
  }
  if (const Status may = world_.destinations->Check(DeclaredOf(prepared.settings)); !may) {
    return std::unexpected(Refusal(may.error()));
  }
  return prepared;
}

Answer Reloader::AnswerOf(const Prepared& prepared, bool applied) {
  json now = json::array();
  json later = json::array();
  for (const Difference& difference : prepared.differences) {
    (difference.needs_restart ? later : now).push_back(difference.path());
  }
  json object = {{"needs_restart", std::move(later)},
                 {"changes", json::parse(config::DifferencesJson(prepared.differences))}};
  if (applied) object["applied"] = std::move(now);
  return {200, config::DumpText(object)};
}

void Reloader::Plan(std::optional<File> file, Done done) {
  Enqueue([this, file = std::move(file), done = std::move(done)](Finish finish) mutable {
    auto prepared = Prepare(file);
    done(prepared ? AnswerOf(*prepared, false) : std::move(prepared.error()));
    finish();
  });
}

// ---- Applying ----

void Reloader::Reload(Done done) {
  Enqueue([this, done = std::move(done)](Finish finish) mutable {
    auto prepared = Prepare(std::nullopt);
    if (!prepared) {
      const json refusal = json::parse(prepared.error().json, nullptr, false);
      LogWarn("reload_refused", {{"reason", refusal.value("message", "")}});
      done(std::move(prepared.error()));
      finish();
      return;
    }
    ApplySources(
        std::make_shared<Changing>(*std::move(prepared), std::move(done), std::move(finish)));
  });
}

// Sources first: a destination may name one that is new. Addresses are judged by the new rules
// while destinations are made. Both are undone if the destinations are refused after all.
void Reloader::ApplySources(const std::shared_ptr<Changing>& changing) {
  const config::Settings& settings = changing->next.settings;
  if (const Status changed = world_.egress->Change(EgressOptionsOf(settings)); !changed) {
    return Refuse(*changing, changed.error());
  }
  world_.sources->ApplyDeclared(settings.sources, [this, changing](const auto& applied) {
    std::optional<Error> error;
    if (!applied) error = applied.error();
    world_.blocking->Post([this, changing, error] {
      if (error) return Refuse(*changing, *error);
      ApplyDestinations(changing);
    });
  });
}

void Reloader::ApplyDestinations(const std::shared_ptr<Changing>& changing) {
  world_.destinations->Apply(DeclaredOf(changing->next.settings),
                             [this, changing](const Status& status) {
                               world_.blocking->Post([this, changing, status] {
                                 if (!status) return UndoSources(changing, status.error());
                                 TakeOver(changing->next);
                                 changing->done(AnswerOf(changing->next, true));
                                 changing->finish();
                               });
                             });
}

void Reloader::UndoSources(const std::shared_ptr<Changing>& changing, Error why) {
  world_.sources->ApplyDeclared(
      current_.sources, [this, changing, why = std::move(why)](const auto&) {
        world_.blocking->Post([this, changing, why] { Refuse(*changing, why); });
      });
}

void Reloader::Refuse(Changing& changing, const Error& why) {
  IgnoreError(world_.egress->Change(EgressOptionsOf(current_)), "they were good before");
  LogWarn("reload_refused", {{"reason", why.message()}});
  changing.done(Refusal(why));
  changing.finish();
}

void Reloader::TakeOver(const Prepared& next) {
  world_.access->Change(TokensOf(next.settings));
  SetLogging(next.settings.logging.level, next.settings.logging.format);
  config::TakeOver(current_, next.settings);
  std::uint64_t restart = 0;
  for (const Difference& difference : next.differences) restart += difference.needs_restart;
  LogInfo("reloaded", {{"changes", next.differences.size() - restart}, {"needs_restart", restart}});
}

}  // namespace tributary::app
