// Dedupe of one partition: reads committed records in log order, decides, keeps verdicts and index.
//
// The order of what becomes durable is what recovery stands on:
//   verdicts up to X  →  index run that ends at X  →  the log may delete what is below X.
// So where the runs end, verdicts are on disk; from there on the log still has every record, and
// the table of the current run is gathered from it again, taking verdicts that are on disk as they
// are and deciding only the others.
//
// Threads: Step() and what it calls by the dedupe thread; Find(), verdicts(), cursor() and
// ReleaseBelow() by any.
#pragma once

#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "dedupe/instruments.h"
#include "dedupe/run_builder.h"
#include "dedupe/run_file.h"
#include "dedupe/verdict_file.h"
#include "dedupe/verdict_map.h"
#include "dedupe/window.h"
#include "log/log.h"
#include "os/clock.h"

namespace tributary::dedupe {

struct StageWorld {
  OpenFiles* files = nullptr;
  os::Clock* clock = nullptr;
  log::Log* log = nullptr;
  Instruments* instruments = nullptr;
};

struct StageOptions {
  log::Partition partition = 0;
  std::string dir;  // of the index files; exists
  std::uint32_t run_ids_max = kRunIdsMax;
  WindowOptions window;
};

class Stage {
 public:
  // Reads directory, headers of the index files and the verdicts after the last of them; nothing
  // whose size grows with the log.
  static Result<std::unique_ptr<Stage>> Open(const StageWorld& world, StageOptions options);

  // One round of work; false when there was none. `sync_wanted`: somebody waits for synced().
  bool Step(bool sync_wanted, bool closing);
  // When Step has something to do although nothing new was committed; nullopt: never.
  std::optional<MonoNanos> WakeAt(bool sync_wanted) const;

  const VerdictMap& verdicts() const { return verdicts_; }
  // Below this everything is decided *and* in the index (after a restart that lags decided()).
  log::Offset indexed() const { return indexed_.load(std::memory_order_acquire); }
  // What the log may delete as far as dedupe is concerned.
  log::Offset cursor() const { return cursor_.load(std::memory_order_acquire); }
  void ReleaseBelow(log::Offset end);

  struct Found {
    log::Offset offset = 0;
    std::int64_t received_s = 0;
    bool duplicate = false;
  };
  // At most `max` originals and as many duplicates, the latest. kUnavailable while an index file
  // has to be made again; the next Step does that.
  Result<std::vector<Found>> Find(const Hash128& id, std::size_t max) const;

  // The originals of any of `ids`, which are in order: the latest `max`. kUnavailable as of Find().
  Result<std::vector<Found>> OriginalsOf(std::span<const Hash128> ids, std::size_t max) const;

  // The latest original of any of `ids`, which are in order. Looks from the newest run to the
  // oldest and ends where it finds one.
  struct Latest {
    Hash128 id;
    Found found;
  };
  Result<std::optional<Latest>> LatestOf(std::span<const Hash128> ids) const;

  // "" while all is well; else why the stage has stopped for good.
  std::string failure() const;

 private:
  static constexpr log::Offset kNowhere = std::numeric_limits<log::Offset>::max();

  using RunList = std::vector<RunPtr>;
  struct Pending {  // an event of the batch in hand
    Hash128 id;
    log::Offset offset;
    std::int64_t received_s;
  };

  Stage(const StageWorld& world, StageOptions options);

  // stage_open.cc
  Status Recover();
  Status ListRuns();
  Status ListVerdictFiles();
  void FindHoles();
  Result<log::Offset> RecoverVerdicts();
  Result<log::Offset> RecoverTail(const log::Log::SegmentInfo& segment);
  Result<std::vector<VerdictPage>> MendTail(const VerdictSegment& file,
                                            const std::vector<VerdictPage>& pages,
                                            log::Offset decided);
  Status DropRunsAbove(log::Offset end);
  Status RemoveVerdictFilesAbove(log::Offset segment_first);
  log::Offset RunsEnd() const;

  // stage.cc
  Result<bool> Work(bool sync_wanted, bool closing);
  Result<bool> ProcessBatch();
  Status SkipTo(log::Offset first);
  Status Leap(log::Offset end);
  void Collect(std::span<const log::RecordView> records);
  Status Decide(RunBuilder& builder, log::Offset from, log::Offset* end,
                std::vector<bool>& verdicts);
  Result<bool> IsRepeat(const RunBuilder& builder, const Pending& event);
  void Publish(log::Offset from, log::Offset end, const std::vector<bool>& verdicts);
  Status CutRuns(bool all);
  Status Cut(log::Offset at);
  Status SyncVerdicts();
  Status WriteVerdicts(log::Offset until);
  void RefreshSegments();
  Status Release();
  Status GiveUp(log::Offset below);
  bool SyncDue(bool sync_wanted) const;
  void Handle(const Error& error);
  void CloseWindow();

  // stage_repair.cc
  Result<bool> Background();
  bool NeedsRepair() const;
  Status Repair();
  Status RebuildRange(log::Offset first, log::Offset end);
  Result<log::Offset> Gather(RunBuilder& builder, log::Offset from, log::Offset end);
  std::uint64_t IdsBefore(log::Offset first) const;
  void PutRun(const RunPtr& run);
  Status RewriteVerdicts(log::Offset segment_first);
  std::optional<std::vector<bool>> BitsFromRuns(log::Offset first, log::Offset end) const;
  Result<bool> RemoveExpired();
  Status RemoveFile(const std::string& path);

  const log::Log::SegmentInfo* SegmentOf(log::Offset offset) const;
  log::Offset BoundaryAfter(log::Offset offset) const;
  VerdictSegment FileOf(const log::Log::SegmentInfo& segment) const;
  RunList runs() const;
  Error Unreadable(const RunPtr& run, const Error& error) const;
  os::FileSystem& fs() const { return world_.files->fs(); }

  const StageWorld world_;
  const StageOptions options_;
  VerdictMap verdicts_;
  Window window_;
  std::unique_ptr<VerdictWriter> writer_;
  log::Offset written_ = 0;  // verdicts below are in writers, perhaps not yet synced
  std::vector<log::Log::SegmentInfo> segments_;
  std::map<log::Offset, std::string> verdict_files_;  // path by first offset of its segment

  log::Offset next_ = 0;  // of the records read into current_
  std::atomic<log::Offset> indexed_{0};
  std::atomic<log::Offset> cursor_{0};
  std::atomic<log::Offset> release_below_{0};
  std::string scratch_;

  mutable std::mutex index_mutex_;  // current_ and runs_ change together, for Find
  RunBuilder current_;
  RunList runs_;            // every index file, oldest first, inside the window or not
  mutable RunPtr suspect_;  // found damaged by a reader
  std::vector<Run::Range> holes_;
  std::atomic<bool> incomplete_{false};  // holes_ is not empty

  Moment last_;                  // of the newest event decided
  std::vector<Pending> events_;  // of the batch in hand; kept for its memory
  Window::Counts counted_;       // what the instruments already have

  MonoNanos dirty_since_ns_ = 0;
  MonoNanos last_sync_ns_ = 0;
  MonoNanos paused_until_ns_ = 0;
  MonoNanos last_expiry_ns_ = 0;

  mutable std::mutex failure_mutex_;
  std::string failure_;
};

}  // namespace tributary::dedupe
