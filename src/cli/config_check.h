// A configuration file judged as a server would: with the options, rules and addresses of its
// destinations. Used by check-config, and by a server that reads its file again. Pure.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string_view>

#include "config/loader.h"
#include "deliver/spec.h"
#include "http/egress_guard.h"

namespace tributary::cli {

// What reads the destinations of some settings: their sources and egress rules are theirs.
class SpecJudge {
 public:
  // kInvalid, field "egress.allow", when the egress rules are wrong. `known_source`: sources that
  // there are besides those of the settings; may be empty.
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

std::expected<config::Loaded, config::Problems> LoadAndJudge(
    const config::LoadInput& input, const SpecJudge::KnownSource& known_source = nullptr);

}  // namespace tributary::cli
