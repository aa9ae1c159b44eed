#include "codec/standard_webhooks.h"

#include <charconv>

#include "codec/base64.h"

namespace tributary::codec {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::string_view kVersion = "v1,";
constexpr std::size_t kSignaturesMax = 32;  // looked at in one header; the rest is passed over

}  // namespace

Result<WebhookSigner> WebhookSigner::Make(const std::vector<std::string>& secrets) {
  if (secrets.empty() || secrets.size() > kWebhookSecretsMax) {
    return Fail(ErrorCode::kInvalid, "signing_secret",
                "one to " + std::to_string(kWebhookSecretsMax) + " secrets are needed");
  }
  WebhookSigner signer;
  for (std::string_view secret : secrets) {
    if (!secret.starts_with(kPrefix)) {
      return Fail(ErrorCode::kInvalid, "signing_secret", "a secret begins with whsec_");
    }
    const auto key = Base64Decode(secret.substr(kPrefix.size()), Base64::kStrict);
    if (!key) {
      return Fail(ErrorCode::kInvalid, "signing_secret", "what follows whsec_ is not Base64");
    }
    if (key->size() < kWebhookSecretBytesMin || key->size() > kWebhookSecretBytesMax) {
      return Fail(ErrorCode::kInvalid, "signing_secret",
                  "a secret has 24 to 64 bytes, this one " + std::to_string(key->size()));
    }
    signer.keys_.emplace_back(*key);
  }
  return signer;
}

Sha256Bytes WebhookSigner::Digest(HmacSha256& key, std::string_view id, std::string_view timestamp,
                                  std::string_view body) {
  return key.Add(id).Add(".").Add(timestamp).Add(".").Add(body).Finish();
}

std::string WebhookSigner::Sign(std::string_view id, std::int64_t unix_seconds,
                                std::string_view body) {
  const std::string timestamp = std::to_string(unix_seconds);
  std::string out;
  for (HmacSha256& key : keys_) {
    if (!out.empty()) out += ' ';
    out += kVersion;
    out += Base64Encode(AsText(Digest(key, id, timestamp, body)));
  }
  return out;
}

Status WebhookSigner::Verify(std::string_view id, std::string_view timestamp,
                             std::string_view signatures, std::string_view body,
                             std::int64_t now_seconds, std::int64_t tolerance_seconds) {
  std::int64_t at = 0;
  const char* const end = timestamp.data() + timestamp.size();
  const auto parsed = std::from_chars(timestamp.data(), end, at);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return Fail(ErrorCode::kDenied, "webhook-timestamp is no number of seconds");
  }
  if (at < 0 || at < now_seconds - tolerance_seconds) {
    return Fail(ErrorCode::kDenied, "webhook-timestamp is too old");
  }
  if (at > now_seconds + tolerance_seconds) {
    return Fail(ErrorCode::kDenied, "webhook-timestamp is in the future");
  }
  for (HmacSha256& key : keys_) {
    const std::string wanted = Base64Encode(AsText(Digest(key, id, timestamp, body)));
    std::string_view rest = signatures;
    for (std::size_t n = 0; n < kSignaturesMax && !rest.empty(); ++n) {
      const std::string_view one = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      if (one.starts_with(kVersion) && ConstantTimeEqual(one.substr(kVersion.size()), wanted)) {
        return {};
      }
    }
  }
  return Fail(ErrorCode::kDenied, "no signature matches");
}

std::string FormatWebhookSecret(std::string_view random_bytes) {
  return std::string(kPrefix) + Base64Encode(random_bytes);
}

}  // namespace tributary::codec
