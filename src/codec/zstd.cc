#include "codec/zstd.h"

#include <zstd.h>

#include "base/check.h"

namespace tributary::codec {

ZstdCompressor::ZstdCompressor(int level) : context_(ZSTD_createCCtx()) {
  CHECK(context_ != nullptr);
  CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level)));
  CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1)));
}
ZstdCompressor::~ZstdCompressor() {
  ZSTD_freeCCtx(context_);
}

void ZstdCompressor::Compress(std::string_view block, std::string& out) {
  out.resize(ZSTD_compressBound(block.size()));
  const std::size_t size =
      ZSTD_compress2(context_, out.data(), out.size(), block.data(), block.size());
  CHECK(!ZSTD_isError(size));  // with room for the bound only a lack of memory is left
  out.resize(size);
}

ZstdDecompressor::ZstdDecompressor() : context_(ZSTD_createDCtx()) {
  CHECK(context_ != nullptr);
}
ZstdDecompressor::~ZstdDecompressor() {
  ZSTD_freeDCtx(context_);
}

Status ZstdDecompressor::Decompress(std::string_view frame, std::size_t out_bytes_max,
                                    std::string& out) {
  out.clear();
  return Append(frame, out_bytes_max, out);
}

Status ZstdDecompressor::Append(std::string_view frame, std::size_t out_bytes_max,
                                std::string& out) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return Fail(ErrorCode::kCorrupt, "no zstd frame that states its size");
  }
  if (size > out_bytes_max) {
    return Fail(ErrorCode::kTooLarge, "the zstd frame holds " + std::to_string(size) +
                                          " bytes, more than " + std::to_string(out_bytes_max));
  }
  const std::size_t frame_bytes = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(frame_bytes) || frame_bytes != frame.size()) {
    return Fail(ErrorCode::kCorrupt, "the zstd frame is truncated or has bytes after its end");
  }
  const std::size_t before = out.size();
  bool whole = false;
  out.resize_and_overwrite(before + size, [&](char* to, std::size_t) {
    const std::size_t made =
        ZSTD_decompressDCtx(context_, to + before, size, frame.data(), frame.size());
    whole = !ZSTD_isError(made) && made == size;
    return whole ? before + size : before;
  });
  if (!whole) return Fail(ErrorCode::kCorrupt, "the zstd frame is damaged");
  return {};
}

}  // namespace tributary::codec
