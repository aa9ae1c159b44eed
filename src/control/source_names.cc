#include "control/source_names.h"

namespace tributary::control {

std::string SourceNames::NameOf(log::SourceId id) const {
  if (id == 0) return std::string(kOwnSourceName);
  const auto snapshot = sources_.current();
  const ingest::SourceSpec* const source = snapshot->FindById(id);
  return source == nullptr ? std::string() : source->name;
}

std::optional<log::SourceId> SourceNames::IdOf(std::string_view name) const {
  if (name == kOwnSourceName) return 0;
  const auto ids = sources_.current()->IdsOfName(name);
  return ids.empty() ? std::nullopt : std::optional(ids.back());
}

}  // namespace tributary::control
