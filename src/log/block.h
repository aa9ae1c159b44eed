// Blocks: what a recompressed segment consists of. Each is a run of whole record frames of at most
// kBlockBytesMax (one bigger record has a block to itself), compressed by itself with lz4 or zstd,
// so that one damaged byte costs one block at most. Behind the blocks stands an index of them, and
// a trailer that says where. The frames keep their own checksums. Layout: FORMAT.md.
//
// The index can be rebuilt from the block headers, so damage to it loses nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/zstd.h"
#include "log/frame.h"
#include "log/sparse_index.h"
#include "os/fs.h"

namespace tributary::log {

inline constexpr std::size_t kBlockBytesMax = 64 * 1024;
inline constexpr std::size_t kBlockHeaderBytes = 48;
inline constexpr std::size_t kIndexEntryBytes = 24;
inline constexpr std::size_t kTrailerBytes = 64;

// The values are on disk; one more needs a new version of compressed segments.
enum class BlockCodec : std::uint8_t { kZstd = 0, kLz4 = 1 };

struct BlockHeader {
  BlockCodec codec = BlockCodec::kZstd;
  Offset first = 0;
  Offset end = 0;  // one past the last record
  UnixMicros first_at_us = 0;
  std::uint32_t records = 0;
  std::uint32_t raw_bytes = 0;     // of the frames
  std::uint32_t stored_bytes = 0;  // compressed, without padding
  std::uint32_t stored_crc = 0;    // over the compressed bytes and their padding

  std::uint64_t bytes() const;  // of the whole block in the file
};

// Appends header, compressed bytes and padding. What `header` says of the latter is filled in.
void EncodeBlock(BlockHeader header, std::string_view stored, FrameSeed seed, std::string& out);
// kCorrupt when no block header stands at the beginning of `bytes`.
Result<BlockHeader> DecodeBlockHeader(std::string_view bytes, FrameSeed seed);

// Appends the raw frames that are compressed in `stored`, whose header is given. kCorrupt when
// these are not exactly so many bytes as the header states; `frames` is then as it was.
Status UnpackBlock(const BlockHeader& header, std::string_view stored,
                   codec::ZstdDecompressor& zstd, std::string& frames);

// Reads and decompresses the block at `position`; the raw frames are appended to `frames`, which is
// as it was after an error. kCorrupt when any byte of the block is damaged.
Result<BlockHeader> ReadBlock(const os::File& file, std::uint64_t position, FrameSeed seed,
                              codec::ZstdDecompressor& zstd, std::string& frames);

struct Trailer {
  std::uint64_t index_position = 0;
  std::uint64_t entries = 0;
  SegmentId id = 0;
  Offset end = 0;
  UnixMicros newest_us = 0;
  std::uint64_t raw_bytes = 0;  // of all frames together
};
// Index and trailer, as they stand at the end of the file.
std::string EncodeIndex(const std::vector<SparseIndex::Entry>& entries, Trailer trailer,
                        FrameSeed seed);
struct BlockIndex {
  Trailer trailer;
  std::vector<SparseIndex::Entry> entries;
};
Result<BlockIndex> ReadBlockIndex(const os::File& file, FrameSeed seed);

// The same from the block headers, past damaged ones; the trailer's fields stay empty.
Result<BlockIndex> ScanBlocks(const os::File& file, FrameSeed seed);

}  // namespace tributary::log
