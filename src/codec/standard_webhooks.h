// Standard Webhooks 1.0.0, symmetric signatures (downstream-dispatch.md section 4).
//
// Signed text: id "." seconds "." body; HMAC-SHA256 with the decoded secret; "v1," + Base64. While
// a secret is being rotated the header holds one signature per secret, separated by a space, and a
// receiver accepts any that matches. One object belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/hmac.h"

namespace tributary::codec {

inline constexpr std::size_t kWebhookSecretBytesMin = 24;
inline constexpr std::size_t kWebhookSecretBytesMax = 64;
inline constexpr std::size_t kWebhookSecretsMax = 11;  // the one in force and ten old ones
inline constexpr std::int64_t kWebhookToleranceSeconds = 300;

class WebhookSigner {
 public:
  // Each secret as `whsec_` + Base64 of 24 to 64 bytes; newest first. kInvalid says what is wrong
  // without repeating the secret.
  static Result<WebhookSigner> Make(const std::vector<std::string>& secrets);

  // The value of `webhook-signature` for this attempt.
  std::string Sign(std::string_view id, std::int64_t unix_seconds, std::string_view body);

  // Of a received request: kDenied with the reason ("timestamp too old", "no signature matches").
  // Unknown signature versions are passed over. `now_seconds` is the receiver's wall clock.
  Status Verify(std::string_view id, std::string_view timestamp, std::string_view signatures,
                std::string_view body, std::int64_t now_seconds,
                std::int64_t tolerance_seconds = kWebhookToleranceSeconds);

 private:
  static Sha256Bytes Digest(HmacSha256& key, std::string_view id, std::string_view timestamp,
                            std::string_view body);
  std::vector<HmacSha256> keys_;
};

// `whsec_` + Base64 of the given random bytes (32 is usual).
std::string FormatWebhookSecret(std::string_view random_bytes);

}  // namespace tributary::codec
