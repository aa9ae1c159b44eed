// A destination's specification on its way into the store and back: its secrets are sealed.
//
// Stored members: "spec" (options as the API shows them, "***" for secrets), "secrets" (JSON
// pointers of those), "sealed" (Base64 of the sealed object pointer → value, bound to the
// destination), "rule" (as compiled). Without "sealed" the specification is plain: there was no
// secret, or the first version wrote it.
//
// When the seal does not open (the key file is gone, or another), the secrets are lost: the
// specification comes back without them, and the destination must not send until they are entered
// again. Thread-safe.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "codec/seal.h"
#include "deliver/spec.h"
#include "deliver/stored.h"

namespace tributary::deliver {

class SpecVault {
 public:
  // `sealer` may be nullptr: secrets are stored as they are (simulations).
  SpecVault(const SpecReader& reader, const codec::Sealer* sealer)
      : reader_(reader), sealer_(sealer) {}

  void Put(const Spec& spec, DestinationId id, nlohmann::json& into) const;
  struct Opened {
    Spec spec;
    std::vector<std::string> lost;  // JSON pointers of secrets that did not open
  };
  Result<Opened> Take(const nlohmann::json& stored, DestinationId id) const;

 private:
  const SpecReader& reader_;
  const codec::Sealer* const sealer_;
};

// Whether a change says something about each lost secret: with `replace`, everything but "***"
// does.
bool EntersAgain(const std::vector<std::string>& lost, std::string_view json_text, bool replace);
// "headers.Authorization, signing_secret": how people call those places.
std::string PlacesOf(const std::vector<std::string>& pointers);

}  // namespace tributary::deliver
