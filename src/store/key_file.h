// DATA/secret.key: the key under which secrets in the store are sealed. 32 bytes by chance, mode
// 0600, made at the first start. A backup leaves it out: who finds a backup finds no secrets.
#pragma once

#include <string>

#include "base/result.h"
#include "codec/seal.h"
#include "os/fs.h"
#include "os/random.h"

namespace tributary::store {

inline constexpr std::string_view kKeyFileName = "secret.key";

// Reads the key, or makes one, durable before this returns. kCorrupt when the file is there and is
// no key: it is left alone, since the right one may turn up. May block.
Result<codec::SealKey> OpenKeyFile(os::FileSystem& fs, os::Random& random, const std::string& dir);

}  // namespace tributary::store
