// The door of the dedupe stage: the one place that decides which events repeat an earlier one.
//
// An event is (source, message id); the first wins. A repeat is recognised for `window_us` (to the
// second) or while fewer than `max_ids` events (up to an eighth more) have come since, whichever
// closes first; a repeat does not prolong that. Only records of Kind::kEvent
// with a message id are decided; others are never duplicates. Each partition is decided by itself:
// a repeat carries the same key as its original, so both are in the same one.
//
// Durability: a verdict is read, never made again, once it is below synced(); above it a crash
// makes it again from the log, with the same result. Index and verdict files that are damaged are
// named in the log lines and made again. A failed write or sync is final: failure() says why, and
// nothing moves until restart. FORMAT.md has the files.
//
// Memory: at most `filter_bytes_max` for filters, about 5 MB for the run being gathered, 1 MB of
// recent verdicts; next to nothing when idle.
//
// Threads: Step() and WaitForWork() by the one dedupe thread (only app/ starts threads); everything
// else by any. Find() reads the disk.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/log.h"
#include "log/verdicts.h"
#include "metrics/registry.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/random.h"

namespace tributary::dedupe {

class OpenFiles;
class Stage;
struct Instruments;

struct DedupeOptions {
  std::string dir;  // DATA/dedupe; created if absent
  std::int64_t window_us = 86'400 * kMicrosPerSecond;
  std::uint64_t max_ids = 16'000'000;  // of all partitions; at most filter_bytes_max / 4
  std::size_t filter_bytes_max = 64U << 20;
};

// Given by the caller, outliving the stage.
struct DedupeWorld {
  os::FileSystem* fs = nullptr;
  os::Clock* clock = nullptr;
  os::Random* random = nullptr;
  log::Log* log = nullptr;
  metrics::Registry* registry = nullptr;
};

struct Match {
  log::Partition partition = 0;
  log::Offset offset = 0;
  bool duplicate = false;
  std::int64_t received_s = 0;  // whole seconds since 1970 UTC
};

class Dedupe final : public log::Verdicts, public log::Holder {
 public:
  static constexpr std::size_t kMatchesMax = 256;  // of originals, and as many duplicates
  static constexpr std::size_t kWaitersMax = 4'096;

  // Recovers; quick with any amount of data (indexes are loaded by Step, and found answers do not
  // wait for them). Makes itself known to the log as holder and as listener to commits.
  static Result<std::shared_ptr<Dedupe>> Open(const DedupeWorld& world,
                                              const DedupeOptions& options);
  ~Dedupe() override;

  // The dedupe thread's loop body; false when there is nothing to do now. WaitForWork() blocks
  // until there is, or until Close(). After Close() the thread calls Step() until it returns false:
  // that makes the verdicts durable.
  bool Step();
  void WaitForWork();
  void Close();
  bool closed() const;

  // Every record with this message id that the log still has, newest first: the latest kMatchesMax
  // originals (one, unless the window was shorter than the log) and as many duplicates. Records
  // at or above the offset that was passed to WhenIndexed may be missing.
  // kUnavailable while a damaged index file is being made again.
  Result<std::vector<Match>> Find(log::SourceId source, std::string_view message_id) const;

  // The originals with this message id of any of `sources` that the log still has, newest first:
  // the latest `max`. Costs at most one pass over the index, however many sources are asked about.
  // kUnavailable as of Find().
  Result<std::vector<Match>> OriginalsOf(std::span<const log::SourceId> sources,
                                         std::string_view message_id, std::size_t max) const;

  // The source whose original with this message id is the newest that the log still has; nullopt
  // when none has any. Costs at most one pass over the index, and far less when there is one,
  // however many sources are asked about. kUnavailable as of Find().
  Result<std::optional<log::SourceId>> SourceOfNewest(std::span<const log::SourceId> sources,
                                                      std::string_view message_id) const;

  // Calls `wake(true)` once Find() sees everything below `offset` (committed() when the request
  // came), or `wake(false)` at `deadline_ns` (monotonic) or at Close(). At once, on the caller's
  // thread, if it does already; else on the dedupe thread, where it must only wake somebody.
  // kExhausted past kWaitersMax.
  using Wake = std::move_only_function<void(bool indexed)>;
  Status WhenIndexed(log::Partition partition, log::Offset offset, MonoNanos deadline_ns,
                     Wake wake);

  // log::Verdicts
  log::Offset decided(log::Partition partition) const override;
  log::Offset synced(log::Partition partition) const override;
  bool IsDuplicate(log::Partition partition, log::Offset offset) const override;
  std::vector<bool> Duplicates(log::Partition partition, log::Offset first,
                               log::Offset end) const override;
  void RequestSync() override;
  void OnProgress(Listener listener) override;

  // log::Holder
  std::string name() const override { return "dedupe"; }
  log::Offset synced_cursor(log::Partition partition) const override;
  void ReleaseBelow(log::Partition partition, log::Offset end) override;

  // "" while all is well; else why the stage has stopped.
  std::string failure() const;

 private:
  // Outlives the stage as long as the log may still call its commit listener.
  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    bool raised = false;
    void Raise();
  };
  struct Waiter {
    log::Partition partition;
    MonoNanos deadline_ns;
    Wake wake;
  };
  template <class Ask>  // Result<std::vector<Stage::Found>>(const Stage&)
  Result<std::vector<Match>> NewestFirst(const Ask& ask) const;

  explicit Dedupe(const DedupeWorld& world);
  Status OpenStages(const DedupeOptions& options);
  // Progress of all stages since the last call; tells listeners and waiters.
  void Announce();
  std::vector<Wake> TakeWaiters(bool closing, std::vector<Wake>& late);
  std::optional<MonoNanos> NextWake() const;

  const DedupeWorld world_;
  std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  std::unique_ptr<Instruments> instruments_;
  std::unique_ptr<OpenFiles> files_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::atomic<bool> sync_wanted_{false};
  std::atomic<bool> closed_{false};
  log::Offset announced_ = 0;  // sum of decided, synced and indexed when listeners were last told

  mutable std::mutex mutex_;  // guards what follows
  std::vector<Listener> listeners_;
  std::multimap<log::Offset, Waiter> waiters_;  // by the offset they wait for
};

}  // namespace tributary::dedupe
