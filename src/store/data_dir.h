// The data directory: taken for one process, its versions checked before anything is opened.
//
//   DATA/FORMAT     versions of what is on disk, one "name number" per line
//   DATA/LOCK       flock of the running process
//   DATA/secret.key the key that seals secrets (store/key_file.h)
//   DATA/log/       segments (log/FORMAT.md)       DATA/dedupe/  message-id index
//   DATA/store/     RocksDB                        DATA/files/   the `file` destination's root
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "os/fs.h"

namespace tributary::store {

struct DataDir {
  std::string path;
  std::unique_ptr<os::DirLock> lock;
};

// Creates what is missing, durably. kConflict when another process has it, kUnsupported with a
// sentence when FORMAT names a version that this program does not know: nothing was changed then.
Result<DataDir> OpenDataDir(os::FileSystem& fs, const std::string& path);

// For commands that only look: checks FORMAT, takes the lock, creates nothing.
Result<DataDir> InspectDataDir(os::FileSystem& fs, const std::string& path);

}  // namespace tributary::store
