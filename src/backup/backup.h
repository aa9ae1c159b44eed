// The door of backups: copies of a data directory that can be made while the server works.
//
// What a backup holds: every event that was acknowledged before it began, and the state of the
// store at one moment after that, with nothing in the store that the log does not have. The order
// gives that: first a checkpoint of the store, then, once the log has made durable whatever the
// store may speak of, verdicts and index of dedupe, and last the log. So a lane goes on from a
// cursor that is never past the end of the log; what it had delivered in between, it sends again
// with the same id. Outcomes, and files of `file` destinations, are at least as new as the store.
//
// Left out: the key that seals secrets (kSecretKeyName), locks and temporary files. Everything else
// below the data directory is taken, known or not; a directory right below it may be a link to one
// elsewhere. Whatever else is no regular file (kUnsupported, with its path) fails the backup.
//
// Incremental: a file that the last backup in the same directory has, unchanged, is kept (hard
// link). A backup that ends early leaves the last one as it was. Durable when MakeBackup returns.
//
// Threads: MakeBackup and Restore block for as long as it takes; one caller each, any thread.
#pragma once

#include <functional>
#include <string>

#include "backup/copier.h"
#include "backup/manifest.h"
#include "log/log.h"
#include "os/clock.h"
#include "store/store.h"

namespace tributary::backup {

inline constexpr std::string_view kSecretKeyName = "secret.key";
// In the data directory while a backup runs: the checkpoint of the store, as hard links.
inline constexpr std::string_view kScratchName = "backup.tmp";
// How long the log may take to make durable what was given an offset before the checkpoint.
inline constexpr MonoNanos kLogWaitMax = 30 * kNanosPerSecond;

// Given by the caller, outliving the call.
struct BackupWorld {
  os::FileSystem* fs = nullptr;
  os::Clock* clock = nullptr;
  store::Store* store = nullptr;
  // Null: no server works on the directory, and the caller holds its lock.
  log::Log* log = nullptr;
  std::string data_dir;
  std::string version;
  // Blocks for the span; false when the wait was ended early because everything ends.
  std::function<bool(MonoNanos)> wait;
};

// Checks `dir` as CheckTarget does. kConflict when it is in use or not a backup's; kUnavailable
// when cancelled, or when the log takes no writes any more: then stop the server and back up
// without it.
Result<Manifest> MakeBackup(const BackupWorld& world, const std::string& dir, Progress& progress);

// Whether a backup may be made into `dir` (see target.h).
Status CheckTarget(os::FileSystem& fs, const std::string& dir, const std::string& data_dir);

// Removes what a backup that was cut short has left in a data directory.
Status RemoveScratch(os::FileSystem& fs, const std::string& data_dir);

// Makes `data_dir`, which is absent or empty, what the backup says. Every byte is compared with the
// manifest on the way; kCorrupt names the file that differs. Until it has succeeded no server opens
// the directory, and after a failure it is empty again.
Result<Manifest> Restore(os::FileSystem& fs, const std::string& backup_dir,
                         const std::string& data_dir, Progress& progress);

}  // namespace tributary::backup
