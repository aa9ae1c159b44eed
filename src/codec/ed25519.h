// Ed25519 signatures (RFC 8032), by OpenSSL. A key is immutable and may be shared by threads.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;

namespace tributary::codec {

using Ed25519Signature = std::array<unsigned char, 64>;
inline constexpr std::size_t kEd25519KeyBytes = 32;  // of a seed, and of a public key

class Ed25519Key {
 public:
  // `bytes`: the 32 bytes of the seed, or seed and public key as one (64), which must then belong
  // together. kInvalid says what is wrong without repeating the key.
  static Result<Ed25519Key> FromPrivate(std::string_view bytes);
  static Result<Ed25519Key> FromPublic(std::string_view bytes);

  std::string public_bytes() const;
  // Of a private key only.
  Ed25519Signature Sign(std::string_view message) const;
  bool Verify(std::string_view message, std::string_view signature) const;

 private:
  explicit Ed25519Key(evp_pkey_st* key);
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace tributary::codec
