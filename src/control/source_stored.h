// Sources as the store keeps them and as the API shows them.
//
// At keys::Source(id): the byte 2 and a JSON object {"name","options" (as in the configuration,
// without keys),"declared","created_at_us","deleted_at_us","keys":[{"id","digest" (hex of the
// SHA-256),"hint","enabled","created_at_us","expires_at_us","scopes"}]}. The byte 1 and a name: a
// source of the configuration, as the first version wrote it. A source of the configuration has
// its name and number here, and nothing that the file says.
//
// Pure functions; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "ingest/source_directory.h"

namespace tributary::control {

std::string EncodeSource(const ingest::SourceSpec& source);
// kCorrupt for anything else than EncodeSource or the first version wrote.
Result<ingest::SourceSpec> DecodeSource(log::SourceId id, std::string_view bytes);

// What the configuration, or a body of the API, says; id, keys and times are the caller's.
ingest::SourceSpec SpecOf(const config::SourceSettings& settings);
// The other way round, without keys: what a PATCH is laid over.
config::SourceSettings SettingsOf(const ingest::SourceSpec& source);

// The object that the API shows; keys as their hints.
nlohmann::json SourceJson(const ingest::SourceSpec& source, UnixMicros now_us);
// `position`: of the key in its source, which names a key of the configuration.
nlohmann::json WriteKeyJson(const ingest::WriteKey& key, std::size_t position, UnixMicros now_us);
// "config-1" for the first key of the configuration, else the key's own.
std::string WriteKeyId(const ingest::WriteKey& key, std::size_t position);

}  // namespace tributary::control
