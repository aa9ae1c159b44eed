#include "log/segment_header.h"

#include <array>
#include <charconv>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace tributary::log {
namespace {

constexpr std::string_view kRawMagic = "TRIBSEG\n";
constexpr std::string_view kCompressedMagic = "TRIBZSG\n";
constexpr std::uint16_t kFlagRecycled = 1;
constexpr std::size_t kStemDigits = 20;

// Positions in one copy. Magic, version and checksum stay where they are in every version.
enum At : std::size_t {
  kMagic = 0,
  kVersion = 8,
  kHeaderFlags = 10,
  kPartition = 12,
  kBase = 16,
  kId = 24,
  kCreatedAt = 32,
  kPreviousId = 40,
  kPreviousEnd = 48,
  kPreviousNewest = 56,
  kPreviousDataBytes = 64,
  kEnd = 72,
  kNewest = 80,
  kCrc = kSegmentHeaderCopyBytes - 4,
};

bool CopyIntact(std::string_view copy) {
  const std::string_view magic = copy.substr(kMagic, kRawMagic.size());
  return (magic == kRawMagic || magic == kCompressedMagic) &&
         LoadLe<std::uint32_t>(copy.data() + kCrc) == Crc32c(copy.substr(0, kCrc));
}

SegmentHeader DecodeCopy(const char* at) {
  SegmentHeader header;
  header.version = LoadLe<std::uint16_t>(at + kVersion);
  header.compressed = std::string_view(at + kMagic, kRawMagic.size()) == kCompressedMagic;
  header.recycled = (LoadLe<std::uint16_t>(at + kHeaderFlags) & kFlagRecycled) != 0;
  header.partition = LoadLe<Partition>(at + kPartition);
  header.base = LoadLe<Offset>(at + kBase);
  header.id = LoadLe<SegmentId>(at + kId);
  header.created_at_us = LoadLe<UnixMicros>(at + kCreatedAt);
  header.previous_id = LoadLe<SegmentId>(at + kPreviousId);
  header.previous_end = LoadLe<Offset>(at + kPreviousEnd);
  header.previous_newest_us = LoadLe<UnixMicros>(at + kPreviousNewest);
  header.previous_data_bytes = LoadLe<std::uint64_t>(at + kPreviousDataBytes);
  header.end = LoadLe<Offset>(at + kEnd);
  header.newest_us = LoadLe<UnixMicros>(at + kNewest);
  return header;
}

Status CheckVersion(const SegmentHeader& header) {
  const std::uint16_t newest = header.compressed ? kCompressedSegmentVersion : kRawSegmentVersion;
  if (header.version >= 1 && header.version <= newest) return {};
  return Fail(ErrorCode::kUnsupported, "the segment is of version " +
                                           std::to_string(header.version) +
                                           ", this program knows version " +
                                           (newest == 1 ? "" : "1 to ") + std::to_string(newest));
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string sector(kSegmentHeaderBytes, '\0');
  char* to = sector.data();
  const std::string_view magic = header.compressed ? kCompressedMagic : kRawMagic;
  std::memcpy(to + kMagic, magic.data(), magic.size());
  StoreLe(to + kVersion, header.version);
  StoreLe(to + kHeaderFlags, header.recycled ? kFlagRecycled : std::uint16_t{0});
  StoreLe(to + kPartition, header.partition);
  StoreLe(to + kBase, header.base);
  StoreLe(to + kId, header.id);
  StoreLe(to + kCreatedAt, header.created_at_us);
  StoreLe(to + kPreviousId, header.previous_id);
  StoreLe(to + kPreviousEnd, header.previous_end);
  StoreLe(to + kPreviousNewest, header.previous_newest_us);
  StoreLe(to + kPreviousDataBytes, header.previous_data_bytes);
  StoreLe(to + kEnd, header.end);
  StoreLe(to + kNewest, header.newest_us);
  StoreLe(to + kCrc, Crc32c(std::string_view(to, kCrc)));
  std::memcpy(to + kSegmentHeaderCopyBytes, to, kSegmentHeaderCopyBytes);
  return sector;
}

Result<ReadHeader> DecodeSegmentHeader(std::string_view sector) {
  int intact = 0;
  ReadHeader read;
  for (std::size_t at = 0; at + kSegmentHeaderCopyBytes <= sector.size() && at < 512;
       at += kSegmentHeaderCopyBytes) {
    const std::string_view copy = sector.substr(at, kSegmentHeaderCopyBytes);
    if (!CopyIntact(copy)) continue;
    read.header = DecodeCopy(copy.data());
    TRY(CheckVersion(read.header));
    ++intact;
  }
  if (intact == 0) return Fail(ErrorCode::kCorrupt, "the segment header is damaged");
  read.copy_damaged = intact == 1;
  return read;
}

Result<ReadHeader> ReadSegmentHeader(const os::File& file) {
  std::array<char, kSegmentHeaderBytes> sector;
  TRY_ASSIGN(const std::size_t got, file.ReadAt(0, sector));
  return DecodeSegmentHeader(std::string_view(sector.data(), got));
}

std::string SegmentStem(Offset base) {
  std::string digits = std::to_string(base);
  return digits.insert(0, kStemDigits - digits.size(), '0');
}

std::optional<SegmentName> ParseSegmentName(std::string_view name) {
  if (name.size() <= kStemDigits) return std::nullopt;
  const std::string_view suffix = name.substr(kStemDigits);
  if (suffix != kRawSuffix && suffix != kCompressedSuffix) return std::nullopt;
  SegmentName parsed;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kStemDigits, parsed.base);
  if (error != std::errc() || end != name.data() + kStemDigits) return std::nullopt;
  parsed.compressed = suffix == kCompressedSuffix;
  return parsed;
}

}  // namespace tributary::log
