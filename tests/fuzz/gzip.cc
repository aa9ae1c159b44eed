// Inflate: never more out than the cap, whatever comes in; and what we packed comes back.
#include "codec/gzip.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 64 * 1024) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t kCap = 100'000;
  std::string out;
  if (tributary::codec::Inflate(input, kCap, out)) CHECK(out.size() <= kCap);
  CHECK(out.capacity() <= 2 * kCap);
  CHECK(tributary::codec::Inflate(tributary::codec::GzipCompress(input, 1), size, out));
  CHECK(out == input);
  return 0;
}
