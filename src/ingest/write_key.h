// A write key: what opens a source, until when, and what it may bring in.
//
// Only the SHA-256 of a key is kept, in memory and on disk: who reads the store or a backup cannot
// send with it. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/hmac.h"
#include "log/record.h"

namespace tributary::ingest {

// What a key may bring in: an event type each, and `import` for historical events. A bit set.
using KeyScopes = std::uint16_t;
inline constexpr KeyScopes kAllScopes = 0xFFFF;

KeyScopes ScopeOfType(log::EventType type);
KeyScopes ImportScope();
// kInvalid names a word that is no scope. An empty list: all of them.
Result<KeyScopes> ScopesOf(const std::vector<std::string>& names);
// The words again; empty for kAllScopes.
std::vector<std::string> ScopeNames(KeyScopes scopes);

struct WriteKey {
  WriteKey() = default;
  // A key of the configuration, by its plain text. Implicit, so that lists of texts are lists of
  // keys.
  WriteKey(std::string_view plain);  // NOLINT(google-explicit-constructor)
  WriteKey(const char* plain) : WriteKey(std::string_view(plain)) {}
  WriteKey(const std::string& plain) : WriteKey(std::string_view(plain)) {}

  std::string id;    // names it in the API; empty for one of the configuration
  std::string hint;  // "***", and its last four characters where enough stay hidden
  std::optional<codec::Sha256Bytes> digest;  // nullopt: opens nothing
  bool enabled = true;
  UnixMicros created_at_us = 0;
  UnixMicros expires_at_us = 0;  // 0: never
  KeyScopes scopes = kAllScopes;

  bool opens(UnixMicros now_us) const {
    return enabled && (expires_at_us == 0 || now_us < expires_at_us);
  }
};

}  // namespace tributary::ingest
