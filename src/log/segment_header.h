// The first sector of a segment file: what it is, and which segment was before it.
//
// It is written twice, so that one damaged byte does not cost a segment. What it says of the
// segment before lets recovery know every sealed segment without reading it, and lets it name a
// segment that is missing, swapped or restored from another time. Layout: FORMAT.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/frame.h"
#include "os/fs.h"

namespace tributary::log {

// Compressed segments may be of version 2: their blocks say how each of them is compressed.
inline constexpr std::uint16_t kRawSegmentVersion = 1;
inline constexpr std::uint16_t kCompressedSegmentVersion = 2;
// What a disk writes whole or not at all, at best. Every write into a segment begins and ends at a
// sector: a power cut may garble the sectors being written, never one that was synced before.
inline constexpr std::uint64_t kSectorBytes = 512;
inline constexpr std::uint64_t kSegmentHeaderBytes = kSectorBytes;  // frames begin here
inline constexpr std::size_t kSegmentHeaderCopyBytes = 256;

struct SegmentHeader {
  std::uint16_t version = 1;
  bool compressed = false;
  bool recycled = false;  // the file had an earlier life: bytes behind the last frame mean nothing
  Partition partition = 0;
  Offset base = 0;
  SegmentId id = 0;
  UnixMicros created_at_us = 0;

  SegmentId previous_id = 0;  // 0: there was none
  Offset previous_end = 0;    // one past its last offset; base is higher only after a leap
  UnixMicros previous_newest_us = 0;
  std::uint64_t previous_data_bytes = 0;  // where its frames ended, when it was a raw file

  // Compressed segments are complete when they are made, so they know this of themselves.
  Offset end = 0;
  UnixMicros newest_us = 0;

  FrameSeed seed() const { return SeedOf(id, partition); }
};

// Both copies: kSegmentHeaderBytes.
std::string EncodeSegmentHeader(const SegmentHeader& header);

struct ReadHeader {
  SegmentHeader header;
  bool copy_damaged = false;  // one of the two; the other one was used
};
// kCorrupt: no segment, or both copies are damaged. kUnsupported: another version, intact.
Result<ReadHeader> DecodeSegmentHeader(std::string_view sector);
Result<ReadHeader> ReadSegmentHeader(const os::File& file);

// "00000000000000000042": names sort like offsets.
std::string SegmentStem(Offset base);
inline constexpr std::string_view kRawSuffix = ".seg";
inline constexpr std::string_view kCompressedSuffix = ".zseg";
inline constexpr std::string_view kTemporarySuffix = ".tmp";
inline constexpr std::string_view kDeletedSuffix = ".deleted";

struct SegmentName {
  Offset base = 0;
  bool compressed = false;
};
std::optional<SegmentName> ParseSegmentName(std::string_view name);

}  // namespace tributary::log
