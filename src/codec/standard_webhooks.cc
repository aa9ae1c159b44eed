#include "codec/standard_webhooks.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "codec/base64.h"

namespace tributary::codec {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::string_view kPrivatePrefix = "whsk_";
constexpr std::string_view kPublicPrefix = "whpk_";
constexpr std::string_view kSymmetric = "v1,";
constexpr std::string_view kAsymmetric = "v1a,";
constexpr std::size_t kSignaturesMax = 32;  // looked at in one header; the rest is passed over

std::unexpected<Error> Wrong(std::string why) {
  return Fail(ErrorCode::kInvalid, "signing_secret", std::move(why));
}

Result<std::string> Decode(std::string_view text, std::string_view prefix) {
  auto bytes = Base64Decode(text.substr(prefix.size()), Base64::kStrict);
  if (!bytes) return Wrong("what follows " + std::string(prefix) + " is not Base64");
  return bytes;
}

std::string Joined(std::string_view id, std::string_view timestamp, std::string_view body) {
  std::string text;
  text.reserve(id.size() + timestamp.size() + body.size() + 2);
  return text.append(id).append(".").append(timestamp).append(".").append(body);
}

std::string HmacText(HmacSha256& key, std::string_view id, std::string_view timestamp,
                     std::string_view body) {
  return Base64Encode(AsText(key.Add(id).Add(".").Add(timestamp).Add(".").Add(body).Finish()));
}

Status CheckTimestamp(std::string_view timestamp, std::int64_t now_seconds,
                      std::int64_t tolerance_seconds) {
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
  return {};
}

}  // namespace

Result<WebhookKey> WebhookKey::ReadSecret(std::string_view secret) {
  if (secret.starts_with(kPrivatePrefix)) {
    TRY_ASSIGN(const std::string bytes, Decode(secret, kPrivatePrefix));
    auto key = Ed25519Key::FromPrivate(bytes);
    if (!key) return Wrong(key.error().message());
    return WebhookKey(*std::move(key));
  }
  if (!secret.starts_with(kSecretPrefix)) return Wrong("a secret begins with whsec_ or whsk_");
  TRY_ASSIGN(const std::string bytes, Decode(secret, kSecretPrefix));
  if (bytes.size() < kWebhookSecretBytesMin || bytes.size() > kWebhookSecretBytesMax) {
    return Wrong("a secret has 24 to 64 bytes, this one " + std::to_string(bytes.size()));
  }
  return WebhookKey(HmacSha256(bytes));
}

Result<WebhookKey> WebhookKey::ReadForVerifying(std::string_view text) {
  if (!text.starts_with(kPublicPrefix)) return ReadSecret(text);
  TRY_ASSIGN(const std::string bytes, Decode(text, kPublicPrefix));
  auto key = Ed25519Key::FromPublic(bytes);
  if (!key) return Wrong(key.error().message());
  return WebhookKey(*std::move(key));
}

std::string WebhookKey::Sign(std::string_view id, std::string_view timestamp,
                             std::string_view body) {
  if (auto* symmetric = std::get_if<HmacSha256>(&key_)) {
    return std::string(kSymmetric) + HmacText(*symmetric, id, timestamp, body);
  }
  const auto& key = std::get<Ed25519Key>(key_);
  return std::string(kAsymmetric) + Base64Encode(AsText(key.Sign(Joined(id, timestamp, body))));
}

bool WebhookKey::Verifies(std::string_view id, std::string_view timestamp, std::string_view body,
                          std::string_view signature) {
  if (auto* symmetric = std::get_if<HmacSha256>(&key_)) {
    return signature.starts_with(kSymmetric) &&
           ConstantTimeEqual(signature.substr(kSymmetric.size()),
                             HmacText(*symmetric, id, timestamp, body));
  }
  if (!signature.starts_with(kAsymmetric)) return false;
  const auto bytes = Base64Decode(signature.substr(kAsymmetric.size()), Base64::kStrict);
  return bytes && std::get<Ed25519Key>(key_).Verify(Joined(id, timestamp, body), *bytes);
}

std::string WebhookKey::public_key() const {
  const auto* key = std::get_if<Ed25519Key>(&key_);
  return key == nullptr ? "" : std::string(kPublicPrefix) + Base64Encode(key->public_bytes());
}

Result<WebhookSigner> WebhookSigner::Make(const std::vector<WebhookSecret>& secrets) {
  if (secrets.empty() || secrets.size() > kWebhookSecretsMax) {
    return Wrong("one to " + std::to_string(kWebhookSecretsMax) + " secrets are needed");
  }
  WebhookSigner signer;
  for (const WebhookSecret& secret : secrets) {
    TRY_ASSIGN(WebhookKey key, WebhookKey::ReadSecret(secret.text));
    signer.entries_.push_back({.key = std::move(key), .until_us = secret.until_us});
  }
  return signer;
}

std::string WebhookSigner::Sign(std::string_view id, UnixMicros now_us, std::string_view body) {
  const std::string timestamp = std::to_string(now_us / kMicrosPerSecond);
  std::string out;
  for (Entry& entry : entries_) {
    if (now_us >= entry.until_us) continue;
    if (!out.empty()) out += ' ';
    out += entry.key.Sign(id, timestamp, body);
  }
  return out;
}

Result<WebhookVerifier> WebhookVerifier::Make(const std::vector<std::string>& keys) {
  if (keys.empty() || keys.size() > kWebhookSecretsMax) {
    return Wrong("one to " + std::to_string(kWebhookSecretsMax) + " secrets are needed");
  }
  WebhookVerifier verifier;
  for (const std::string& text : keys) {
    TRY_ASSIGN(WebhookKey key, WebhookKey::ReadForVerifying(text));
    verifier.keys_.push_back(std::move(key));
  }
  return verifier;
}

Status WebhookVerifier::Verify(std::string_view id, std::string_view timestamp,
                               std::string_view signatures, std::string_view body,
                               std::int64_t now_seconds, std::int64_t tolerance_seconds) {
  TRY(CheckTimestamp(timestamp, now_seconds, tolerance_seconds));
  std::string_view rest = signatures;
  for (std::size_t n = 0; n < kSignaturesMax && !rest.empty(); ++n) {
    const std::string_view one = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const auto matches = [&](WebhookKey& key) { return key.Verifies(id, timestamp, body, one); };
    if (std::ranges::any_of(keys_, matches)) return {};
  }
  return Fail(ErrorCode::kDenied, "no signature matches");
}

std::string FormatWebhookSecret(std::string_view random_bytes) {
  return std::string(kSecretPrefix) + Base64Encode(random_bytes);
}

std::string FormatWebhookPrivateKey(std::string_view seed) {
  CHECK(seed.size() == kEd25519KeyBytes);
  return std::string(kPrivatePrefix) + Base64Encode(seed);
}

std::string PublicKeyOfWebhookSecret(std::string_view secret) {
  if (!secret.starts_with(kPrivatePrefix)) return {};
  const auto key = WebhookKey::ReadSecret(secret);
  return key ? key->public_key() : "";
}

}  // namespace tributary::codec
