#include "codec/ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/check.h"

namespace tributary::codec {
namespace {

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

}  // namespace

Ed25519Key::Ed25519Key(evp_pkey_st* key) : key_(key, EVP_PKEY_free) {
  CHECK(key != nullptr);
}

Result<Ed25519Key> Ed25519Key::FromPrivate(std::string_view bytes) {
  if (bytes.size() != kEd25519KeyBytes && bytes.size() != 2 * kEd25519KeyBytes) {
    return Fail(ErrorCode::kInvalid, "a private key has 32 bytes, or 64 with its public key, not " +
                                         std::to_string(bytes.size()));
  }
  Ed25519Key key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(bytes), kEd25519KeyBytes));
  if (bytes.size() > kEd25519KeyBytes && bytes.substr(kEd25519KeyBytes) != key.public_bytes()) {
    return Fail(ErrorCode::kInvalid, "the second half is not the public key of the first");
  }
  return key;
}

Result<Ed25519Key> Ed25519Key::FromPublic(std::string_view bytes) {
  if (bytes.size() != kEd25519KeyBytes) {
    return Fail(ErrorCode::kInvalid,
                "a public key has 32 bytes, this one " + std::to_string(bytes.size()));
  }
  return Ed25519Key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(bytes), bytes.size()));
}

std::string Ed25519Key::public_bytes() const {
  std::array<unsigned char, kEd25519KeyBytes> out{};
  std::size_t size = out.size();
  CHECK(EVP_PKEY_get_raw_public_key(key_.get(), out.data(), &size) == 1);
  return {reinterpret_cast<const char*>(out.data()), size};
}

Ed25519Signature Ed25519Key::Sign(std::string_view message) const {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Ed25519Signature out{};
  std::size_t size = out.size();
  CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  CHECK(EVP_DigestSign(context.get(), out.data(), &size, Bytes(message), message.size()) == 1);
  return out;
}

bool Ed25519Key::Verify(std::string_view message, std::string_view signature) const {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  CHECK(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  const bool good = EVP_DigestVerify(context.get(), Bytes(signature), signature.size(),
                                     Bytes(message), message.size()) == 1;
  if (!good) ERR_clear_error();  // the next call of OpenSSL on this thread is another's
  return good;
}

}  // namespace tributary::codec
