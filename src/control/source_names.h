// Names of sources by number, also of those that are gone: an event outlives the source that took
// it in. Read from the store when asked for the first time, then remembered; a number never gets
// another name.
//
// Thread-safe. NameOf and IdOf may read the store: not for loops.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "log/record.h"
#include "store/store.h"

namespace tributary::control {

inline constexpr std::string_view kOwnSourceName = "tributary";  // source 0: the program itself

class SourceNames {
 public:
  explicit SourceNames(const store::Store& store) : store_(store) {}

  // Empty when the store knows no such number.
  std::string NameOf(log::SourceId id);
  // The number that a name has, or had before its source was removed.
  std::optional<log::SourceId> IdOf(std::string_view name) const;

 private:
  void ReadAll();

  const store::Store& store_;
  std::mutex mutex_;
  std::unordered_map<log::SourceId, std::string> names_;
};

}  // namespace tributary::control
