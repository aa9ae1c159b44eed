// The directory that a backup is made into:
//
//   DIR/BACKUP          says that the directory is a backup's, written first
//   DIR/LOCK            of the process that writes it
//   DIR/manifest.json   what the finished backup holds, replaced last
//   DIR/data-000003/    its files; other data-… are left by an interrupted one, and are removed
//
// A backup builds data-N+1 beside data-N, then replaces the manifest, then removes data-N: whatever
// happens in between, the manifest names a whole one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backup/manifest.h"
#include "os/fs.h"

namespace tributary::backup {

inline constexpr std::size_t kPathBytesMax = 4096;

// Whether a backup of `data_dir` may be made into `dir`: an absolute path of plain names, not
// inside the data directory and not around it, whose parent exists. Errors are kInvalid with field
// "dir".
Status CheckTarget(os::FileSystem& fs, const std::string& dir, const std::string& data_dir);

class Target {
 public:
  // Takes the directory: makes it, or goes on in one that an earlier backup made, and removes what
  // an interrupted one has left. kConflict when it holds anything else, or another process has it.
  static Result<Target> Open(os::FileSystem& fs, const std::string& dir);

  const std::optional<Manifest>& earlier() const { return earlier_; }
  std::string EarlierData() const;  // path of its files; only with earlier()
  std::string data_name() const { return DataName(number_); }
  std::string data() const { return dir_ + "/" + data_name(); }

  // Makes the new backup the backup. Everything in data() is durable by now.
  Status Commit(const Manifest& manifest);

 private:
  Target(os::FileSystem& fs, std::string dir) : fs_(&fs), dir_(std::move(dir)) {}
  Status TakeDir();
  Status RemoveLeftovers();

  os::FileSystem* fs_;
  std::string dir_;
  std::unique_ptr<os::DirLock> lock_;
  std::optional<Manifest> earlier_;
  std::uint64_t number_ = 1;
};

}  // namespace tributary::backup
