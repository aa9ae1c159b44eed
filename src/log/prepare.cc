#include "log/prepare.h"

#include <algorithm>

#include "log/segment_header.h"

namespace tributary::log {
namespace {

Status WriteZeros(os::File& file, std::uint64_t from, std::uint64_t bytes) {
  static const std::string zeros(64 * 1024, '\0');
  for (std::uint64_t done = 0; done < bytes;) {
    const std::uint64_t piece = std::min<std::uint64_t>(zeros.size(), bytes - done);
    TRY(file.WriteAt(from + done, std::string_view(zeros).substr(0, piece)));
    done += piece;
  }
  return {};
}

}  // namespace

Preparer::Preparer(os::FileSystem& fs, os::Clock& clock, std::string dir,
                   std::uint64_t reserve_bytes, MayGrow may_grow)
    : fs_(fs),
      clock_(clock),
      dir_(std::move(dir)),
      reserve_bytes_(reserve_bytes),
      may_grow_(std::move(may_grow)) {}

std::string Preparer::NewPath() {
  return dir_ + "/ready-" + std::to_string(names_.fetch_add(1)) + std::string(kTemporarySuffix);
}

Status Preparer::MayMake(std::uint64_t bytes) {
  TRY(may_grow_(bytes));
  TRY_ASSIGN(const std::uint64_t free, fs_.FreeBytes(dir_));
  if (free >= reserve_bytes_ + bytes) return {};
  return Fail(ErrorCode::kExhausted, "no space for the next segment: " + std::to_string(free) +
                                         " bytes are free, " + std::to_string(bytes) +
                                         " are needed and " + std::to_string(reserve_bytes_) +
                                         " are kept in reserve");
}

Result<ReadyFile> Preparer::Create(std::uint64_t bytes) {
  TRY(MayMake(bytes));
  ReadyFile made;
  made.path = NewPath();
  made.bytes = bytes;
  TRY_ASSIGN(made.file, fs_.Open(made.path, os::OpenMode::kCreate));
  return made;
}

std::optional<ReadyFile> Preparer::Take(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!ready_ || ready_->bytes < bytes) return std::nullopt;
  return std::exchange(ready_, std::nullopt);
}

Result<ReadyFile> Preparer::MakeNow(std::uint64_t bytes) {
  TRY_ASSIGN(ReadyFile made, Create(bytes));
  Status written = WriteZeros(*made.file, 0, bytes);
  if (written) written = made.file->SyncData();
  if (written) return made;
  IgnoreError(fs_.Remove(made.path), "removed at the next start at the latest");
  return Fail(written.error());
}

bool Preparer::Step(std::uint64_t bytes) {
  if (ready() || clock_.Monotonic() < retry_at_ns_) return false;
  if (!making_) {
    auto made = Create(bytes);
    if (!made) {
      GiveUp(made.error());
      return false;
    }
    making_ = std::move(*made);
    written_ = 0;
  }
  if (const Status piece = WritePiece(); !piece) {
    GiveUp(piece.error());
    return false;
  }
  if (written_ < making_->bytes) return true;
  const std::lock_guard lock(mutex_);
  ready_ = std::exchange(making_, std::nullopt);
  error_.reset();
  return false;
}

Status Preparer::WritePiece() {
  const std::uint64_t piece = std::min(kPieceBytes, making_->bytes - written_);
  TRY(WriteZeros(*making_->file, written_, piece));
  written_ += piece;
  // Synced now and then: one big sync at the end would stand in the way of the writer's small ones.
  if (written_ % kSyncEveryBytes != 0 && written_ < making_->bytes) return {};
  return making_->file->SyncData();
}

void Preparer::GiveUp(const Error& error) {
  retry_at_ns_ = clock_.Monotonic() + kRetryAfterNs;
  if (making_) {
    IgnoreError(fs_.Remove(making_->path), "removed at the next start at the latest");
    making_.reset();
  }
  const std::lock_guard lock(mutex_);
  error_ = error;
}

bool Preparer::ready() const {
  const std::lock_guard lock(mutex_);
  return ready_.has_value();
}

std::optional<Error> Preparer::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

bool Preparer::Recycle(const std::string& path, std::uint64_t file_bytes,
                       std::uint64_t bytes_wanted) {
  if (ready() || making_ || file_bytes < bytes_wanted) return false;
  auto file = fs_.Open(path, os::OpenMode::kReadWrite);
  if (!file) return false;
  ReadyFile recycled;
  recycled.file = std::move(*file);
  recycled.path = NewPath();
  recycled.bytes = file_bytes;
  recycled.recycled = true;
  if (!fs_.Rename(path, recycled.path)) return false;
  const std::lock_guard lock(mutex_);
  ready_ = std::move(recycled);
  return true;
}

}  // namespace tributary::log
