#include <algorithm>
#include <set>

#include "backup/backup.h"
#include "backup/tree.h"

namespace tributary::backup {
namespace {

constexpr std::string_view kFormat = "FORMAT";
// Not the first line of a data directory's FORMAT, so that no version of the server opens it.
constexpr std::string_view kUnfinished =
    "tributary restore in progress\n"
    "It did not finish: empty this directory and restore again.\n";

class Restorer {
 public:
  Restorer(os::FileSystem& fs, const std::string& from, const std::string& to, Progress& progress)
      : fs_(fs), from_(from), to_(to), progress_(progress) {}

  Status Run(const Manifest& manifest) {
    TRY(os::WriteFileAtomic(fs_, to_ + "/" + std::string(kFormat), kUnfinished));
    const ManifestFile* format = nullptr;
    for (const ManifestFile& file : manifest.files) {
      if (file.path == kFormat) {
        format = &file;
        continue;
      }
      TRY(Bring(file, file.path));
    }
    if (format == nullptr) {
      return Fail(ErrorCode::kCorrupt, "the backup has no " + std::string(kFormat) + " file");
    }
    const std::string waiting = std::string(kFormat) + ".tmp";
    TRY(Bring(*format, waiting));
    for (const std::string& dir : dirs_) TRY(fs_.SyncDir(dir.empty() ? to_ : to_ + "/" + dir));
    TRY(fs_.SyncDir(to_));
    TRY(fs_.Rename(to_ + "/" + waiting, to_ + "/" + std::string(kFormat)));
    return fs_.SyncDir(to_);
  }

 private:
  Status MakeDirFor(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return {};
    const std::string dir = path.substr(0, slash);
    if (dirs_.contains(dir)) return {};
    TRY(MakeDirFor(dir));
    TRY(fs_.CreateDir(to_ + "/" + dir));
    dirs_.insert(dir);
    return {};
  }

  Status Bring(const ManifestFile& file, const std::string& as) {
    TRY(MakeDirFor(as));
    const auto from = fs_.Open(from_ + "/" + file.path, os::OpenMode::kRead);
    if (!from && from.error().code() == ErrorCode::kNotFound) {
      return Fail(ErrorCode::kCorrupt, "the backup is damaged: " + file.path + " is missing");
    }
    if (!from) return Fail(from.error());
    TRY_ASSIGN(const auto to, fs_.Open(to_ + "/" + as, os::OpenMode::kCreate));
    TRY_ASSIGN(const Copied copied, CopyBytes(**from, *to, std::nullopt, buffer_, progress_));
    if (copied.bytes != file.bytes || copied.crc32c != file.crc32c) {
      return Fail(ErrorCode::kCorrupt,
                  "the backup is damaged: " + file.path + " is not what was backed up");
    }
    progress_.bytes_copied += copied.bytes;
    ++progress_.files;
    return {};
  }

  os::FileSystem& fs_;
  const std::string from_;
  const std::string to_;
  Progress& progress_;
  std::string buffer_;
  std::set<std::string> dirs_;
};

Status TakeEmptyDir(os::FileSystem& fs, const std::string& dir) {
  if (!fs.Exists(dir)) {
    TRY(fs.CreateDir(dir));
    return fs.SyncDir(os::ParentOf(dir));
  }
  TRY_ASSIGN(const auto names, fs.List(dir));
  if (names.empty()) return {};
  return Fail(ErrorCode::kConflict,
              dir + " is not empty: a restore only goes into an empty or a new directory");
}

Status Empty(os::FileSystem& fs, const std::string& dir) {
  TRY_ASSIGN(const auto names, fs.List(dir));
  for (const std::string& name : names) TRY(RemoveTree(fs, dir + "/" + name));
  return {};
}

}  // namespace

Result<Manifest> Restore(os::FileSystem& fs, const std::string& backup_dir,
                         const std::string& data_dir, Progress& progress) {
  TRY_ASSIGN(Manifest manifest, ReadManifest(fs, backup_dir));
  progress.bytes_total.store(manifest.bytes());
  TRY(TakeEmptyDir(fs, data_dir));
  TRY_ASSIGN(const std::uint64_t free, fs.FreeBytes(data_dir));
  if (free < manifest.bytes()) {
    return Fail(ErrorCode::kExhausted, "the backup has " + std::to_string(manifest.bytes()) +
                                           " bytes, and only " + std::to_string(free) +
                                           " are free");
  }
  const Status done =
      Restorer(fs, backup_dir + "/" + manifest.data, data_dir, progress).Run(manifest);
  if (done) return manifest;
  IgnoreError(Empty(fs, data_dir), "what is left does not open: its FORMAT says so");
  return Fail(done.error());
}

}  // namespace tributary::backup
