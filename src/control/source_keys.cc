#include "control/source_keys.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "config/json_schema.h"
#include "config/option_list.h"
#include "control/source_stored.h"

namespace tributary::control {
namespace {

using ingest::SourceSpec;
using ingest::WriteKey;
using nlohmann::json;

constexpr std::int64_t kDayNanos = 86'400 * kNanosPerSecond;
constexpr std::int64_t kScopesMax = 16;

struct KeyOptions {
  std::vector<std::string> scopes;
  config::Secret key;
  std::string expires_at;
  static void Describe(config::OptionList<KeyOptions>& o) {
    o.Optional("scopes", &KeyOptions::scopes,
               "What it may bring in: event types, and `import`. Empty: everything.",
               {.max = kScopesMax});
    o.Optional("key", &KeyOptions::key, "The key itself; empty: one is made.");
    o.Optional("expires_at", &KeyOptions::expires_at, "When it ends; empty: never.");
  }
};

struct RotateOptions {
  MonoNanos overlap_ns = kDayNanos;
  std::vector<std::string> scopes;
  static void Describe(config::OptionList<RotateOptions>& o) {
    o.Duration("overlap", &RotateOptions::overlap_ns, "How long the keys until now stay good.",
               {.min = 0, .max = 366 * kDayNanos});
    o.Optional("scopes", &RotateOptions::scopes, "Of the new key; empty: those of the newest.",
               {.max = kScopesMax});
  }
};

// Calls without a body mean the defaults.
std::string_view OrEmptyObject(std::string_view body) {
  return body.empty() ? "{}" : body;
}

std::string Bytes(os::Random& random, std::size_t count) {
  std::string bytes(count, '\0');
  random.Fill({reinterpret_cast<unsigned char*>(bytes.data()), bytes.size()});
  return bytes;
}

Result<UnixMicros> TimeToCome(const std::string& text, UnixMicros now_us) {
  const auto at = ParseIso8601(text);
  if (!at) {
    return Fail(ErrorCode::kInvalid, "expires_at",
                "expires_at must be a time such as 2026-01-31T12:00:00Z");
  }
  if (*at <= now_us) return Fail(ErrorCode::kInvalid, "expires_at", "expires_at is over already");
  return *at;
}

SourceChanged Answer(const SourceSpec& source, const std::string& plain, UnixMicros now_us) {
  json answer = WriteKeyJson(source.write_keys.back(), source.write_keys.size() - 1, now_us);
  answer["key"] = plain;
  return {.json = answer.dump(), .created = true};
}

Result<std::size_t> PositionOf(const SourceSpec& source, std::string_view key_id) {
  for (std::size_t i = 0; i < source.write_keys.size(); ++i) {
    if (WriteKeyId(source.write_keys[i], i) == key_id) return i;
  }
  return Fail(ErrorCode::kNotFound, "id",
              "source \"" + source.name + "\" has no write key of that id");
}

}  // namespace

std::string NewWriteKeySchema() {
  return config::schema::OptionsToWrite(config::OptionList<KeyOptions>::Specs());
}

std::string RotateKeysSchema() {
  return config::schema::OptionsToWrite(config::OptionList<RotateOptions>::Specs());
}

std::string NewPlainKey(os::Random& random) {
  return "wk_" + codec::Base64UrlEncode(Bytes(random, 24));
}

std::string NewKeyId(os::Random& random) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id = "key_";
  for (const char c : Bytes(random, 8)) {
    id += kDigits[static_cast<unsigned char>(c) >> 4];
    id += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return id;
}

Status CheckGivenKey(std::string_view key, const std::string& field) {
  const bool visible =
      std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7F && c != ':'; });
  if (visible && !key.empty() && key.size() <= kGivenKeyBytesMax) return {};
  return Fail(ErrorCode::kInvalid, field,
              field + " must be 1 to " + std::to_string(kGivenKeyBytesMax) +
                  " bytes of visible ASCII without spaces and ':'");
}

Result<SourceChanged> AddKeyTo(SourceSpec& source, std::string_view body, UnixMicros now_us,
                               os::Random& random) {
  TRY_ASSIGN(const KeyOptions options, config::ParseOptions<KeyOptions>(OrEmptyObject(body)));
  TRY_ASSIGN(const ingest::KeyScopes scopes, ingest::ScopesOf(options.scopes));
  std::string plain = options.key.Reveal();
  if (plain.empty()) plain = NewPlainKey(random);
  TRY(CheckGivenKey(plain, "key"));
  WriteKey key(plain);
  if (!options.expires_at.empty()) {
    TRY_ASSIGN(key.expires_at_us, TimeToCome(options.expires_at, now_us));
  }
  key.id = NewKeyId(random);
  key.created_at_us = now_us;
  key.scopes = scopes;
  source.write_keys.push_back(std::move(key));
  return Answer(source, plain, now_us);
}

Result<SourceChanged> RotateKeysOf(SourceSpec& source, std::string_view body, UnixMicros now_us,
                                   os::Random& random) {
  TRY_ASSIGN(const RotateOptions options, config::ParseOptions<RotateOptions>(OrEmptyObject(body)));
  TRY_ASSIGN(ingest::KeyScopes scopes, ingest::ScopesOf(options.scopes));
  if (options.scopes.empty() && !source.write_keys.empty()) {
    scopes = source.write_keys.back().scopes;
  }
  const UnixMicros end_us = now_us + options.overlap_ns / 1000;
  for (WriteKey& key : source.write_keys) {
    if (key.expires_at_us == 0 || key.expires_at_us > end_us) key.expires_at_us = end_us;
  }
  const std::string plain = NewPlainKey(random);
  WriteKey key(plain);
  key.id = NewKeyId(random);
  key.created_at_us = now_us;
  key.scopes = scopes;
  source.write_keys.push_back(std::move(key));
  return Answer(source, plain, now_us);
}

Result<SourceChanged> EnableKeyOf(SourceSpec& source, std::string_view key_id, bool enabled,
                                  UnixMicros now_us) {
  TRY_ASSIGN(const std::size_t at, PositionOf(source, key_id));
  WriteKey& key = source.write_keys[at];
  if (enabled && key.expires_at_us != 0 && key.expires_at_us <= now_us) {
    return Fail(ErrorCode::kConflict, "id", "the time of this key is over; make a new one");
  }
  key.enabled = enabled;
  return SourceChanged{.json = WriteKeyJson(key, at, now_us).dump()};
}

Result<SourceChanged> DeleteKeyOf(SourceSpec& source, std::string_view key_id) {
  TRY_ASSIGN(const std::size_t at, PositionOf(source, key_id));
  source.write_keys.erase(source.write_keys.begin() + static_cast<std::ptrdiff_t>(at));
  return SourceChanged{};
}

}  // namespace tributary::control
