#include "deliver/spec_vault.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/logging.h"
#include "codec/base64.h"
#include "config/option.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

constexpr const char* kLost = "lost";  // stands where an option must not be empty

std::string ContextOf(DestinationId id) {
  return "destination/" + std::to_string(id);
}

// Whatever the API does not show as it is.
void Collect(const json& plain, const json& shown, const Pointer& at, json& secrets) {
  if (plain.is_object() && shown.is_object()) {
    for (const auto& [key, value] : shown.items()) {
      if (plain.contains(key)) Collect(plain[key], value, at / key, secrets);
    }
  } else if (plain.is_array() && shown.is_array() && plain.size() == shown.size()) {
    for (std::size_t i = 0; i < plain.size(); ++i) Collect(plain[i], shown[i], at / i, secrets);
  } else if (plain != shown) {
    secrets[at.to_string()] = plain;
  }
}

Result<json> OpenSealed(const json& stored, const codec::Sealer* sealer, DestinationId id) {
  if (sealer == nullptr) return Fail(ErrorCode::kDenied, "there is no key");
  TRY_ASSIGN(const std::string sealed,
             codec::Base64Decode(stored.value("sealed", ""), codec::Base64::kUrl));
  TRY_ASSIGN(const std::string text, sealer->Open(sealed, ContextOf(id)));
  json secrets = json::parse(text, nullptr, false);
  if (!secrets.is_object()) return Fail(ErrorCode::kCorrupt, "the sealed object is broken");
  return secrets;
}

json With(json spec, const std::vector<std::string>& pointers, const json& value) {
  // From the last on: an entry of a list that goes does not move those before it.
  for (auto it = pointers.rbegin(); it != pointers.rend(); ++it) spec[Pointer(*it)] = value;
  return spec;
}

}  // namespace

void SpecVault::Put(const Spec& spec, DestinationId id, json& into) const {
  const json plain = reader_.Write(spec, false);
  into["rule"] = spec.rule.stored;
  into["spec"] = plain;
  if (sealer_ == nullptr) return;
  json shown = reader_.Write(spec, true);
  json secrets = json::object();
  Collect(plain, shown, Pointer(), secrets);
  if (secrets.empty()) return;
  into["spec"] = std::move(shown);
  for (const auto& [pointer, value] : secrets.items()) into["secrets"].push_back(pointer);
  into["sealed"] = codec::Base64UrlEncode(sealer_->Seal(secrets.dump(), ContextOf(id)));
}

Result<SpecVault::Opened> SpecVault::Take(const json& stored, DestinationId id) const {
  json object = stored.value("spec", json::object());
  const std::string rule = stored.value("rule", "");
  Opened opened;
  if (!stored.contains("sealed")) {
    TRY_ASSIGN(opened.spec, reader_.Load(object, rule));
    return opened;
  }
  const auto secrets = OpenSealed(stored, sealer_, id);
  if (secrets) {
    for (const auto& [pointer, value] : secrets->items()) object[Pointer(pointer)] = value;
    TRY_ASSIGN(opened.spec, reader_.Load(object, rule));
    return opened;
  }
  LogWarn("secrets_lost",
          {{"destination", std::to_string(id)}, {"reason", secrets.error().message()}});
  opened.lost = stored.value("secrets", std::vector<std::string>{});
  auto spec = reader_.Load(With(object, opened.lost, nullptr), rule);
  if (!spec) spec = reader_.Load(With(object, opened.lost, kLost), rule);
  if (!spec) return Fail(spec.error());
  opened.spec = *std::move(spec);
  return opened;
}

bool EntersAgain(const std::vector<std::string>& lost, std::string_view json_text, bool replace) {
  const json object = json::parse(json_text, nullptr, false);
  if (!object.is_object()) return true;  // the reader says what is wrong with it
  return std::ranges::all_of(lost, [&](const std::string& pointer) {
    const Pointer at(pointer);
    if (!object.contains(at)) return replace;
    return object[at] != std::string(config::kRedacted);
  });
}

std::string PlacesOf(const std::vector<std::string>& pointers) {
  std::string places;
  for (const std::string& pointer : pointers) {
    std::string place = pointer.substr(pointer.starts_with('/') ? 1 : 0);
    std::ranges::replace(place, '/', '.');
    places += (places.empty() ? "" : ", ") + place;
  }
  return places;
}

}  // namespace tributary::deliver
