#include "codec/lz4.h"

#include <lz4.h>

#include "base/check.h"

namespace tributary::codec {
namespace {

constexpr std::size_t kBytesMax = 1ULL << 30;  // lz4 counts in int

}  // namespace

void Lz4Compress(std::string_view bytes, std::string& out) {
  CHECK(bytes.size() <= kBytesMax);
  const int size = static_cast<int>(bytes.size());
  const int bound = LZ4_compressBound(size);
  out.resize_and_overwrite(static_cast<std::size_t>(bound), [&](char* to, std::size_t) {
    const int made = LZ4_compress_default(bytes.data(), to, size, bound);
    CHECK(made > 0);  // there is room for the worst case
    return static_cast<std::size_t>(made);
  });
}

Status Lz4Append(std::string_view block, std::size_t raw_bytes, std::string& out) {
  if (raw_bytes > kBytesMax || block.size() > kBytesMax) {
    return Fail(ErrorCode::kCorrupt, "the lz4 block is larger than any that is made");
  }
  const std::size_t before = out.size();
  bool whole = false;
  out.resize_and_overwrite(before + raw_bytes, [&](char* to, std::size_t) {
    const int made = LZ4_decompress_safe(block.data(), to + before, static_cast<int>(block.size()),
                                         static_cast<int>(raw_bytes));
    whole = made >= 0 && static_cast<std::size_t>(made) == raw_bytes;
    return whole ? before + raw_bytes : before;
  });
  if (!whole) return Fail(ErrorCode::kCorrupt, "the lz4 block is damaged");
  return {};
}

}  // namespace tributary::codec
