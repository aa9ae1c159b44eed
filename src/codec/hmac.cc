#include "codec/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <utility>

#include "base/check.h"

namespace tributary::codec {
namespace {

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Looking the algorithm up takes longer than hashing a small message: once per process.
EVP_MAC* HmacAlgorithm() {
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  CHECK(mac != nullptr);
  return mac;
}

evp_mac_ctx_st* NewContext(std::string_view key, const char* digest) {
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(HmacAlgorithm());
  CHECK(context != nullptr);
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(digest), 0),
      OSSL_PARAM_construct_end()};
  // A null key means "keep the old one" to OpenSSL; an empty key must still be a key.
  const unsigned char* data = key.empty() ? Bytes("") : Bytes(key);
  CHECK(EVP_MAC_init(context, data, key.size(), params) == 1);
  return context;
}

template <std::size_t N>
std::array<unsigned char, N> Final(EVP_MAC_CTX* context) {
  std::array<unsigned char, N> out{};
  std::size_t size = 0;
  CHECK(EVP_MAC_final(context, out.data(), &size, out.size()) == 1);
  CHECK(size == N);
  return out;
}

}  // namespace

HmacSha256::HmacSha256(std::string_view key) : context_(NewContext(key, "SHA256")) {}
HmacSha256::~HmacSha256() {
  EVP_MAC_CTX_free(context_);
}
HmacSha256::HmacSha256(HmacSha256&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)) {}
HmacSha256& HmacSha256::operator=(HmacSha256&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}

HmacSha256& HmacSha256::Add(std::string_view piece) {
  CHECK(EVP_MAC_update(context_, Bytes(piece), piece.size()) == 1);
  return *this;
}

Sha256Bytes HmacSha256::Finish() {
  const Sha256Bytes out = Final<32>(context_);
  CHECK(EVP_MAC_init(context_, nullptr, 0, nullptr) == 1);  // same key again
  return out;
}

Sha256Bytes HmacSha256Of(std::string_view key, std::string_view message) {
  return HmacSha256(key).Add(message).Finish();
}

Sha1Bytes HmacSha1Of(std::string_view key, std::string_view message) {
  EVP_MAC_CTX* context = NewContext(key, "SHA1");
  CHECK(EVP_MAC_update(context, Bytes(message), message.size()) == 1);
  const Sha1Bytes out = Final<20>(context);
  EVP_MAC_CTX_free(context);
  return out;
}

Sha256Bytes Sha256Of(std::string_view message) {
  Sha256Bytes out{};
  unsigned size = 0;
  CHECK(EVP_Digest(message.data(), message.size(), out.data(), &size, EVP_sha256(), nullptr) == 1);
  return out;
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tributary::codec
