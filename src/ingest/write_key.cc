#include "ingest/write_key.h"

#include <array>

namespace tributary::ingest {
namespace {

// In the order of log::EventType, which is on disk; `other` is RudderStack's free event types.
constexpr std::array<std::string_view, 8> kNames = {"other",  "track", "identify", "page",
                                                    "screen", "group", "alias",    "import"};
constexpr std::size_t kImport = 7;
constexpr std::size_t kHintBytes = 4;
constexpr std::size_t kHintedBytesMin = 16;  // a shorter key would be given away by its end

KeyScopes Bit(std::size_t i) {
  return static_cast<KeyScopes>(1U << i);
}

}  // namespace

KeyScopes ScopeOfType(log::EventType type) {
  return Bit(static_cast<std::size_t>(type));
}

KeyScopes ImportScope() {
  return Bit(kImport);
}

Result<KeyScopes> ScopesOf(const std::vector<std::string>& names) {
  if (names.empty()) return kAllScopes;
  KeyScopes scopes = 0;
  for (std::size_t n = 0; n < names.size(); ++n) {
    std::size_t i = 0;
    while (i < kNames.size() && kNames[i] != names[n]) ++i;
    if (i == kNames.size()) {
      std::string all;
      for (const std::string_view name : kNames)
        all += (all.empty() ? "" : ", ") + std::string(name);
      const std::string field = "scopes[" + std::to_string(n) + "]";
      return Fail(ErrorCode::kInvalid, field, field + " must be one of: " + all);
    }
    scopes = static_cast<KeyScopes>(scopes | Bit(i));
  }
  return scopes;
}

std::vector<std::string> ScopeNames(KeyScopes scopes) {
  std::vector<std::string> names;
  if (scopes == kAllScopes) return names;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if ((scopes & Bit(i)) != 0) names.emplace_back(kNames[i]);
  }
  return names;
}

WriteKey::WriteKey(std::string_view plain) : hint("***") {
  if (plain.empty()) return;
  digest = codec::Sha256Of(plain);
  if (plain.size() >= kHintedBytesMin) hint += plain.substr(plain.size() - kHintBytes);
}

}  // namespace tributary::ingest
