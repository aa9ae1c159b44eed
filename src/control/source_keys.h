// What the API does with the write keys of one source. Pure functions but for chance and time; the
// registry makes what they change durable.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "ingest/source_directory.h"
#include "os/random.h"

namespace tributary::control {

// Of a key that a caller brings along, so that apps in the field need not be built anew.
inline constexpr std::size_t kGivenKeyBytesMax = 256;

// JSON Schemas of the bodies that AddKeyTo and RotateKeysOf take.
std::string NewWriteKeySchema();
std::string RotateKeysSchema();

struct SourceChanged {
  std::string json;  // what the API answers; empty: nothing
  bool created = false;
};

std::string NewPlainKey(os::Random& random);  // 192 bits
std::string NewKeyId(os::Random& random);
// kInvalid unless it is visible ASCII without ':' (which ends the user name of Basic) of at most
// kGivenKeyBytesMax bytes.
Status CheckGivenKey(std::string_view key, const std::string& field);

// {"scopes"?: […], "key"?: "…", "expires_at"?: TIME}. The answer alone shows the key whole.
Result<SourceChanged> AddKeyTo(ingest::SourceSpec& source, std::string_view body, UnixMicros now_us,
                               os::Random& random);
// {"overlap"?: "24h", "scopes"?: […]}: a new key, with the scopes of the newest one unless told
// otherwise; every other key ends after the overlap, or when it would have ended anyway.
Result<SourceChanged> RotateKeysOf(ingest::SourceSpec& source, std::string_view body,
                                   UnixMicros now_us, os::Random& random);
Result<SourceChanged> EnableKeyOf(ingest::SourceSpec& source, std::string_view key_id, bool enabled,
                                  UnixMicros now_us);
Result<SourceChanged> DeleteKeyOf(ingest::SourceSpec& source, std::string_view key_id);

}  // namespace tributary::control
