// A configuration file judged as a server would: with the options, rules and addresses of its
// destinations. Used by check-config, and by a server that reads its file. Changes nothing; the
// files that options name are read.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string_view>

#include "config/loader.h"
#include "deliver/spec.h"
#include "http/egress_guard.h"
#include "os/fs.h"

namespace tributary::cli {

// What reads the destinations of some settings: their sources and egress rules are theirs.
class SpecJudge {
 public:
  // kInvalid, field "egress.allow[i]", when the egress rules are wrong. `known_source`: sources
  // that there are besides those of the settings; may be empty.
  using KnownSource = std::function<bool(std::string_view name)>;
  static Result<std::unique_ptr<SpecJudge>> Make(const config::Settings& settings,
                                                 KnownSource known_source = nullptr);
  virtual ~SpecJudge() = default;
  // The error's field is below the destination.
  virtual Status Check(const std::string& json_text) const = 0;
  // All options, those that were not named too, as JSON; secrets as "***" when `redact`. Addresses
  // are not judged.
  virtual Result<std::string> Normal(const std::string& json_text, bool redact) const = 0;
};

// For LoadInput::check_settings: egress rules, and that delivery.ca_file holds certificates.
std::vector<Error> SettingsErrors(const config::Settings& settings, os::FileSystem* fs);

// All of it; the two checks of `input` are this one's to set. Without `fs` no file that the
// configuration names is looked at: it came from somebody who may not ask which files there are.
std::expected<config::Loaded, config::Problems> LoadAndJudge(
    config::LoadInput input, os::FileSystem* fs,
    const SpecJudge::KnownSource& known_source = nullptr);

}  // namespace tributary::cli
