// Rotation of signing secrets: a change like a PATCH, whose patch is made here.
#include <array>
#include <nlohmann/json.hpp>

#include "codec/standard_webhooks.h"
#include "deliver/engine_impl.h"

namespace tributary::deliver {

using nlohmann::json;

namespace {

constexpr const char* kOld = "old_signing_secrets";

struct RotationRequest {
  config::Secret signing_secret;
  MonoNanos overlap_ns = kRotationOverlapDefault;
  static void Describe(config::OptionList<RotationRequest>& o) {
    o.Optional(kSigningSecret, &RotationRequest::signing_secret, "The new one.");
    o.Duration("overlap", &RotationRequest::overlap_ns, "How long the old one signs too.",
               {.min = 0, .max = kRotationOverlapMax});
  }
};

std::string MakeSecret(os::Random& random, bool asymmetric) {
  std::array<unsigned char, codec::kEd25519KeyBytes> bytes;
  random.Fill(bytes);
  return asymmetric ? codec::FormatWebhookPrivateKey(codec::AsText(bytes))
                    : codec::FormatWebhookSecret(codec::AsText(bytes));
}

// Drops what has ended, and adds the secret that was in force. Its name is the time at which it
// ends: the next millisecond when that is taken.
Result<json> OldSecrets(const json& before, UnixMicros now_us, MonoNanos overlap_ns) {
  json patch = json::object();
  std::size_t left = 0;
  for (const auto& [until, unused] : before[kOld].items()) {
    const bool ended = ParseIso8601(until).value_or(0) <= now_us;
    if (ended) patch[until] = nullptr;
    left += ended ? 0 : 1;
  }
  const json& secret = before[kSigningSecret];
  const bool none = !secret.is_string() || secret.get_ref<const std::string&>().empty();
  if (none || overlap_ns == 0) return patch;
  if (left >= kOldSigningSecretsMax) {
    return Fail(ErrorCode::kConflict, kOld,
                "there are " + std::to_string(left) +
                    " old secrets that still sign, the most; remove one of " + kOld + " first");
  }
  UnixMicros until_us = now_us + overlap_ns / 1000;
  while (before[kOld].contains(FormatIso8601(until_us))) until_us += 1000;
  patch[FormatIso8601(until_us)] = before[kSigningSecret];
  return patch;
}

}  // namespace

Result<Spec> EngineImpl::Rotated(const Entry& entry, std::string_view request,
                                 std::string& made) const {
  TRY_ASSIGN(const auto wanted,
             config::ParseOptions<RotationRequest>(request.empty() ? "{}" : request));
  if (!entry.lost.empty()) {
    return Fail(ErrorCode::kConflict, kSigningSecret,
                "the secrets were sealed under a key file that is gone: enter them again by PATCH");
  }
  const Spec& old = entry.spec;
  const json before = reader_.Write(old, false);
  if (!before.contains(kSigningSecret) || !before.contains(kOld)) {
    return Fail(ErrorCode::kInvalid, "type",
                "destinations of type " + std::string(old.type->name) + " sign nothing");
  }
  const auto secret_before = before[kSigningSecret].get<std::string>();
  std::string secret = wanted.signing_secret.Reveal();
  if (secret.empty()) {
    const bool asymmetric = !codec::PublicKeyOfWebhookSecret(secret_before).empty();
    secret = made = MakeSecret(*world_.random, asymmetric);
  } else if (secret == secret_before) {
    return Fail(ErrorCode::kInvalid, kSigningSecret, "signing_secret is the one in force already");
  }
  TRY_ASSIGN(const json olds, OldSecrets(before, world_.clock->Now(), wanted.overlap_ns));
  return reader_.Patch(old, json{{kSigningSecret, secret}, {kOld, olds}}.dump());
}

void EngineImpl::RotateSecret(std::string name, std::string request, Done<std::string> done,
                              std::string who) {
  auto made = std::make_shared<std::string>();
  auto answer = [made, done = std::move(done)](Result<Replaced> result) mutable {
    if (!result) return done(std::unexpected(std::move(result).error()));
    json shown = json::parse(result->json);
    if (!made->empty()) shown[kSigningSecret] = *made;
    done(shown.dump());
  };
  Enqueue([this, name = std::move(name), request = std::move(request), made, who = std::move(who),
           answer = std::move(answer)](const Status& go, Finish finish) mutable {
    if (!go) {
      answer(std::unexpected(go.error()));
      finish();
      return;
    }
    ChangeNow(
        name,
        [this, request = std::move(request), made](const Entry& entry) {
          return Rotated(entry, request, *made);
        },
        std::move(who), std::move(answer), std::move(finish));
  });
}

}  // namespace tributary::deliver
