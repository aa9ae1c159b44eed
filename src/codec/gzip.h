// gzip (RFC 1952, several members) and zlib (RFC 1950), inflated under a cap: nothing is allocated
// past it, so that a bomb costs its reader no more than an honest body (RELIABILITY.md B6).
//
// Thread-safe. Work is bounded by the input's length, `out_bytes_max` and kGzipMembersMax.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tributary::codec {

inline constexpr std::size_t kGzipMembersMax = 1000;

// Starts with 1F 8B: some SDKs send gzip and do not say so (collection-api.md section 3).
bool LooksLikeGzip(std::string_view bytes);

// The form is told from the first bytes. `out` is overwritten and keeps its capacity, so that one
// string can serve many bodies. kTooLarge: more than `out_bytes_max` bytes would come out;
// kInvalid: truncated, damaged, neither form, or bytes after the end that are no further member.
Status Inflate(std::string_view bytes, std::size_t out_bytes_max, std::string& out);

std::string GzipCompress(std::string_view bytes, int level = 6);
std::string ZlibCompress(std::string_view bytes, int level = 6);

}  // namespace tributary::codec
