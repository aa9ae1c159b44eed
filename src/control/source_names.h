// Names of sources by number, also of those that are gone: an event outlives the source that took
// it in. A number never gets another name. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/source_registry.h"
#include "log/record.h"

namespace tributary::control {

inline constexpr std::string_view kOwnSourceName = "tributary";  // source 0: the program itself

class SourceNames {
 public:
  explicit SourceNames(const SourceRegistry& sources) : sources_(sources) {}

  // Empty when no source of that number is remembered.
  std::string NameOf(log::SourceId id) const;
  // Every number that a source of this name has or had; empty when there was none.
  std::vector<log::SourceId> IdsOf(std::string_view name) const;

 private:
  const SourceRegistry& sources_;
};

}  // namespace tributary::control
