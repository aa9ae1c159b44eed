// Frames: what a segment consists of. One record each, or a mark that a commit group begins with.
// The layout is a format on disk: FORMAT.md has the table and a worked example.
//
// Every checksum starts from the segment's seed, which is made of its random id and partition, so
// that bytes of another segment, of an earlier life of a recycled file, or inside a payload never
// parse as frames. A frame is trusted only if its checksum holds; nothing else in it is looked at
// before.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "log/record.h"

namespace tributary::log {

using SegmentId = std::uint64_t;  // random, one per segment
using FrameSeed = std::uint32_t;  // what its checksums start from

FrameSeed SeedOf(SegmentId id, Partition partition);

inline constexpr std::size_t kFrameAlignment = 8;
inline constexpr std::uint16_t kFrameMagic = 0x4654;  // "TF"
inline constexpr std::size_t kRecordFixedBytes = 56;
inline constexpr std::size_t kCommitFrameBytes = 40;
// The header strings of one record are at most four times kRecordStringBytesMax.
inline constexpr std::size_t kRecordHeaderBytesMax = 255 + 4 * 0xFFFF;
inline constexpr std::size_t kFrameBytesMax =
    kRecordHeaderBytesMax + kRecordPayloadBytesMax + kFrameAlignment;

enum class FrameType : std::uint8_t { kRecord = 1, kCommit = 2 };

inline constexpr std::uint8_t kCommitSeal = 1;      // the segment is complete, another one follows
inline constexpr std::uint8_t kCommitClose = 2;     // the program closed the log in good order
inline constexpr std::uint8_t kCommitUnsynced = 4;  // written with SyncMode::kNone

// Stands in front of the records of its group; with count 0 it only says what is synced.
struct CommitMark {
  std::uint8_t flags = 0;
  Offset first = 0;         // of the group's first record; with count 0 of the next one to come
  Offset synced_below = 0;  // everything below was synced before this mark was written
  std::uint32_t count = 0;
  std::uint32_t bytes = 0;   // of the group's records
  UnixMicros newest_us = 0;  // received_at of the newest record before the group
};

// Appends a record frame without offset and header checksum, which Stamp() fills in. The caller
// has checked the limits.
void EncodeRecord(const RecordFields& fields, std::span<const std::string_view> parts,
                  std::size_t payload_bytes, std::string& out);
// Completes a frame made by EncodeRecord. Raises its received_at to `not_before` and returns it.
UnixMicros StampRecord(char* frame, Offset offset, UnixMicros not_before, FrameSeed seed);
void EncodeCommit(const CommitMark& mark, FrameSeed seed, std::string& out);

struct Frame {
  enum class Kind {
    kBad,         // no frame starts here
    kShort,       // one may start here, but `bytes` of it are needed to tell
    kBadPayload,  // a record whose header is intact and whose payload is not
    kRecord,
    kCommit,
  };
  Kind kind = Kind::kBad;
  std::size_t bytes = 0;  // of the whole frame, padding included
  RecordView record;      // kRecord whole, kBadPayload without payload; views into the input
  CommitMark commit;
};
Frame ParseFrame(std::string_view data, FrameSeed seed, Partition partition);

// A record's frame at the start of `data`, which a checksum over all of it has shown to be what was
// written (a block's): nothing is summed again, but no length is believed that `data` does not
// hold. `bytes` is 0 where there is none.
struct CoveredRecord {
  std::size_t bytes = 0;
  Offset offset = 0;
};
CoveredRecord ParseCoveredRecord(std::string_view data);

// For frames known to be good (made by this process, or checked before): no checksum is computed.
RecordView ViewRecord(const char* frame, Partition partition);
std::size_t RecordFrameBytes(const char* frame);

}  // namespace tributary::log
