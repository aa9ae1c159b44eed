// A log in memory, behind the same door as the real one: for tests of those who read and write the
// log. Four partitions by default, so that a reader that assumes one is found out.
//
// Commits by itself inside Append() (then `done` and listeners are called on the caller's thread),
// or only when the test says Commit(). Thread-safe; keeps everything until RetainTo().
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "log/log.h"

namespace tributary::test {

enum class CommitMode { kAutomatic, kManual };

class MemoryLog final : public log::Log {
 public:
  static constexpr std::uint32_t kPartitions = 4;
  explicit MemoryLog(std::uint32_t partitions = kPartitions,
                     CommitMode mode = CommitMode::kAutomatic);
  ~MemoryLog() override;

  // Manual mode: makes everything appended so far durable and visible, in order of Append().
  void Commit();
  // Manual mode: what waits fails with `error`, as after a failed sync; the offsets are not used.
  void FailPending(const Error& error);
  // From now on Append refuses with this; nullopt: takes again.
  void RefuseAppends(std::optional<Error> error);
  // From now on reads fail with this, as on a disk that has its troubles; nullopt: they work again.
  void FailReads(std::optional<Error> error);
  // Retention: everything below `end` is gone, whole chunks or not.
  void RetainTo(log::Partition partition, log::Offset end);
  // What is appended next begins at `to`, as after a crash that left unknown how far offsets went.
  void Leap(log::Partition partition, log::Offset to);
  // Damage: the record is gone, its neighbours stay.
  void Lose(log::Partition partition, log::Offset offset);
  // segments() speaks of runs of so many records (default 1,000), as files under `dir`.
  void SetSegments(std::uint64_t records, std::string dir);
  // Does what the maintenance thread does for one holder check: ReleaseBelow(end) on each holder.
  void AskRelease(log::Partition partition, log::Offset end);
  // What every holder has durably passed; the highest offset there is when there is no holder.
  log::Offset HeldFrom(log::Partition partition) const;

  std::uint32_t partitions() const override;
  Status Append(log::Partition partition, std::unique_ptr<log::Batch>& batch,
                log::AppendDone done) override;
  log::Offset first(log::Partition partition) const override;
  log::Offset committed(log::Partition partition) const override;
  log::Offset assigned(log::Partition partition) const override;
  Result<std::shared_ptr<const log::Chunk>> Read(log::Partition partition, log::Offset from,
                                                 std::size_t bytes_wanted) override;
  Result<log::Offset> OffsetAtTime(log::Partition partition, UnixMicros at) override;
  void OnCommit(CommitListener listener) override;
  void AddHolder(std::shared_ptr<log::Holder> holder) override;
  void RemoveHolder(const log::Holder* holder) override;
  std::vector<SegmentInfo> segments(log::Partition partition) const override;
  log::Health health() const override;
  log::Stats stats() const override;

 private:
  struct Part;
  struct Pending;
  Part& part(log::Partition partition) const;
  void CommitOne(Pending pending);

  mutable std::mutex mutex_;
  const CommitMode mode_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::deque<Pending> pending_;
  std::optional<Error> refuse_;
  std::optional<Error> unreadable_;
  std::vector<CommitListener> listeners_;
  std::vector<std::shared_ptr<log::Holder>> holders_;
  std::uint64_t segment_records_ = 1'000;
  std::string dir_ = "memory-log";
  std::uint64_t commits_ = 0;
};

}  // namespace tributary::test
