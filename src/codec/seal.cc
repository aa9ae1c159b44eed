#include "codec/seal.h"

#include <openssl/evp.h>

#include <memory>

#include "base/check.h"
#include "codec/hmac.h"

namespace tributary::codec {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kKeyIdBytes = 8;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kHeadBytes = 1 + kKeyIdBytes + kNonceBytes;

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

// One call takes an int; what is sealed here is far below that.
int Size(std::string_view text) {
  CHECK(text.size() < (1U << 30));
  return static_cast<int>(text.size());
}

}  // namespace

Sealer::Sealer(const SealKey& key, os::Random& random)
    : key_(key), key_id_(AsText(Sha256Of(AsText(key))).substr(0, kKeyIdBytes)), random_(random) {}

std::string Sealer::Seal(std::string_view plain, std::string_view context) const {
  std::string out(kHeadBytes + plain.size() + kTagBytes, '\0');
  out[0] = kVersion;
  out.replace(1, kKeyIdBytes, key_id_);
  unsigned char* const nonce = Bytes(out) + 1 + kKeyIdBytes;
  random_.Fill({nonce, kNonceBytes});
  unsigned char* const body = Bytes(out) + kHeadBytes;
  const Context cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  int rest = 0;
  CHECK(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1);
  CHECK(EVP_EncryptUpdate(cipher.get(), nullptr, &size, Bytes(context), Size(context)) == 1);
  CHECK(EVP_EncryptUpdate(cipher.get(), body, &size, Bytes(plain), Size(plain)) == 1);
  CHECK(EVP_EncryptFinal_ex(cipher.get(), body + size, &rest) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, body + plain.size()) ==
        1);
  return out;
}

Result<std::string> Sealer::Open(std::string_view sealed, std::string_view context) const {
  if (sealed.size() < kSealOverheadBytes || sealed.front() != kVersion) {
    return Fail(ErrorCode::kCorrupt, "these bytes are not sealed");
  }
  if (sealed.substr(1, kKeyIdBytes) != key_id_) {
    return Fail(ErrorCode::kDenied, "it is sealed under another key");
  }
  const std::string_view body = sealed.substr(kHeadBytes, sealed.size() - kHeadBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string plain(body.size(), '\0');
  const Context cipher(EVP_CIPHER_CTX_new());
  const unsigned char* const nonce = Bytes(sealed) + 1 + kKeyIdBytes;
  int size = 0;
  int rest = 0;
  CHECK(EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1);
  CHECK(EVP_DecryptUpdate(cipher.get(), nullptr, &size, Bytes(context), Size(context)) == 1);
  CHECK(EVP_DecryptUpdate(cipher.get(), Bytes(plain), &size, Bytes(body), Size(body)) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(cipher.get(), Bytes(plain) + size, &rest) != 1) {
    return Fail(ErrorCode::kCorrupt, "the sealed bytes were changed, or belong elsewhere");
  }
  return plain;
}

}  // namespace tributary::codec
