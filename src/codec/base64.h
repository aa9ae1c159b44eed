// Base64 (RFC 4648): the standard alphabet with padding, and the URL alphabet without.
// Pure functions; thread-safe. Decoding never reads or writes past its input's length × 3 / 4.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tributary::codec {

std::string Base64Encode(std::string_view bytes);     // standard alphabet, padded
std::string Base64UrlEncode(std::string_view bytes);  // '-' and '_', no padding

enum class Base64 {
  // One spelling per value: standard alphabet, whole padding, unused bits zero. For secrets and
  // signatures, where two spellings of the same bytes would be two keys for one thing.
  kStrict,
  kUrl,      // URL alphabet, no padding, unused bits zero
  kLenient,  // either alphabet, padding optional, white space skipped: what people paste
};
// kInvalid says at which byte the text stops being Base64.
Result<std::string> Base64Decode(std::string_view text, Base64 form);

}  // namespace tributary::codec
