#include "log/active_segment.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/check.h"

namespace tributary::log {
namespace {

constexpr std::uint64_t kMarksReserve = 2 * kSectorBytes;
constexpr std::uint64_t kFileAlignment = 4096;
constexpr std::uint64_t kGrowth = 4;

std::uint64_t FileBytesFor(std::uint64_t group_bytes) {
  const std::uint64_t group = AlignUp(kCommitFrameBytes + group_bytes, kSectorBytes);
  return AlignUp(kSegmentHeaderBytes + group + kMarksReserve, kFileAlignment);
}

}  // namespace

Status WriteSeal(os::File& file, std::uint64_t position, FrameSeed seed, Offset end,
                 UnixMicros newest_us) {
  CommitMark mark;
  mark.flags = kCommitSeal;
  mark.first = mark.synced_below = end;
  mark.newest_us = newest_us;
  std::string bytes;
  EncodeCommit(mark, seed, bytes);
  bytes.resize(kSectorBytes);
  TRY(file.WriteAt(position, bytes));
  return file.SyncData();
}

ActiveSegment::ActiveSegment(const LogWorld& world, const LogOptions& options, Partition partition,
                             std::string dir, SegmentSet& segments, Preparer& preparer,
                             const WritePoint& start)
    : world_(world),
      options_(options),
      partition_(partition),
      dir_(std::move(dir)),
      segments_(segments),
      preparer_(preparer) {
  const auto last = segments_.last();
  if (!last || last->sealed) return;
  file_ = last->file;
  index_ = last->index;
  seed_ = last->header.seed();
  file_bytes_ = last->file_bytes;
  position_ = start.position;
  has_room_ = start.room;
  CHECK(!has_room_ || position_ % kSectorBytes == 0);
}

std::uint64_t ActiveSegment::room() const {
  const std::uint64_t taken = position_ + kCommitFrameBytes + kMarksReserve;
  return has_room_ && taken < file_bytes_ ? file_bytes_ - taken : 0;
}

bool ActiveSegment::WantsNext() const {
  return !has_room_ || file_bytes_ < options_.segment_bytes || position_ > file_bytes_ / 2;
}

std::uint64_t ActiveSegment::NextBytes() const {
  const std::uint64_t grown =
      file_ == nullptr ? 0 : std::min(file_bytes_ * kGrowth, options_.segment_bytes);
  return std::max(AlignUp(std::max(grown, options_.first_segment_bytes), kFileAlignment),
                  FileBytesFor(1));
}

Status ActiveSegment::Append(std::vector<std::string_view>& parts) {
  static constexpr std::array<char, kSectorBytes> kZeros{};
  CHECK(file_ != nullptr);
  std::uint64_t bytes = 0;
  for (const std::string_view part : parts) bytes += part.size();
  const std::uint64_t padded = AlignUp(bytes, kSectorBytes);
  CHECK_OP(position_ + padded, <=, file_bytes_);
  // Written even where the file is still zero: a recycled one is not.
  if (padded > bytes) parts.emplace_back(kZeros.data(), padded - bytes);
  TRY(file_->WriteAt(position_, parts));
  position_ += padded;
  return {};
}

Status ActiveSegment::Sync() {
  CHECK(file_ != nullptr);
  return file_->SyncData();
}

void ActiveSegment::Index(Offset first, UnixMicros at_us) {
  index_->AddSparse({first, at_us, position_});
}

Result<ReadyFile> ActiveSegment::NextFile(std::uint64_t bytes) {
  if (auto ready = preparer_.Take(bytes)) return std::move(*ready);
  auto made = preparer_.MakeNow(
      std::max(bytes, std::min<std::uint64_t>(NextBytes(), Preparer::kInlineBytesMax)));
  if (made || made.error().code() == ErrorCode::kExhausted) return made;
  return Fail(ErrorCode::kUnavailable, made.error().With("next segment").message());
}

SegmentHeader ActiveSegment::NextHeader(const ReadyFile& file, Offset base) const {
  SegmentHeader header;
  header.recycled = file.recycled;
  header.partition = partition_;
  header.base = base;
  header.id = world_.random->Next();
  header.created_at_us = world_.clock->Now();
  const auto last = segments_.last();
  if (!last) return header;
  if (last->end == last->header.base && last->header.base == base) {
    // It never got a record: the new one takes its place, and its name.
    header.previous_id = last->header.previous_id;
    header.previous_end = last->header.previous_end;
    header.previous_newest_us = last->header.previous_newest_us;
    header.previous_data_bytes = last->header.previous_data_bytes;
    return header;
  }
  header.previous_id = last->header.id;
  header.previous_end = last->end;
  header.previous_newest_us = last->newest_us;
  header.previous_data_bytes = last->data_bytes;
  return header;
}

Status ActiveSegment::WriteHeader(const ReadyFile& file, const SegmentHeader& header) {
  TRY(file.file->WriteAt(0, EncodeSegmentHeader(header)));
  TRY(file.file->SyncData());
  const std::string path = dir_ + "/" + SegmentStem(header.base) + std::string(kRawSuffix);
  TRY(world_.fs->Rename(file.path, path));
  return world_.fs->SyncDir(dir_);
}

Status ActiveSegment::Seal(Offset next, UnixMicros newest_us) {
  const auto last = segments_.last();
  if (!last || last->sealed) return {};
  // A segment that recovery has cut may have no room: its end then stands in the next header only.
  if (has_room_ && position_ + kSectorBytes <= file_bytes_) {
    TRY(WriteSeal(*file_, position_, seed_, std::min(next, last->end), newest_us));
  }
  segments_.Seal();
  return {};
}

void ActiveSegment::Activate(ReadyFile file, const SegmentHeader& header, UnixMicros newest_us) {
  file_ = std::move(file.file);
  file_bytes_ = file.bytes;
  index_ = std::make_shared<SparseIndex>();
  seed_ = header.seed();
  position_ = kSegmentHeaderBytes;
  has_room_ = true;
  if (const auto last = segments_.last(); last && last->header.base == header.base) {
    segments_.Remove(*last);
  }
  Segment segment;
  segment.header = header;
  segment.stem = dir_ + "/" + SegmentStem(header.base);
  segment.end = header.base;
  segment.data_bytes = position_;
  segment.file_bytes = file_bytes_;
  segment.newest_us = newest_us;
  segment.file = file_;
  segment.index = index_;
  segments_.Add(std::move(segment));
}

Status ActiveSegment::Roll(std::uint64_t bytes_needed, Offset next, UnixMicros newest_us) {
  TRY_ASSIGN(ReadyFile file, NextFile(FileBytesFor(bytes_needed)));
  const SegmentHeader header = NextHeader(file, next);
  if (const Status written = WriteHeader(file, header); !written) {
    // Whatever the cause, the caller takes this for final: the directory is in an unknown state.
    return Fail(ErrorCode::kIo, written.error().With("new segment").message());
  }
  TRY(Seal(next, newest_us));
  Activate(std::move(file), header, newest_us);
  return {};
}

}  // namespace tributary::log
