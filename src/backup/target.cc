#include "backup/target.h"

#include <algorithm>

#include "backup/tree.h"

namespace tributary::backup {
namespace {

constexpr std::string_view kMarkerName = "BACKUP";
constexpr std::string_view kMarkerText =
    "tributary backup\n"
    "Made by `tributary backup`; `tributary restore` reads it. Do not change anything here.\n";
constexpr std::string_view kLockName = "LOCK";

std::unexpected<Error> Wrong(const std::string& what) {
  return Fail(ErrorCode::kInvalid, "dir", "dir must be " + what);
}

Status CheckSpelling(const std::string& dir) {
  if (!dir.starts_with('/')) return Wrong("an absolute path");
  if (dir.size() > kPathBytesMax) {
    return Wrong("at most " + std::to_string(kPathBytesMax) + " bytes long");
  }
  const bool plain = std::ranges::all_of(
      dir, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  if (!plain) return Wrong("free of control characters");
  for (std::size_t begin = 1; begin < dir.size();) {
    const std::size_t end = std::min(dir.find('/', begin), dir.size());
    const std::string_view part(dir.data() + begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return Wrong("a path without empty parts, '.' and '..'");
    }
    begin = end + 1;
  }
  return dir == "/" ? Wrong("a directory of its own, not '/'") : Status();
}

// Whether `path` is `dir` or below it; both real.
bool Within(const std::string& path, const std::string& dir) {
  return path == dir || path.starts_with(dir.ends_with('/') ? dir : dir + "/");
}

std::string LastPart(const std::string& path) {
  const std::size_t last = path.find_last_not_of('/');
  const std::size_t slash = path.rfind('/', last);
  return path.substr(slash + 1, last - slash);
}

}  // namespace

Status CheckTarget(os::FileSystem& fs, const std::string& dir, const std::string& data_dir) {
  TRY(CheckSpelling(dir));
  std::string real;
  if (fs.Exists(dir)) {
    TRY_ASSIGN(real, fs.RealPath(dir));
  } else {
    const auto parent = fs.RealPath(os::ParentOf(dir));
    if (!parent) return Wrong("in a directory that exists: " + os::ParentOf(dir) + " does not");
    real = (*parent == "/" ? "" : *parent) + "/" + LastPart(dir);
  }
  TRY_ASSIGN(const std::string data, fs.RealPath(data_dir));
  if (Within(real, data)) return Wrong("outside of the data directory");
  if (Within(data, real)) return Wrong("a directory that the data directory is not in");
  return {};
}

Result<Target> Target::Open(os::FileSystem& fs, const std::string& dir) {
  Target target(fs, dir);
  while (target.dir_.size() > 1 && target.dir_.ends_with('/')) target.dir_.pop_back();
  TRY(target.TakeDir());
  auto earlier = ReadManifest(fs, target.dir_);
  if (earlier) {
    target.number_ = *ParseDataName(earlier->data) + 1;
    target.earlier_ = std::move(*earlier);
  } else if (earlier.error().code() != ErrorCode::kNotFound &&
             earlier.error().code() != ErrorCode::kCorrupt) {
    return Fail(earlier.error());
  }
  TRY(target.RemoveLeftovers());
  TRY(fs.CreateDir(target.data()));
  return target;
}

Status Target::TakeDir() {
  if (!fs_->Exists(dir_)) {
    TRY(fs_->CreateDir(dir_));
    TRY(fs_->SyncDir(os::ParentOf(dir_)));
  }
  TRY_ASSIGN(std::vector<std::string> names, fs_->List(dir_));
  std::erase(names, kLockName);
  const bool ours = std::ranges::find(names, kMarkerName) != names.end();
  if (!names.empty() && !ours) {
    return Fail(ErrorCode::kConflict, "dir",
                "dir must be empty, or a backup made before: " + dir_ + " is neither");
  }
  TRY_ASSIGN(lock_, fs_->LockDir(dir_));
  if (!ours) TRY(os::WriteFileAtomic(*fs_, dir_ + "/" + std::string(kMarkerName), kMarkerText));
  return {};
}

// A manifest that cannot be read is kept until it is replaced; so is every directory, since it is
// not known which one is good: the next number is above all of them.
Status Target::RemoveLeftovers() {
  TRY_ASSIGN(const std::vector<std::string> names, fs_->List(dir_));
  const bool unreadable = !earlier_ && std::ranges::find(names, kManifestName) != names.end();
  for (const std::string& name : names) {
    const auto number = ParseDataName(name);
    if (!number || (earlier_ && name == earlier_->data)) continue;
    if (unreadable) {
      number_ = std::max(number_, *number + 1);
    } else {
      TRY(RemoveTree(*fs_, dir_ + "/" + name));
    }
  }
  return {};
}

std::string Target::EarlierData() const {
  return dir_ + "/" + earlier_->data;
}

Status Target::Commit(const Manifest& manifest) {
  TRY(fs_->SyncDir(dir_));
  TRY(os::WriteFileAtomic(*fs_, dir_ + "/" + std::string(kManifestName), EncodeManifest(manifest)));
  earlier_ = manifest;
  // From here on it is the backup; what was before is of no use to anybody.
  IgnoreError(RemoveLeftovers(), "the next backup removes them");
  return {};
}

}  // namespace tributary::backup
