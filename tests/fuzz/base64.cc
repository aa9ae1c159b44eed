// Base64: the strict forms have one spelling per value; whatever they accept comes back the same.
#include "codec/base64.h"
#include "base/check.h"

namespace codec = tributary::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto strict = codec::Base64Decode(input, codec::Base64::kStrict);
  if (strict) CHECK(codec::Base64Encode(*strict) == input);
  const auto url = codec::Base64Decode(input, codec::Base64::kUrl);
  if (url) CHECK(codec::Base64UrlEncode(*url) == input);
  const auto lenient = codec::Base64Decode(input, codec::Base64::kLenient);
  if (strict) CHECK(lenient && *lenient == *strict);
  if (url) CHECK(lenient && *lenient == *url);
  CHECK(codec::Base64Decode(codec::Base64Encode(input), codec::Base64::kStrict) == input);
  return 0;
}
