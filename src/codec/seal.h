// Sealing of what the store must keep and nobody may read there: AES-256-GCM under one key.
//
// Sealed bytes: version 1, key id (8 bytes: the beginning of SHA-256 of the key), nonce (12, by
// chance), ciphertext, tag (16). `context` is not in them: it is bound to them, so that sealed
// bytes moved to another place do not open there.
//
// Thread-safe. By-chance nonces are good for 2^32 seals under one key, far more than secrets
// change.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/random.h"

namespace tributary::codec {

using SealKey = std::array<unsigned char, 32>;
inline constexpr std::size_t kSealOverheadBytes = 1 + 8 + 12 + 16;

class Sealer {
 public:
  Sealer(const SealKey& key, os::Random& random);

  std::string Seal(std::string_view plain, std::string_view context) const;
  // kDenied: sealed under another key. kCorrupt: not sealed, changed since, or another context.
  Result<std::string> Open(std::string_view sealed, std::string_view context) const;

 private:
  const SealKey key_;
  const std::string key_id_;
  os::Random& random_;
};

}  // namespace tributary::codec
