// The verdicts of one partition as readers see them: recent ones in memory, older ones from the
// files beside the segments, a few of which are kept loaded.
//
// A damaged page is never served as it is: its bits come from the message-id index, which flags
// duplicates too. Where that fails as well the bits are unknown until the stage decides them anew;
// readers then see "no duplicate", which repeats a delivery rather than losing one.
//
// Threads: Append, SkipTo, SetSynced and SetSegments by the dedupe thread; the rest by any. Loading
// an old segment reads a file, outside the lock.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "dedupe/verdict_file.h"
#include "log/log.h"

namespace tributary::dedupe {

class VerdictMap {
 public:
  // Memory: recent verdicts are trimmed past kRecentMax (one bit each), but never above synced.
  static constexpr std::size_t kRecentMax = 1U << 22;
  static constexpr std::size_t kLoadedSegmentsMax = 32;

  // Where bits of [first, end) come from when a page is damaged; nullopt when they cannot be had.
  using Rescue = std::function<std::optional<std::vector<bool>>(log::Offset, log::Offset)>;
  VerdictMap(os::FileSystem& fs, log::Partition partition, Rescue rescue)
      : fs_(fs), partition_(partition), rescue_(std::move(rescue)) {}

  // Before any reader: everything below is decided and on disk.
  void StartAt(log::Offset decided);
  void SetSegments(std::vector<log::Log::SegmentInfo> segments);

  void Append(const std::vector<bool>& verdicts);
  // Nothing has a verdict before `first`, which is above decided(): the log leapt. All is synced.
  void SkipTo(log::Offset first);
  void SetSynced(log::Offset synced);

  log::Offset decided() const { return decided_.load(std::memory_order_acquire); }
  log::Offset synced() const { return synced_.load(std::memory_order_acquire); }
  // Offsets without a segment, or at or above decided(), are no duplicates.
  std::vector<bool> Duplicates(log::Offset first, log::Offset end) const;
  // The same; nullopt when a bit below decided() cannot be known.
  std::optional<std::vector<bool>> KnownDuplicates(log::Offset first, log::Offset end) const;

  // First offsets of segments whose file was found damaged, once each.
  std::vector<log::Offset> TakeDamaged();
  // The file of this segment was written anew: forget what was loaded of it.
  void Reload(log::Offset segment_first);

 private:
  struct Loaded {
    log::Offset first = 0;
    log::Offset end = 0;  // bits below are here
    std::vector<bool> bits;
    bool unknown = false;  // some of the bits could be had from nowhere
  };
  using LoadedPtr = std::shared_ptr<const Loaded>;

  std::vector<bool> Collect(log::Offset first, log::Offset end, bool* unknown) const;
  // What holds `at`: loaded bits, or nothing and the next offset that may have some.
  LoadedPtr SegmentAt(log::Offset at, log::Offset recent_base, log::Offset* next) const;
  LoadedPtr Load(const log::Log::SegmentInfo& segment, log::Offset until) const;
  void Keep(LoadedPtr loaded) const;
  void TrimLocked();

  os::FileSystem& fs_;
  const log::Partition partition_;
  const Rescue rescue_;
  std::atomic<log::Offset> decided_{0};
  std::atomic<log::Offset> synced_{0};

  mutable std::mutex mutex_;
  log::Offset recent_base_ = 0;
  std::vector<bool> recent_;
  std::vector<log::Log::SegmentInfo> segments_;
  mutable std::list<LoadedPtr> loaded_;  // front: used last
  mutable std::set<log::Offset> damaged_;
};

}  // namespace tributary::dedupe
