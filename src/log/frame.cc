#include "log/frame.h"

#include <array>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/limits.h"

namespace tributary::log {
namespace {

// Positions in a record frame. The first eight bytes are the same in a commit mark.
enum RecordAt : std::size_t {
  kHeaderCrc = 0,
  kMagic = 4,
  kType = 6,
  kFlags = 7,
  kOffset = 8,
  kReceivedAt = 16,
  kEventTime = 24,
  kPayloadBytes = 32,
  kPayloadCrc = 36,
  kSource = 40,
  kKind = 44,
  kEventType = 45,
  kSlot = 46,
  kFixedBytes = 47,
  kKeyBytes = 48,
  kNameBytes = 50,
  kMessageIdBytes = 52,
  kCorrelationIdBytes = 54,
};
enum CommitAt : std::size_t {
  kFirst = 8,
  kSyncedBelow = 16,
  kCount = 24,
  kGroupBytes = 28,
  kNewest = 32,
};

std::size_t FixedBytes(const char* frame) {
  return static_cast<unsigned char>(frame[kFixedBytes]);
}
std::size_t Length16(const char* frame, std::size_t at) {
  return LoadLe<std::uint16_t>(frame + at);
}

std::size_t HeaderBytes(const char* frame) {
  return FixedBytes(frame) + Length16(frame, kKeyBytes) + Length16(frame, kNameBytes) +
         Length16(frame, kMessageIdBytes) + Length16(frame, kCorrelationIdBytes);
}

std::uint32_t HeaderCrc(const char* frame, std::size_t header_bytes, FrameSeed seed) {
  return Crc32c({frame + kMagic, header_bytes - kMagic}, seed);
}

Frame Short(std::size_t bytes_needed) {
  Frame frame;
  frame.kind = Frame::Kind::kShort;
  frame.bytes = bytes_needed;
  return frame;
}

Frame ParseCommit(std::string_view data, FrameSeed seed) {
  if (data.size() < kCommitFrameBytes) return Short(kCommitFrameBytes);
  const char* at = data.data();
  if (LoadLe<std::uint32_t>(at) != HeaderCrc(at, kCommitFrameBytes, seed)) return {};
  Frame frame;
  frame.kind = Frame::Kind::kCommit;
  frame.bytes = kCommitFrameBytes;
  frame.commit.flags = static_cast<std::uint8_t>(at[kFlags]);
  frame.commit.first = LoadLe<Offset>(at + kFirst);
  frame.commit.synced_below = LoadLe<Offset>(at + kSyncedBelow);
  frame.commit.count = LoadLe<std::uint32_t>(at + kCount);
  frame.commit.bytes = LoadLe<std::uint32_t>(at + kGroupBytes);
  frame.commit.newest_us = LoadLe<UnixMicros>(at + kNewest);
  return frame;
}

// The payload's checksum runs over the padding too, so that no bit of a frame goes unwatched.
bool PayloadIntact(const char* frame, std::size_t header_bytes, std::size_t frame_bytes) {
  return LoadLe<std::uint32_t>(frame + kPayloadCrc) ==
         Crc32c({frame + header_bytes, frame_bytes - header_bytes});
}

Frame ParseRecord(std::string_view data, FrameSeed seed, Partition partition) {
  if (data.size() < kRecordFixedBytes) return Short(kRecordFixedBytes);
  const char* at = data.data();
  if (FixedBytes(at) < kRecordFixedBytes) return {};
  const std::size_t header_bytes = HeaderBytes(at);
  if (data.size() < header_bytes) return Short(header_bytes);
  if (LoadLe<std::uint32_t>(at) != HeaderCrc(at, header_bytes, seed)) return {};
  const std::size_t frame_bytes = RecordFrameBytes(at);
  if (frame_bytes > kFrameBytesMax) return {};
  if (data.size() < frame_bytes) return Short(frame_bytes);
  Frame frame;
  frame.bytes = frame_bytes;
  frame.record = ViewRecord(at, partition);
  const bool intact = PayloadIntact(at, header_bytes, frame_bytes);
  frame.kind = intact ? Frame::Kind::kRecord : Frame::Kind::kBadPayload;
  if (!intact) frame.record.payload = {};
  return frame;
}

char* CopyOut(char* to, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

void FillFixed(char* to, const RecordFields& fields, std::size_t payload_bytes) {
  StoreLe(to + kHeaderCrc, std::uint32_t{0});
  StoreLe(to + kMagic, kFrameMagic);
  to[kType] = static_cast<char>(FrameType::kRecord);
  to[kFlags] = static_cast<char>(fields.flags);
  StoreLe(to + kOffset, Offset{0});
  StoreLe(to + kReceivedAt, fields.received_at_us);
  StoreLe(to + kEventTime, fields.event_time_us);
  StoreLe(to + kPayloadBytes, static_cast<std::uint32_t>(payload_bytes));
  StoreLe(to + kSource, fields.source);
  to[kKind] = static_cast<char>(fields.kind);
  to[kEventType] = static_cast<char>(fields.type);
  to[kSlot] = static_cast<char>(SlotOf(fields.key));
  to[kFixedBytes] = static_cast<char>(kRecordFixedBytes);
  StoreLe(to + kKeyBytes, static_cast<std::uint16_t>(fields.key.size()));
  StoreLe(to + kNameBytes, static_cast<std::uint16_t>(fields.name.size()));
  StoreLe(to + kMessageIdBytes, static_cast<std::uint16_t>(fields.message_id.size()));
  StoreLe(to + kCorrelationIdBytes, static_cast<std::uint16_t>(fields.correlation_id.size()));
}

}  // namespace

FrameSeed SeedOf(SegmentId id, Partition partition) {
  std::array<char, 12> bytes;
  StoreLe(bytes.data(), id);
  StoreLe(bytes.data() + 8, partition);
  return Crc32c({bytes.data(), bytes.size()});
}

void EncodeRecord(const RecordFields& fields, std::span<const std::string_view> parts,
                  std::size_t payload_bytes, std::string& out) {
  const std::size_t header_bytes = kRecordFixedBytes + fields.key.size() + fields.name.size() +
                                   fields.message_id.size() + fields.correlation_id.size();
  const std::size_t start = out.size();
  const std::size_t frame_bytes = AlignUp(header_bytes + payload_bytes, kFrameAlignment);
  const auto fill = [&](char* buffer, std::size_t size) {
    char* const frame = buffer + start;
    FillFixed(frame, fields, payload_bytes);
    char* at = frame + kRecordFixedBytes;
    for (const std::string_view text :
         {fields.key, fields.name, fields.message_id, fields.correlation_id}) {
      at = CopyOut(at, text);
    }
    for (const std::string_view part : parts) at = CopyOut(at, part);
    std::memset(at, 0, static_cast<std::size_t>(frame + frame_bytes - at));
    StoreLe(frame + kPayloadCrc, Crc32c({frame + header_bytes, frame_bytes - header_bytes}));
    return size;
  };
  // Doubling by hand: the exact growth of resize_and_overwrite would copy a batch again and again.
  if (out.capacity() < start + frame_bytes) {
    out.reserve(std::max(start + frame_bytes, 2 * out.capacity()));
  }
  out.resize_and_overwrite(start + frame_bytes, fill);
}

UnixMicros StampRecord(char* frame, Offset offset, UnixMicros not_before, FrameSeed seed) {
  const UnixMicros received_at = std::max(LoadLe<UnixMicros>(frame + kReceivedAt), not_before);
  StoreLe(frame + kReceivedAt, received_at);
  StoreLe(frame + kOffset, offset);
  StoreLe(frame + kHeaderCrc, HeaderCrc(frame, HeaderBytes(frame), seed));
  return received_at;
}

void EncodeCommit(const CommitMark& mark, FrameSeed seed, std::string& out) {
  const std::size_t start = out.size();
  out.resize(start + kCommitFrameBytes);
  char* to = out.data() + start;
  StoreLe(to + kMagic, kFrameMagic);
  to[kType] = static_cast<char>(FrameType::kCommit);
  to[kFlags] = static_cast<char>(mark.flags);
  StoreLe(to + kFirst, mark.first);
  StoreLe(to + kSyncedBelow, mark.synced_below);
  StoreLe(to + kCount, mark.count);
  StoreLe(to + kGroupBytes, mark.bytes);
  StoreLe(to + kNewest, mark.newest_us);
  StoreLe(to + kHeaderCrc, HeaderCrc(to, kCommitFrameBytes, seed));
}

Frame ParseFrame(std::string_view data, FrameSeed seed, Partition partition) {
  if (data.size() < kFrameAlignment) return Short(kFrameAlignment);
  if (LoadLe<std::uint16_t>(data.data() + kMagic) != kFrameMagic) return {};
  switch (static_cast<FrameType>(data[kType])) {
    case FrameType::kRecord:
      return ParseRecord(data, seed, partition);
    case FrameType::kCommit:
      return ParseCommit(data, seed);
  }
  return {};  // a new type comes with a new version of the segment, so this is damage
}

CoveredRecord ParseCoveredRecord(std::string_view data) {
  if (data.size() < kRecordFixedBytes) return {};
  const char* at = data.data();
  if (LoadLe<std::uint16_t>(at + kMagic) != kFrameMagic) return {};
  if (static_cast<FrameType>(at[kType]) != FrameType::kRecord) return {};
  if (FixedBytes(at) < kRecordFixedBytes) return {};
  const std::size_t bytes = RecordFrameBytes(at);
  if (bytes > data.size() || bytes > kFrameBytesMax) return {};
  return {bytes, LoadLe<Offset>(at + kOffset)};
}

std::size_t RecordFrameBytes(const char* frame) {
  return AlignUp(HeaderBytes(frame) + LoadLe<std::uint32_t>(frame + kPayloadBytes),
                 kFrameAlignment);
}

RecordView ViewRecord(const char* frame, Partition partition) {
  RecordView view;
  view.partition = partition;
  view.offset = LoadLe<Offset>(frame + kOffset);
  view.slot = static_cast<std::uint8_t>(frame[kSlot]);
  view.fields.received_at_us = LoadLe<UnixMicros>(frame + kReceivedAt);
  view.fields.event_time_us = LoadLe<UnixMicros>(frame + kEventTime);
  view.fields.source = LoadLe<SourceId>(frame + kSource);
  view.fields.kind = static_cast<Kind>(frame[kKind]);
  view.fields.type = static_cast<EventType>(frame[kEventType]);
  view.fields.flags = static_cast<std::uint8_t>(frame[kFlags]);
  const char* at = frame + FixedBytes(frame);
  const auto take = [&at](std::size_t bytes) {
    const std::string_view text(at, bytes);
    at += bytes;
    return text;
  };
  view.fields.key = take(Length16(frame, kKeyBytes));
  view.fields.name = take(Length16(frame, kNameBytes));
  view.fields.message_id = take(Length16(frame, kMessageIdBytes));
  view.fields.correlation_id = take(Length16(frame, kCorrelationIdBytes));
  view.payload = take(LoadLe<std::uint32_t>(frame + kPayloadBytes));
  return view;
}

}  // namespace tributary::log
