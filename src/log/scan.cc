#include "log/scan.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "log/segment_header.h"

namespace tributary::log {
namespace {

// Where in `bytes` the first frame may begin, by its magic number alone; else their last whole
// multiple of eight.
std::size_t FindMagic(std::string_view bytes) {
  std::size_t at = 0;
  for (; at + kFrameAlignment <= bytes.size(); at += kFrameAlignment) {
    if (LoadLe<std::uint16_t>(bytes.data() + at + 4) == kFrameMagic) break;
  }
  return at;
}

bool AllZero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<std::size_t> ReadTolerant(const os::File& file, std::uint64_t pos, std::span<char> out) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto got = file.ReadAt(pos, out);
    if (got || got.error().code() != ErrorCode::kIo) return got;
  }
  TRY_ASSIGN(const std::uint64_t size, file.Size());
  const std::size_t wanted = pos < size ? std::min<std::uint64_t>(out.size(), size - pos) : 0;
  bool any = false;
  std::optional<Error> error;
  // Sector by sector of the file, so that whoever reads here finds the same bytes bad.
  for (std::size_t at = 0; at < wanted;) {
    const std::uint64_t to_boundary = kSectorBytes - (pos + at) % kSectorBytes;
    const auto piece = out.subspan(at, std::min<std::uint64_t>(to_boundary, wanted - at));
    const auto got = file.ReadAt(pos + at, piece);
    at += piece.size();
    any = any || got.has_value();
    if (got) continue;
    error = got.error();
    std::ranges::fill(piece, '\0');
  }
  // A file of which not one piece can be read is no damaged file but a dead disk.
  if (error && !any) return Fail(*error);
  return wanted;
}

SegmentScan::SegmentScan(const os::File& file, const ScanRange& range, FrameSeed seed,
                         Partition partition)
    : file_(file),
      seed_(seed),
      partition_(partition),
      position_(range.position),
      end_(range.end),
      expected_(range.expected) {}

Result<std::string_view> SegmentScan::At(std::uint64_t position, std::size_t bytes) {
  const std::uint64_t wanted = std::min<std::uint64_t>(bytes, end_ - position);
  const bool inside = position >= window_at_ && position + wanted <= window_at_ + window_.size();
  if (!inside) {
    const std::uint64_t fill =
        std::min<std::uint64_t>(std::max<std::uint64_t>(wanted, kWindowBytes), end_ - position);
    window_.resize(fill);
    window_at_ = position;
    TRY_ASSIGN(const std::size_t got, ReadTolerant(file_, position, window_));
    window_.resize(got);
  }
  return std::string_view(window_).substr(position - window_at_);
}

Result<Frame> SegmentScan::FrameAt(std::uint64_t position) {
  std::size_t bytes = kRecordFixedBytes;
  for (;;) {
    TRY_ASSIGN(const std::string_view view, At(position, bytes));
    const Frame frame = ParseFrame(view, seed_, partition_);
    if (frame.kind != Frame::Kind::kShort) {
      frame_bytes_ = view.substr(0, frame.bytes);
      return frame;
    }
    if (view.size() < bytes || frame.bytes > end_ - position) return Frame{};
    bytes = frame.bytes;
  }
}

bool SegmentScan::Belongs(const Frame& frame) const {
  switch (frame.kind) {
    case Frame::Kind::kRecord:
    case Frame::Kind::kBadPayload:
      return frame.record.offset >= expected_;
    case Frame::Kind::kCommit:
      return frame.commit.first >= expected_;
    default:
      return false;
  }
}

Result<std::uint64_t> SegmentScan::Resync(std::uint64_t position) {
  while (position + kFrameAlignment <= end_) {
    TRY_ASSIGN(const std::string_view view, At(position, kFrameAlignment));
    if (view.size() < kFrameAlignment) break;  // the file ends here
    const std::size_t skip = FindMagic(view);
    position += skip;
    if (skip + kFrameAlignment > view.size()) continue;  // none in this window
    TRY_ASSIGN(const Frame frame, FrameAt(position));
    if (Belongs(frame)) return position;
    position += kFrameAlignment;
  }
  return end_;
}

Result<bool> SegmentScan::ZeroFrom(std::uint64_t position) {
  while (position < end_) {
    TRY_ASSIGN(const std::string_view view, At(position, 1));
    if (view.empty()) return true;  // the file ends here
    if (!AllZero(view)) return false;
    position += view.size();
  }
  return true;
}

ScanItem SegmentScan::Lost(const Frame& frame) {
  ScanItem item;
  item.kind = ScanItem::Kind::kDamage;
  item.position = position_;
  item.first = expected_;
  item.end = frame.kind == Frame::Kind::kCommit ? frame.commit.first : frame.record.offset;
  expected_ = item.end;
  return item;
}

Result<ScanItem> SegmentScan::Damaged() {
  ScanItem item;
  item.position = position_;
  TRY_ASSIGN(const bool zero, ZeroFrom(position_));
  if (zero) return item;
  TRY_ASSIGN(const std::uint64_t next, Resync(position_ + kFrameAlignment));
  if (next < end_) {
    TRY_ASSIGN(const Frame frame, FrameAt(next));
    item = Lost(frame);
    item.bytes = next - position_;
    item.what = "a frame header does not match its checksum";
    position_ = next;
    return item;
  }
  item.kind = ScanItem::Kind::kDamage;
  item.bytes = end_ - position_;
  item.first = item.end = expected_;
  item.at_end = true;
  item.what = "no whole frame follows";
  position_ = end_;
  return item;
}

ScanItem SegmentScan::Take(const Frame& frame) {
  ScanItem item;
  item.position = position_;
  item.bytes = frame.bytes;
  position_ += frame.bytes;
  switch (frame.kind) {
    case Frame::Kind::kCommit:
      item.kind = ScanItem::Kind::kCommit;
      item.commit = frame.commit;
      return item;
    case Frame::Kind::kBadPayload:
      item.kind = ScanItem::Kind::kDamage;
      item.first = frame.record.offset;
      item.end = expected_ = frame.record.offset + 1;
      item.what = "a payload does not match its checksum";
      return item;
    default:
      item.kind = ScanItem::Kind::kRecord;
      item.record = frame.record;
      item.frame = frame_bytes_;
      expected_ = frame.record.offset + 1;
      return item;
  }
}

Result<bool> SegmentScan::SkipPadding() {
  const std::uint64_t boundary = std::min(AlignUp(position_, kSectorBytes), end_);
  if (boundary == position_) return false;
  TRY_ASSIGN(const std::string_view view, At(position_, boundary - position_));
  if (!AllZero(view.substr(0, boundary - position_))) return false;
  position_ = boundary;
  return true;
}

Result<ScanItem> SegmentScan::Next() {
  if (position_ >= end_) {
    ScanItem item;
    item.position = position_;
    return item;
  }
  TRY_ASSIGN(const Frame frame, FrameAt(position_));
  if (!Belongs(frame)) {
    TRY_ASSIGN(const bool skipped, SkipPadding());
    return skipped ? Next() : Damaged();
  }
  const Offset at = frame.kind == Frame::Kind::kCommit ? frame.commit.first : frame.record.offset;
  if (at != expected_) {  // no bytes are bad, yet offsets are missing: a write went elsewhere
    ScanItem item = Lost(frame);
    item.what = "offsets are missing between two intact frames";
    return item;
  }
  return Take(frame);
}

}  // namespace tributary::log
