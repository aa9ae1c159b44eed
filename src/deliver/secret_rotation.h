// A sub-door of the engine: new signing secrets whose predecessors go on signing for a while, so
// that receivers can change over without losing a request.
//
// It works on two options by their names, whatever the type: `signing_secret`, and
// `old_signing_secrets`, a map from the time at which a secret stops to sign to that secret.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace tributary::deliver {

inline constexpr MonoNanos kRotationOverlapDefault = 24 * 3600 * kNanosPerSecond;
inline constexpr MonoNanos kRotationOverlapMax = 30 * kRotationOverlapDefault;
inline constexpr std::size_t kOldSigningSecretsMax = 10;

class SecretRotation {
 public:
  virtual ~SecretRotation() = default;

  // `request`: "" or {"signing_secret"?,"overlap"?} (default 24h, at most 30d; "0s": the old one
  // ends at once). Without a secret one is made, of the kind of the old one (whsec_ or whsk_).
  // Answers with the destination's JSON, in which a secret that was made here is shown, this once.
  // `who`: for the history of the destination. Durable and in force before `done`. Errors as
  // Engine::Patch(); besides: kInvalid when the type signs nothing or the secret is the one in
  // force, kConflict past kOldSigningSecretsMax.
  virtual void RotateSecret(std::string name, std::string request,
                            std::move_only_function<void(Result<std::string>)> done,
                            std::string who) = 0;
};

}  // namespace tributary::deliver
