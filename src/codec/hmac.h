// Keyed hashes and the comparison that goes with them (OpenSSL). A Hmac object is keyed once and
// then used for many messages, by one thread at a time; the free functions are thread-safe.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

struct evp_mac_ctx_st;

namespace tributary::codec {

using Sha256Bytes = std::array<unsigned char, 32>;
using Sha1Bytes = std::array<unsigned char, 20>;

// HMAC-SHA256 over pieces, so that signed text need not be joined in memory first.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key);
  ~HmacSha256();
  HmacSha256(HmacSha256&&) noexcept;
  HmacSha256& operator=(HmacSha256&&) noexcept;

  HmacSha256& Add(std::string_view piece);
  // Ends this message; the next Add begins a new one under the same key.
  Sha256Bytes Finish();

 private:
  evp_mac_ctx_st* context_;
};

Sha256Bytes HmacSha256Of(std::string_view key, std::string_view message);
Sha1Bytes HmacSha1Of(std::string_view key, std::string_view message);
Sha256Bytes Sha256Of(std::string_view message);

template <std::size_t N>
std::string_view AsText(const std::array<unsigned char, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

// Takes the same time wherever the two differ (RELIABILITY.md E6). Only their lengths may show.
bool ConstantTimeEqual(std::string_view a, std::string_view b);

}  // namespace tributary::codec
