#include "control/source_names.h"

namespace tributary::control {

std::string SourceNames::NameOf(log::SourceId id) const {
  if (id == 0) return std::string(kOwnSourceName);
  const auto snapshot = sources_.current();
  const ingest::SourceSpec* const source = snapshot->FindById(id);
  return source == nullptr ? std::string() : source->name;
}

std::vector<log::SourceId> SourceNames::IdsOf(std::string_view name) const {
  if (name == kOwnSourceName) return {0};
  return sources_.current()->IdsOfName(name);
}

}  // namespace tributary::control
