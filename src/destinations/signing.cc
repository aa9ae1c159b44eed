#include "destinations/signing.h"

#include <algorithm>

#include "base/time.h"

namespace tributary::destinations {
namespace {

Status CheckSecret(const std::string& field, const config::Secret& secret) {
  const auto key = codec::WebhookKey::ReadSecret(secret.Reveal());
  if (key) return {};
  return Fail(ErrorCode::kInvalid, field, field + ": " + key.error().message());
}

}  // namespace

Status CheckSigning(const config::Secret& secret, const OldSecrets& olds) {
  const std::string name = "old_signing_secrets";
  if (secret.empty()) {
    if (olds.empty()) return {};
    return Fail(ErrorCode::kInvalid, "signing_secret",
                "signing_secret is needed where " + name + " are given");
  }
  TRY(CheckSecret("signing_secret", secret));
  if (olds.size() > kOldSecretsMax) {
    return Fail(ErrorCode::kInvalid, name,
                name + " must have at most " + std::to_string(kOldSecretsMax) + " entries");
  }
  for (const auto& [until, old] : olds) {
    const std::string field = name + "." + until;
    if (!ParseIso8601(until)) {
      return Fail(ErrorCode::kInvalid, field,
                  field +
                      " must be named by the time at which it ends, such as "
                      "2026-01-31T12:00:00Z");
    }
    TRY(CheckSecret(field, old));
  }
  return {};
}

std::unique_ptr<codec::WebhookSigner> MakeSigner(const config::Secret& secret,
                                                 const OldSecrets& olds) {
  if (secret.empty()) return nullptr;
  std::vector<codec::WebhookSecret> secrets;
  for (const auto& [until, old] : olds) {
    secrets.push_back({.text = old.Reveal(), .until_us = ParseIso8601(until).value_or(0)});
  }
  // What ends last was in force last.
  std::ranges::stable_sort(secrets, std::greater{}, &codec::WebhookSecret::until_us);
  secrets.insert(secrets.begin(), {.text = secret.Reveal()});
  auto signer = codec::WebhookSigner::Make(secrets);
  return signer ? std::make_unique<codec::WebhookSigner>(std::move(*signer)) : nullptr;
}

}  // namespace tributary::destinations
