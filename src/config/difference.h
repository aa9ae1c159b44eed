// What changes from one configuration to another: for `tributary plan` and for reloads.
//
// Sources and destinations are compared by name, and by every option they have, named or not;
// everything else option by option. Pure functions.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace tributary::config {

struct FieldChange {
  std::string field;   // below the thing: "retry.schedule"; of a setting the same as its name
  std::string before;  // JSON, secrets as "***"; "null" when it was not there
  std::string after;
};

struct Difference {
  enum class Kind { kSource, kDestination, kSetting };
  enum class Action {
    kAdd,
    kChange,
    kPause,  // no longer in the configuration: paused, keeps its state until it is deleted
  };
  Kind kind = Kind::kSetting;
  Action action = Action::kChange;
  std::string name;  // of a setting its path: "retention.age"
  std::vector<FieldChange> fields;
  bool needs_restart = false;

  // "destinations.hook", "sources.web", "retention.age"
  std::string path() const;
};

// A destination's object with all its options, secrets as "***" when `redact`.
using Normal = std::function<Result<std::string>(const std::string& json_text, bool redact)>;

// In the order: sources, destinations, settings; each by name. The error is normal's.
Result<std::vector<Difference>> DifferencesOf(const Settings& before, const Settings& after,
                                              const Normal& normal);

// Whether a running server can take over a change of this option.
bool AppliesAtOnce(std::string_view path);
// `into` with everything of `from` that applies at once.
void TakeOver(Settings& into, const Settings& from);

// [{"kind":"destination","name","action":"add|change|pause","needs_restart",
//   "fields":[{"field","before","after"}]}]
std::string DifferencesJson(const std::vector<Difference>& differences);

}  // namespace tributary::config
