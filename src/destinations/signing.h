// The secrets that sign a destination's requests (Standard Webhooks): the one in force, and old
// ones while receivers change over to it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "codec/standard_webhooks.h"
#include "config/option.h"

namespace tributary::destinations {

inline constexpr std::size_t kOldSecretsMax = codec::kWebhookSecretsMax - 1;

// Each by the time (ISO 8601) at which it stops to sign.
using OldSecrets = std::map<std::string, config::Secret>;

// kInvalid with the field "signing_secret" or "old_signing_secrets.TIME".
Status CheckSigning(const config::Secret& secret, const OldSecrets& olds);

// nullptr when nothing is to be signed. Both were checked.
std::unique_ptr<codec::WebhookSigner> MakeSigner(const config::Secret& secret,
                                                 const OldSecrets& olds);

}  // namespace tributary::destinations
