// Standard Webhooks 1.0.0 (downstream-dispatch.md section 4).
//
// Signed text: id "." seconds "." body. A symmetric secret `whsec_…` gives "v1," + Base64 of the
// HMAC-SHA256 with its decoded bytes; an ed25519 private key `whsk_…` gives "v1a," + Base64 of its
// signature, which receivers check with the public key `whpk_…`. While a secret is being rotated
// the header holds one signature per secret, separated by a space, and a receiver accepts any that
// matches. One object belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/ed25519.h"
#include "codec/hmac.h"

namespace tributary::codec {

inline constexpr std::size_t kWebhookSecretBytesMin = 24;
inline constexpr std::size_t kWebhookSecretBytesMax = 64;
inline constexpr std::size_t kWebhookSecretsMax = 11;  // the one in force and ten old ones
inline constexpr std::int64_t kWebhookToleranceSeconds = 300;

// One secret or key, read.
class WebhookKey {
 public:
  // `whsec_` + Base64 of 24 to 64 bytes, or `whsk_` + Base64 of an ed25519 private key (32 bytes,
  // or 64 with its public half). kInvalid says what is wrong without repeating the secret.
  static Result<WebhookKey> ReadSecret(std::string_view secret);
  // These and `whpk_` + Base64 of an ed25519 public key.
  static Result<WebhookKey> ReadForVerifying(std::string_view key);

  // "v1,…" or "v1a,…"; of keys made by ReadSecret only.
  std::string Sign(std::string_view id, std::string_view timestamp, std::string_view body);
  // `signature`: one of those in the header, with its version.
  bool Verifies(std::string_view id, std::string_view timestamp, std::string_view body,
                std::string_view signature);
  // "whpk_…"; empty for a symmetric secret.
  std::string public_key() const;

 private:
  explicit WebhookKey(HmacSha256 key) : key_(std::move(key)) {}
  explicit WebhookKey(Ed25519Key key) : key_(std::move(key)) {}
  std::variant<HmacSha256, Ed25519Key> key_;
};

// A secret and until when it signs.
struct WebhookSecret {
  static constexpr UnixMicros kForEver = INT64_MAX;
  std::string text;
  UnixMicros until_us = kForEver;  // it signs before this moment
};

class WebhookSigner {
 public:
  // Newest first; one to kWebhookSecretsMax.
  static Result<WebhookSigner> Make(const std::vector<WebhookSecret>& secrets);

  // The value of `webhook-signature` for an attempt at `now_us`: one signature per secret that is
  // still in force, in the order given. Empty when none is.
  std::string Sign(std::string_view id, UnixMicros now_us, std::string_view body);

 private:
  struct Entry {
    WebhookKey key;
    UnixMicros until_us;
  };
  std::vector<Entry> entries_;
};

class WebhookVerifier {
 public:
  static Result<WebhookVerifier> Make(const std::vector<std::string>& keys);

  // Of a received request: kDenied with the reason ("timestamp too old", "no signature matches").
  // Unknown signature versions are passed over. `now_seconds` is the receiver's wall clock.
  Status Verify(std::string_view id, std::string_view timestamp, std::string_view signatures,
                std::string_view body, std::int64_t now_seconds,
                std::int64_t tolerance_seconds = kWebhookToleranceSeconds);

 private:
  std::vector<WebhookKey> keys_;
};

// `whsec_` + Base64 of the given random bytes (32 is usual).
std::string FormatWebhookSecret(std::string_view random_bytes);
// `whsk_` + Base64 of the seed's 32 bytes.
std::string FormatWebhookPrivateKey(std::string_view seed);
// Of a secret: "whpk_…" when it is a private key, else empty.
std::string PublicKeyOfWebhookSecret(std::string_view secret);

}  // namespace tributary::codec
