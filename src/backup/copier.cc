#include "backup/copier.h"

#include <algorithm>

#include "backup/tree.h"
#include "base/crc32c.h"

namespace tributary::backup {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;
// Synced now and then: one big sync at the end would stand in the way of the log's small ones.
constexpr std::uint64_t kSyncEveryBytes = 8 << 20;

std::unexpected<Error> Cancelled() {
  return Fail(ErrorCode::kUnavailable, "cancelled");
}

Result<bool> AbsentOr(const Error& error) {
  if (error.code() == ErrorCode::kNotFound) return false;
  return Fail(error);
}

std::unexpected<Error> NoFile(const std::string& path) {
  return Fail(ErrorCode::kUnsupported,
              path +
                  " is a symbolic link or another thing that is no regular file, and would be "
                  "missing from the backup: put the file itself there, or move it away");
}

}  // namespace

Result<Copied> CopyBytes(const os::File& from, os::File& to, std::optional<std::uint64_t> bytes_max,
                         std::string& buffer, Progress& progress) {
  buffer.resize(kBufferBytes);
  Copied copied;
  std::uint64_t synced = 0;
  for (;;) {
    if (progress.cancel.load()) return Cancelled();
    const std::uint64_t wanted =
        std::min<std::uint64_t>(kBufferBytes, bytes_max.value_or(UINT64_MAX) - copied.bytes);
    if (wanted == 0) break;
    TRY_ASSIGN(const std::size_t got, from.ReadAt(copied.bytes, std::span(buffer.data(), wanted)));
    if (got == 0) break;
    const std::string_view piece(buffer.data(), got);
    TRY(to.WriteAt(copied.bytes, piece));
    copied.crc32c = Crc32c(piece, copied.crc32c);
    copied.bytes += got;
    progress.bytes_done += got;
    if (copied.bytes - synced < kSyncEveryBytes) continue;
    TRY(to.SyncData());
    to.DropCache(synced, copied.bytes - synced);
    synced = copied.bytes;
  }
  TRY(to.SyncData());
  to.DropCache(synced, copied.bytes - synced);
  return copied;
}

Copier::Copier(os::FileSystem& fs, os::Clock& clock, Earlier earlier, std::string data,
               Progress& progress)
    : fs_(fs),
      clock_(clock),
      earlier_(std::move(earlier)),
      data_(std::move(data)),
      progress_(progress) {
  dirs_.insert("");
}

Status Copier::MakeDirFor(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string dir = slash == std::string::npos ? "" : path.substr(0, slash);
  if (dirs_.contains(dir)) return {};
  TRY(MakeDirFor(dir));
  TRY(fs_.CreateDir(data_ + "/" + dir));
  dirs_.insert(dir);
  return {};
}

bool Copier::Unchanged(const ManifestFile& before, const SourceFile& now, std::uint64_t bytes,
                       Kind kind) const {
  if (!before.source || before.bytes != bytes) return false;
  const SourceFile& then = *before.source;
  return then.device == now.device && then.inode == now.inode && then.mtime_ns == now.mtime_ns &&
         (kind == Kind::kImmutable || then.settled);
}

bool Copier::LinkTo(const std::string& from, const std::string& path) {
  return fs_.Link(from, data_ + "/" + path).has_value();
}

void Copier::Count(std::uint64_t bytes, std::atomic<std::uint64_t>& how) {
  how += bytes;
  ++progress_.files;
}

Result<bool> Copier::Take(const std::string& from, const std::string& path, Kind kind,
                          std::optional<std::uint64_t> bytes_max) {
  if (progress_.cancel.load()) return Cancelled();
  const UnixMicros began_us = clock_.Now();
  const auto before_open = fs_.Info(from);
  if (!before_open) return AbsentOr(before_open.error());
  if (before_open->kind != os::FileInfo::Kind::kFile) return NoFile(from);  // may block when opened
  const auto open = fs_.Open(from, os::OpenMode::kRead);
  const auto info = fs_.Info(from);
  if (!open) return AbsentOr(open.error());
  if (!info) return AbsentOr(info.error());
  if (info->kind != os::FileInfo::Kind::kFile) return NoFile(from);
  // Another file may have taken the name meanwhile: then this copy is not of what `info` says.
  const bool same = before_open->inode == info->inode && before_open->mtime_ns == info->mtime_ns;
  TRY(MakeDirFor(path));
  ManifestFile file;
  file.path = path;
  file.source = SourceFile{.device = info->device,
                           .inode = info->inode,
                           .mtime_ns = info->mtime_ns,
                           .settled = same && info->mtime_ns + kSettledAfterNs < began_us * 1000};
  const std::uint64_t bytes = std::min(info->bytes, bytes_max.value_or(UINT64_MAX));
  const ManifestFile* const before =
      earlier_.manifest == nullptr ? nullptr : earlier_.manifest->Find(path);
  if (before != nullptr && Unchanged(*before, *file.source, bytes, kind) &&
      LinkTo(earlier_.data + "/" + path, path)) {
    file = *before;
    progress_.bytes_done += bytes;
    Count(bytes, progress_.bytes_kept);
  } else if (kind == Kind::kImmutable && !bytes_max && LinkTo(from, path)) {
    file.bytes = info->bytes;
    TRY_ASSIGN(file.crc32c, Checksum(data_ + "/" + path));
    Count(file.bytes, progress_.bytes_linked);
  } else {
    TRY(Copy(**open, file, bytes_max));
    Count(file.bytes, progress_.bytes_copied);
  }
  taken_[path] = std::move(file);
  return true;
}

Status Copier::Copy(const os::File& from, ManifestFile& file,
                    std::optional<std::uint64_t> bytes_max) {
  TRY_ASSIGN(const auto to, fs_.Open(data_ + "/" + file.path, os::OpenMode::kCreate));
  TRY_ASSIGN(const Copied copied, CopyBytes(from, *to, bytes_max, buffer_, progress_));
  file.bytes = copied.bytes;
  file.crc32c = copied.crc32c;
  return {};
}

Result<std::uint32_t> Copier::Checksum(const std::string& path) {
  TRY_ASSIGN(const auto file, fs_.Open(path, os::OpenMode::kRead));
  buffer_.resize(kBufferBytes);
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0;;) {
    if (progress_.cancel.load()) return Cancelled();
    TRY_ASSIGN(const std::size_t got, file->ReadAt(at, buffer_));
    if (got == 0) return crc;
    crc = Crc32c(std::string_view(buffer_.data(), got), crc);
    at += got;
    progress_.bytes_done += got;
  }
}

Status Copier::Drop(const std::string& path) {
  if (taken_.erase(path) == 0) return {};
  return fs_.Remove(data_ + "/" + path);
}

Result<std::vector<ManifestFile>> Copier::Finish() {
  for (const std::string& dir : dirs_) TRY(fs_.SyncDir(dir.empty() ? data_ : data_ + "/" + dir));
  std::vector<ManifestFile> files;
  files.reserve(taken_.size());
  for (const auto& [path, file] : taken_) files.push_back(file);
  return files;
}

}  // namespace tributary::backup
