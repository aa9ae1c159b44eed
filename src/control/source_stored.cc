#include "control/source_stored.h"

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "config/option_list.h"

namespace tributary::control {
namespace {

using config::SourceSettings;
using ingest::SourceSpec;
using ingest::WriteKey;
using nlohmann::json;

constexpr char kVersionNameOnly = 1;
constexpr char kSourceVersion = 2;

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

int Nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<codec::Sha256Bytes> Digest(std::string_view hex) {
  codec::Sha256Bytes digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = Nibble(hex[2 * i]);
    const int low = Nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return digest;
}

json StoredKey(const WriteKey& key) {
  return {{"id", key.id},
          {"digest", Hex(codec::AsText(*key.digest))},
          {"hint", key.hint},
          {"enabled", key.enabled},
          {"created_at_us", key.created_at_us},
          {"expires_at_us", key.expires_at_us},
          {"scopes", key.scopes}};
}

// What nlohmann throws on a wrong type stays in here; see DecodeSource.
WriteKey LoadKey(const json& stored) {
  WriteKey key;
  key.id = stored.at("id").get<std::string>();
  key.hint = stored.at("hint").get<std::string>();
  key.digest = Digest(stored.at("digest").get_ref<const std::string&>());
  key.enabled = stored.at("enabled").get<bool>();
  key.created_at_us = stored.at("created_at_us").get<UnixMicros>();
  key.expires_at_us = stored.at("expires_at_us").get<UnixMicros>();
  key.scopes = stored.at("scopes").get<ingest::KeyScopes>();
  return key;
}

Result<SourceSpec> LoadSource(const json& stored) {
  TRY_ASSIGN(const SourceSettings settings,
             config::ParseOptions<SourceSettings>(stored.at("options").dump()));
  SourceSpec source = SpecOf(settings);
  source.declared = stored.at("declared").get<bool>();
  source.created_at_us = stored.at("created_at_us").get<UnixMicros>();
  source.deleted_at_us = stored.at("deleted_at_us").get<UnixMicros>();
  for (const json& key : stored.at("keys")) source.write_keys.push_back(LoadKey(key));
  return source;
}

json Time(UnixMicros at_us) {
  return at_us == 0 ? json(nullptr) : json(FormatIso8601(at_us));
}

std::pair<const char*, const char*> StatusOf(const SourceSpec& source) {
  if (source.unlisted) return {"paused", "no longer in the configuration"};
  return source.enabled ? std::pair("active", "") : std::pair("disabled", "enabled is false");
}

}  // namespace

std::string EncodeSource(const SourceSpec& source) {
  json keys = json::array();
  if (!source.declared) {
    for (const WriteKey& key : source.write_keys) keys.push_back(StoredKey(key));
  }
  SourceSettings settings;
  settings.name = source.name;
  if (!source.declared) settings = SettingsOf(source);
  const json stored = {{"name", source.name},
                       {"options", json::parse(config::OptionsText(settings, false))},
                       {"declared", source.declared},
                       {"created_at_us", source.created_at_us},
                       {"deleted_at_us", source.deleted_at_us},
                       {"keys", std::move(keys)}};
  return kSourceVersion + stored.dump();
}

Result<SourceSpec> DecodeSource(log::SourceId id, std::string_view bytes) {
  const auto broken = [&] {
    return Fail(ErrorCode::kCorrupt, "the stored source " + std::to_string(id) + " is broken");
  };
  if (bytes.empty()) return broken();
  SourceSpec source;
  if (bytes.front() == kVersionNameOnly) {
    source.name = bytes.substr(1);
    source.declared = true;
  } else if (bytes.front() == kSourceVersion) {
    try {
      auto loaded = LoadSource(json::parse(bytes.substr(1)));
      if (!loaded) return broken();
      source = *std::move(loaded);
    } catch (const json::exception&) {
      return broken();
    }
  } else {
    return broken();
  }
  source.id = id;
  return source;
}

SourceSpec SpecOf(const SourceSettings& s) {
  SourceSpec spec;
  spec.name = s.name;
  for (const config::Secret& key : s.keys()) spec.write_keys.emplace_back(key.Reveal());
  spec.enabled = s.enabled;
  spec.keyless = s.keyless;
  spec.browser = s.browser;
  spec.ack = s.ack == config::Ack::kDurable ? ingest::Ack::kDurable : ingest::Ack::kApplied;
  spec.event_bytes_max = s.event_bytes_max;
  spec.batch_bytes_max = s.batch_bytes_max;
  return spec;
}

SourceSettings SettingsOf(const SourceSpec& source) {
  SourceSettings s;
  s.name = source.name;
  s.enabled = source.enabled;
  s.keyless = source.keyless;
  s.browser = source.browser;
  s.ack = source.ack == ingest::Ack::kDurable ? config::Ack::kDurable : config::Ack::kApplied;
  s.event_bytes_max = source.event_bytes_max;
  s.batch_bytes_max = source.batch_bytes_max;
  return s;
}

std::string WriteKeyId(const WriteKey& key, std::size_t position) {
  return key.id.empty() ? "config-" + std::to_string(position + 1) : key.id;
}

json WriteKeyJson(const WriteKey& key, std::size_t position, UnixMicros now_us) {
  const bool ended = key.expires_at_us != 0 && key.expires_at_us <= now_us;
  return {{"id", WriteKeyId(key, position)},
          {"key", key.hint},
          {"enabled", key.enabled},
          {"status", ended         ? "expired"
                     : key.enabled ? "active"
                                   : "disabled"},
          {"created_at", Time(key.created_at_us)},
          {"expires_at", Time(key.expires_at_us)},
          {"scopes", ingest::ScopeNames(key.scopes)}};
}

json SourceJson(const SourceSpec& source, UnixMicros now_us) {
  json keys = json::array();
  for (const WriteKey& key : source.write_keys) {
    keys.push_back(WriteKeyJson(key, keys.size(), now_us));
  }
  const auto [status, reason] = StatusOf(source);
  return {{"id", source.id},
          {"name", source.name},
          {"enabled", source.enabled},
          {"keyless", source.keyless},
          {"browser", source.browser},
          {"ack", source.ack == ingest::Ack::kApplied ? "applied" : "durable"},
          {"event_size", source.event_bytes_max},
          {"batch_size", source.batch_bytes_max},
          {"write_keys", std::move(keys)},
          {"declared", source.declared},
          {"created_at", Time(source.created_at_us)},
          {"status", status},
          {"status_reason", reason}};
}

}  // namespace tributary::control
