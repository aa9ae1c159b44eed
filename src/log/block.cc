#include "log/block.h"

#include <array>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "codec/lz4.h"
#include "log/scan.h"
#include "log/segment_header.h"

namespace tributary::log {
namespace {

constexpr std::uint16_t kBlockMagic = 0x4254;  // "TB"
constexpr std::uint8_t kBlockType = 3;         // never a FrameType
constexpr std::string_view kTrailerMagic = "TRIBIDX\n";

enum BlockAt : std::size_t {
  kHeaderCrc = 0,
  kMagic = 4,
  kType = 6,
  kCodec = 7,
  kFirst = 8,
  kEnd = 16,
  kFirstAt = 24,
  kRawBytes = 32,
  kStoredBytes = 36,
  kStoredCrc = 40,
  kRecords = 44,
};
enum TrailerAt : std::size_t {
  kTrailerMagicAt = 0,
  kIndexPosition = 8,
  kEntries = 16,
  kTrailerId = 24,
  kTrailerEnd = 32,
  kTrailerNewest = 40,
  kTrailerRawBytes = 48,
  kIndexCrc = 56,
  kTrailerCrc = 60,
};

std::size_t Padding(std::size_t bytes) {
  return AlignUp(bytes, kFrameAlignment) - bytes;
}

Result<std::string> ReadRange(const os::File& file, std::uint64_t position, std::size_t bytes) {
  std::string out(bytes, '\0');
  TRY_ASSIGN(const std::size_t got, ReadTolerant(file, position, out));
  if (got < bytes) return Fail(ErrorCode::kCorrupt, "the file ends too early");
  return out;
}

Result<Trailer> DecodeTrailer(std::string_view at, FrameSeed seed) {
  if (at.substr(kTrailerMagicAt, kTrailerMagic.size()) != kTrailerMagic ||
      LoadLe<std::uint32_t>(at.data() + kTrailerCrc) != Crc32c(at.substr(0, kTrailerCrc), seed)) {
    return Fail(ErrorCode::kCorrupt, "the trailer of the block index is damaged");
  }
  Trailer trailer;
  trailer.index_position = LoadLe<std::uint64_t>(at.data() + kIndexPosition);
  trailer.entries = LoadLe<std::uint64_t>(at.data() + kEntries);
  trailer.id = LoadLe<SegmentId>(at.data() + kTrailerId);
  trailer.end = LoadLe<Offset>(at.data() + kTrailerEnd);
  trailer.newest_us = LoadLe<UnixMicros>(at.data() + kTrailerNewest);
  trailer.raw_bytes = LoadLe<std::uint64_t>(at.data() + kTrailerRawBytes);
  return trailer;
}

}  // namespace

std::uint64_t BlockHeader::bytes() const {
  return kBlockHeaderBytes + AlignUp(stored_bytes, kFrameAlignment);
}

void EncodeBlock(BlockHeader header, std::string_view stored, FrameSeed seed, std::string& out) {
  const std::size_t start = out.size();
  out.append(kBlockHeaderBytes, '\0');
  out.append(stored);
  out.append(Padding(stored.size()), '\0');
  char* to = out.data() + start;
  StoreLe(to + kMagic, kBlockMagic);
  to[kType] = static_cast<char>(kBlockType);
  to[kCodec] = static_cast<char>(header.codec);
  StoreLe(to + kFirst, header.first);
  StoreLe(to + kEnd, header.end);
  StoreLe(to + kFirstAt, header.first_at_us);
  StoreLe(to + kRawBytes, header.raw_bytes);
  StoreLe(to + kStoredBytes, static_cast<std::uint32_t>(stored.size()));
  StoreLe(to + kStoredCrc, Crc32c(std::string_view(out).substr(start + kBlockHeaderBytes)));
  StoreLe(to + kRecords, header.records);
  StoreLe(to + kHeaderCrc, Crc32c({to + kMagic, kBlockHeaderBytes - kMagic}, seed));
}

Result<BlockHeader> DecodeBlockHeader(std::string_view bytes, FrameSeed seed) {
  const char* at = bytes.data();
  if (bytes.size() < kBlockHeaderBytes || LoadLe<std::uint16_t>(at + kMagic) != kBlockMagic ||
      LoadLe<std::uint32_t>(at) != Crc32c({at + kMagic, kBlockHeaderBytes - kMagic}, seed)) {
    return Fail(ErrorCode::kCorrupt, "a block header does not match its checksum");
  }
  BlockHeader header;
  header.codec = static_cast<BlockCodec>(at[kCodec]);
  if (header.codec != BlockCodec::kZstd && header.codec != BlockCodec::kLz4) {
    return Fail(ErrorCode::kCorrupt, "a block is compressed in a way that is not known");
  }
  header.first = LoadLe<Offset>(at + kFirst);
  header.end = LoadLe<Offset>(at + kEnd);
  header.first_at_us = LoadLe<UnixMicros>(at + kFirstAt);
  header.records = LoadLe<std::uint32_t>(at + kRecords);
  header.raw_bytes = LoadLe<std::uint32_t>(at + kRawBytes);
  header.stored_bytes = LoadLe<std::uint32_t>(at + kStoredBytes);
  header.stored_crc = LoadLe<std::uint32_t>(at + kStoredCrc);
  return header;
}

Status UnpackBlock(const BlockHeader& header, std::string_view stored,
                   codec::ZstdDecompressor& zstd, std::string& frames) {
  if (header.raw_bytes > kFrameBytesMax) {
    return Fail(ErrorCode::kTooLarge, "a block is larger than any record");
  }
  if (header.codec == BlockCodec::kLz4) return codec::Lz4Append(stored, header.raw_bytes, frames);
  const std::size_t before = frames.size();
  TRY(zstd.Append(stored, kFrameBytesMax, frames));
  if (frames.size() - before == header.raw_bytes) return {};
  frames.resize(before);
  return Fail(ErrorCode::kCorrupt, "a block has not the size that its header states");
}

Result<BlockHeader> ReadBlock(const os::File& file, std::uint64_t position, FrameSeed seed,
                              codec::ZstdDecompressor& zstd, std::string& frames) {
  std::array<char, kBlockHeaderBytes> head{};
  TRY_ASSIGN(const std::size_t got, ReadTolerant(file, position, head));
  TRY_ASSIGN(const BlockHeader header, DecodeBlockHeader({head.data(), got}, seed));
  const std::size_t stored = AlignUp(header.stored_bytes, kFrameAlignment);
  TRY_ASSIGN(const std::string bytes, ReadRange(file, position + kBlockHeaderBytes, stored));
  if (Crc32c(bytes) != header.stored_crc) {
    return Fail(ErrorCode::kCorrupt, "a block does not match its checksum");
  }
  TRY(UnpackBlock(header, std::string_view(bytes).substr(0, header.stored_bytes), zstd, frames));
  return header;
}

std::string EncodeIndex(const std::vector<SparseIndex::Entry>& entries, Trailer trailer,
                        FrameSeed seed) {
  std::string out;
  for (const SparseIndex::Entry& entry : entries) {
    AppendLe(out, entry.offset);
    AppendLe(out, entry.at_us);
    AppendLe(out, entry.position);
  }
  const std::uint32_t index_crc = Crc32c(out, seed);
  const std::size_t start = out.size();
  out.append(kTrailerMagic);
  AppendLe(out, trailer.index_position);
  AppendLe(out, static_cast<std::uint64_t>(entries.size()));
  AppendLe(out, trailer.id);
  AppendLe(out, trailer.end);
  AppendLe(out, trailer.newest_us);
  AppendLe(out, trailer.raw_bytes);
  AppendLe(out, index_crc);
  AppendLe(out, Crc32c(std::string_view(out).substr(start), seed));
  CHECK_OP(out.size() - start, ==, kTrailerBytes);
  return out;
}

Result<BlockIndex> ReadBlockIndex(const os::File& file, FrameSeed seed) {
  TRY_ASSIGN(const std::uint64_t size, file.Size());
  if (size < kSegmentHeaderBytes + kTrailerBytes) {
    return Fail(ErrorCode::kCorrupt, "the file ends before the block index");
  }
  TRY_ASSIGN(const std::string tail, ReadRange(file, size - kTrailerBytes, kTrailerBytes));
  BlockIndex index;
  TRY_ASSIGN(index.trailer, DecodeTrailer(tail, seed));
  const std::uint64_t bytes = index.trailer.entries * kIndexEntryBytes;
  if (index.trailer.index_position + bytes + kTrailerBytes != size) {
    return Fail(ErrorCode::kCorrupt, "the block index is not where its trailer says");
  }
  TRY_ASSIGN(const std::string entries, ReadRange(file, index.trailer.index_position, bytes));
  if (Crc32c(entries, seed) != LoadLe<std::uint32_t>(tail.data() + kIndexCrc)) {
    return Fail(ErrorCode::kCorrupt, "the block index does not match its checksum");
  }
  for (std::size_t at = 0; at < entries.size(); at += kIndexEntryBytes) {
    const char* from = entries.data() + at;
    index.entries.push_back(
        {LoadLe<Offset>(from), LoadLe<UnixMicros>(from + 8), LoadLe<std::uint64_t>(from + 16)});
  }
  return index;
}

Result<BlockIndex> ScanBlocks(const os::File& file, FrameSeed seed) {
  TRY_ASSIGN(const std::uint64_t size, file.Size());
  BlockIndex index;
  std::string window;
  std::uint64_t window_at = 0;
  for (std::uint64_t at = kSegmentHeaderBytes; at + kBlockHeaderBytes <= size;) {
    if (window.empty() || at + kBlockHeaderBytes > window_at + window.size()) {
      window_at = at;
      TRY_ASSIGN(window, ReadRange(file, at, std::min<std::uint64_t>(size - at, 256 * 1024)));
    }
    const auto header = DecodeBlockHeader(std::string_view(window).substr(at - window_at), seed);
    if (!header) {
      at += kFrameAlignment;  // damaged, or the index: look for the next block
      continue;
    }
    index.entries.push_back({header->first, header->first_at_us, at});
    at += header->bytes();
  }
  return index;
}

}  // namespace tributary::log
