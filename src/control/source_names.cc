#include "control/source_names.h"

#include "base/bytes.h"
#include "base/logging.h"
#include "store/keys.h"

namespace tributary::control {

using store::Family;
namespace keys = store::keys;

std::string SourceNames::NameOf(log::SourceId id) {
  if (id == 0) return std::string(kOwnSourceName);
  const std::lock_guard lock(mutex_);
  if (const auto known = names_.find(id); known != names_.end()) return known->second;
  ReadAll();
  const auto known = names_.find(id);
  return known == names_.end() ? std::string() : known->second;
}

void SourceNames::ReadAll() {
  const Status read = store_.ScanPrefix(
      Family::kOwned, keys::AllSourceNames(), [this](std::string_view key, std::string_view value) {
        const auto name = keys::ParseSourceName(key);
        if (name && value.size() == sizeof(log::SourceId)) {
          names_.emplace(LoadLe<log::SourceId>(value.data()), *name);
        }
        return store::Visit::kContinue;
      });
  if (!read) LogWarn("source_names_unread", {{"reason", read.error().message()}});
}

std::optional<log::SourceId> SourceNames::IdOf(std::string_view name) const {
  if (name == kOwnSourceName) return 0;
  const auto value = store_.Get(Family::kOwned, keys::SourceName(name));
  if (!value || !*value || (*value)->size() != sizeof(log::SourceId)) return std::nullopt;
  return LoadLe<log::SourceId>((*value)->data());
}

}  // namespace tributary::control
