// The one who writes: owns the active segment and every sync of it.
//
// A step takes what waits, stamps it, writes it behind one commit mark, syncs once, publishes the
// very buffers that the producers filled, and answers. While it syncs, the next group gathers in
// the queue, so groups grow with load and nobody polls.
//
// A failed write or sync is final: `poisoned`. Not being able to make the next segment for lack of
// space is not: the queue refuses with kExhausted until maintenance has made one.
// Threads: everything on the writer's thread except what says otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "log/active_segment.h"
#include "log/commit_queue.h"
#include "log/open.h"
#include "log/prepare.h"
#include "log/segment_set.h"
#include "log/tail_window.h"

namespace tributary::log {

class Writer {
 public:
  // An idle log says within 100 ms what is synced; half of that leaves time for the sync.
  static constexpr MonoNanos kIdleMarkAfterNs = 50 * kNanosPerMilli;

  // Of each commit, in this order: readers may see it (`committed`), its waiters are answered, and
  // then those who follow the log are woken (`wake`), so that no answer waits for their work where
  // they share a core.
  using Committed = std::function<void(Offset committed)>;
  Writer(const LogWorld& world, const LogOptions& options, Partition partition, std::string dir,
         SegmentSet& segments, TailWindow& window, CommitQueue& queue, Preparer& preparer,
         const WritePoint& start, Committed committed, Committed wake);

  // Makes the first segment of an empty log, so that the first request need not wait for it.
  void Begin();

  // See SegmentedLog.
  bool Step();
  // How long nothing will be due; negative: until something is appended.
  MonoNanos IdleFor() const;

  // From any thread.
  void RequestClose() { closing_.store(true); }
  void RequestRoll() { roll_requested_.store(true); }  // once the log is idle
  bool closed() const { return closed_.load(); }
  std::optional<Error> poison() const;  // why nothing can be written any more
  Offset assigned() const { return assigned_.load(); }
  std::uint64_t next_segment_bytes() const { return next_segment_bytes_.load(); }
  bool wants_next() const { return wants_next_.load(); }
  std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }
  std::uint64_t records() const { return records_.load(std::memory_order_relaxed); }
  std::uint64_t bytes_written() const { return bytes_.load(std::memory_order_relaxed); }
  MonoNanos last_sync_ns() const { return last_sync_ns_.load(std::memory_order_relaxed); }

 private:
  // The next batches that go into one write: pending_[taken_ …].
  struct Group {
    std::size_t batches = 0;
    std::uint64_t bytes = 0;
    std::uint32_t records = 0;
    Offset first = 0;
    UnixMicros first_at_us = 0;
  };
  Group FormGroup() const;
  bool MakeRoom();
  void CommitNext();
  void Stamp(Group& group);
  Status WriteGroup(const Group& group);
  std::shared_ptr<const FrameChunk> ChunkOf(const Group& group);
  void Answer(const Group& group);
  void Publish(std::shared_ptr<const FrameChunk> chunk, std::uint64_t data_bytes);  // no wake

  bool SyncDue() const;
  bool SyncNow();
  Status WriteMark(std::uint8_t flags);
  bool IdleStep();
  bool CloseStep();
  bool RollIfRequested();

  void Poison(const Error& error);
  void FailPending(const Error& error);

  os::Clock& clock_;
  const LogOptions& options_;
  const Partition partition_;
  SegmentSet& segments_;
  TailWindow& window_;
  CommitQueue& queue_;
  const Committed committed_;
  const Committed wake_;
  ActiveSegment active_;

  Offset next_ = 0;    // of the next record
  Offset synced_ = 0;  // everything below is synced
  UnixMicros newest_us_ = 0;
  bool marked_ = true;  // a mark behind the last group says that it is synced
  MonoNanos last_commit_ns_ = 0;
  MonoNanos unsynced_since_ns_ = 0;
  std::vector<PendingBatch> pending_;
  std::size_t taken_ = 0;        // of pending_, how many are done with
  std::vector<Offset> answers_;  // first offset of each batch of the group in hand
  struct Unpublished {
    std::shared_ptr<const FrameChunk> chunk;
    std::uint64_t data_bytes = 0;
  };
  std::vector<Unpublished> unpublished_;  // SyncMode::kInterval: answered, not yet to be read
  std::string mark_bytes_;
  std::vector<std::string_view> parts_;

  std::atomic<bool> closing_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> roll_requested_{false};
  std::atomic<bool> wants_next_{true};
  std::atomic<Offset> assigned_{0};
  std::atomic<std::uint64_t> next_segment_bytes_{0};
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> records_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<MonoNanos> last_sync_ns_{0};
  std::atomic<bool> poisoned_{false};
  mutable std::mutex poison_mutex_;
  std::optional<Error> poison_;
};

}  // namespace tributary::log
