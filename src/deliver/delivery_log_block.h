// Attempts in memory, and a block of them as it lies in a file of the delivery log: a header that
// tells which pairs it speaks of, then columns, compressed (docs/specs/delivery-log.md).
// Pure; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/zstd.h"
#include "deliver/stored.h"

namespace tributary::deliver {

struct AttemptRow {
  std::int64_t at_ms = 0;
  std::uint64_t offset = 0;
  LaneId lane = 0;
  std::uint32_t partition = 0;
  std::uint32_t number = 0;
  std::uint32_t duration_ms = 0;
  std::uint32_t revision = 0;
  std::uint32_t text = 0;  // 1 + its place among the texts; 0: none
  std::uint16_t status = 0;
  // Successes at the first attempt lie apart: their offsets are dense, so that one block in a
  // thousand has to be looked into for a pair. Those of retries are spread over hours.
  bool plain() const { return number == 1 && text == 0; }
};

struct AttemptRows {
  struct Text {
    std::string error;
    std::string response;
  };
  std::vector<AttemptRow> rows;
  std::vector<Text> texts;
  std::size_t text_bytes = 0;

  void Add(LaneId lane, Position at, const StoredAttempt& attempt);
  void Append(const AttemptRows& other);
  StoredAttempt At(std::size_t i) const;
  // Plain ones first, then by lane, place and number.
  void Sort();
  void Clear();
};

// What a block says of the pairs in it.
struct BlockGroup {
  LaneId lane = 0;
  std::uint32_t partition = 0;
  std::uint64_t first = 0;  // lowest offset
  std::uint64_t last = 0;   // highest
};
struct BlockHeader {
  std::uint32_t header_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t payload_crc = 0;
  std::uint32_t rows = 0;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  std::vector<BlockGroup> groups;  // runs of rows of one lane and partition
  std::uint64_t bytes() const { return std::uint64_t{header_bytes} + payload_bytes; }
  bool Has(LaneId lane, Position at) const;
};

inline constexpr std::string_view kBlockMagic = "DLB1";  // what each begins with
inline constexpr std::size_t kBlockFixedBytes = 48;      // of a header: the part before the groups
inline constexpr std::size_t kBlockGroupBytes = 24;
inline constexpr std::uint32_t kBlockPayloadMax = 256U << 20;

// Header and payload of rows [first, end).
std::string EncodeBlock(const AttemptRows& rows, std::size_t first, std::size_t end,
                        codec::ZstdCompressor& compressor);
// From the fixed part: how long the whole header is; nullopt when it is none.
std::optional<std::uint32_t> BlockHeaderBytes(std::string_view fixed);
// nullopt when the checksum of the header does not fit.
std::optional<BlockHeader> DecodeBlockHeader(std::string_view bytes);
// Appends the rows of a payload. kCorrupt.
Status DecodeBlock(const BlockHeader& header, std::string_view payload,
                   codec::ZstdDecompressor& decompressor, AttemptRows& out);

}  // namespace tributary::deliver
