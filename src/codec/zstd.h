// Zstandard blocks: one frame each, with the content size and a checksum in the frame. Used for
// data at rest; decompression takes a cap all the same, because what is read back may be damaged.
//
// A compressor or decompressor belongs to one thread at a time and reuses its memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace tributary::codec {

class ZstdCompressor {
 public:
  explicit ZstdCompressor(int level = 3);
  ~ZstdCompressor();
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;

  // Replaces `out`, which keeps its capacity.
  void Compress(std::string_view block, std::string& out);

 private:
  ZSTD_CCtx_s* context_;
};

class ZstdDecompressor {
 public:
  ZstdDecompressor();
  ~ZstdDecompressor();
  ZstdDecompressor(const ZstdDecompressor&) = delete;
  ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

  // Replaces `out`. kTooLarge: the frame says, before anything is allocated, that it holds more
  // than `out_bytes_max`; kCorrupt: no such frame, damaged, truncated, or bytes after its end.
  Status Decompress(std::string_view frame, std::size_t out_bytes_max, std::string& out);
  // The same at the end of `out`, which is as it was after an error.
  Status Append(std::string_view frame, std::size_t out_bytes_max, std::string& out);

 private:
  ZSTD_DCtx_s* context_;
};

}  // namespace tributary::codec
