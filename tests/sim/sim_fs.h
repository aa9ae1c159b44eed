// A file system in memory that knows what a power cut does.
//
// Every file remembers, per 512-byte sector, what was on it when it was last synced. At Crash(seed)
// each sector written since is kept, put back, or filled with garbage, each by itself, and the
// file's length is what it was or what it became. Directory entries are made durable by SyncDir
// alone: of the creations, renames and removals since, any may be undone, in any combination that
// a journal could leave (a rename is whole or did not happen).
//
// Open files of before the crash answer kIo. Faults are planned: the k-th call of a kind fails, or
// the power goes at the k-th call that changes anything. Thread-safe.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "os/fs.h"
#include "sim/sim_random.h"

namespace tributary::sim {

inline constexpr std::size_t kSectorBytes = 512;

enum class Call { kOpen, kRead, kWrite, kSync, kTruncate, kSyncDir, kRename, kRemove, kCreateDir };
inline constexpr std::size_t kCalls = 9;

class SimFs final : public os::FileSystem {
 public:
  SimFs();
  ~SimFs() override;

  // ---- The world's malice

  // The power comes back after it went (now, if it had not): what was not synced is uncertain.
  void Crash(std::uint64_t seed);
  // A clean stop of the machine: everything is as it was written.
  void Reboot();
  // The power goes at the `calls`-th changing call from now on (0: the next one). That call, if it
  // writes, may be done in part; everything fails from then until Crash().
  void PowerOffAfter(std::uint64_t calls);
  bool powered() const;

  // The `nth` call of this kind from now on (0: the next one) fails with `code`, and so do the
  // following `times - 1` ones.
  void FailCall(Call call, std::uint64_t nth, ErrorCode code, std::uint64_t times = 1);
  void ClearFaults();
  std::uint64_t calls(Call call) const;
  std::uint64_t changes() const;  // calls so far that change anything
  std::uint64_t bytes_read() const;

  // Bytes for all files together; creating or growing beyond it is kExhausted.
  void SetCapacity(std::uint64_t bytes);
  // Reads of this range of a file fail with kIo, as a bad sector does.
  void BreakRange(const std::string& path, std::uint64_t from, std::uint64_t bytes);

  // Planted bugs, to show that the tests would find them.
  void IgnoreSyncs() { ignore_syncs_ = true; }
  void IgnoreDirSyncs() { ignore_dir_syncs_ = true; }
  // No tracking of what is synced: for tests that only read and change bytes, and do so often.
  void ForgetHistory();

  // ---- Direct access, durable at once

  std::string Bytes(const std::string& path) const;
  void SetBytes(const std::string& path, std::string bytes);
  void FlipBit(const std::string& path, std::uint64_t bit);
  std::vector<std::string> Files() const;  // all paths
  // An independent copy of everything, without faults.
  std::unique_ptr<SimFs> Clone() const;

  // ---- os::FileSystem

  Result<std::unique_ptr<os::File>> Open(const std::string& path, os::OpenMode mode) override;
  Status CreateDir(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  bool Exists(const std::string& path) override;
  Result<std::uint64_t> FreeBytes(const std::string& path) override;
  Result<std::unique_ptr<os::DirLock>> LockDir(const std::string& dir) override;

 private:
  friend class SimFile;
  struct Inode;
  struct Change;
  using InodePtr = std::shared_ptr<Inode>;
  using Entries = std::map<std::string, InodePtr>;  // path → file; null: a directory
  struct Fault {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    ErrorCode code = ErrorCode::kIo;
  };

  // Counts the call; an error if the power is off or a fault is planned for it.
  Status Enter(Call call, const std::string& path);
  Status EnterChange(Call call, const std::string& path);
  Status Grow(const Inode& inode, std::uint64_t size, const std::string& path);
  void Record(Change change);
  static void CrashInode(Inode& inode, SimRandom& random);

  mutable std::mutex mutex_;
  Entries entries_;                   // as a running program sees them
  Entries durable_;                   // as SyncDir left them
  std::vector<Change> changes_made_;  // since, in order
  std::set<std::string> locks_;
  std::uint64_t generation_ = 0;  // of open files
  bool powered_ = true;
  std::optional<std::uint64_t> power_off_at_;
  std::uint64_t changing_calls_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::array<std::uint64_t, kCalls> counts_{};
  std::array<std::vector<Fault>, kCalls> faults_;
  std::uint64_t capacity_ = ~0ULL;
  std::uint64_t used_ = 0;
  bool ignore_syncs_ = false;
  bool ignore_dir_syncs_ = false;
  bool track_ = true;
};

}  // namespace tributary::sim
