// The door on the one embedded partition.
#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "log/open.h"
#include "log/partition_log.h"

namespace tributary::log {
namespace {

// Segments small enough that the size limit can be kept by deleting a few of them.
constexpr std::uint64_t kSegmentsInLimit = 8;
constexpr Partition kOnlyPartition = 0;

LogOptions Fitted(LogOptions options) {
  const std::uint64_t limit = options.retention.size_bytes_max;
  if (limit > 0) {
    options.segment_bytes = std::min(options.segment_bytes, limit / kSegmentsInLimit);
    options.first_segment_bytes = std::min(options.first_segment_bytes, options.segment_bytes);
  }
  options.segment_bytes = std::max(options.segment_bytes, options.first_segment_bytes);
  return options;
}

class EmbeddedLog final : public SegmentedLog {
 public:
  EmbeddedLog(const LogWorld& world, LogOptions options)
      : world_(world), options_(Fitted(std::move(options))) {}

  Status Start() {
    const std::string dir = options_.dir + "/p" + std::to_string(kOnlyPartition);
    TRY(world_.fs->CreateDir(options_.dir));
    TRY(world_.fs->SyncDir(os::ParentOf(options_.dir)));
    TRY(world_.fs->CreateDir(dir));
    TRY(world_.fs->SyncDir(options_.dir));
    TRY_ASSIGN(log_, PartitionLog::Open(world_, options_, kOnlyPartition, dir, damage_, holders_,
                                        [this](Offset committed) { Tell(committed); }));
    return {};
  }

  std::uint32_t partitions() const override { return 1; }

  Status Append(Partition partition, std::unique_ptr<Batch>& batch, AppendDone done) override {
    return at(partition).Append(batch, std::move(done));
  }
  Offset first(Partition partition) const override { return at(partition).first(); }
  Offset committed(Partition partition) const override { return at(partition).committed(); }
  Offset assigned(Partition partition) const override { return at(partition).assigned(); }

  Result<std::shared_ptr<const Chunk>> Read(Partition partition, Offset from,
                                            std::size_t bytes_wanted) override {
    return at(partition).Read(from, bytes_wanted);
  }
  Result<Offset> OffsetAtTime(Partition partition, UnixMicros when) override {
    return at(partition).OffsetAtTime(when);
  }

  void OnCommit(CommitListener listener) override {
    const std::lock_guard lock(listeners_mutex_);
    listeners_.push_back(std::move(listener));
  }

  std::vector<SegmentInfo> segments(Partition partition) const override {
    return at(partition).segments();
  }

  Health health() const override {
    Health health;
    log_->AddHealth(health);
    health.damaged_records = damage_.records();
    return health;
  }
  Stats stats() const override {
    Stats stats;
    log_->AddStats(stats);
    return stats;
  }

  void AddHolder(std::shared_ptr<Holder> holder) override { holders_.Add(std::move(holder)); }
  void RemoveHolder(const Holder* holder) override { holders_.Remove(holder); }

  bool WriterStep() override { return log_->WriterStep(); }
  void WaitForWork() override { log_->WaitForWork(); }
  bool MaintainStep() override { return log_->MaintainStep(); }
  void Close() override { log_->Close(); }
  bool closed() const override { return log_->closed(); }
  std::vector<Damage> damage() const override { return damage_.list(); }

 private:
  PartitionLog& at(Partition partition) const {
    CHECK_OP(partition, ==, kOnlyPartition);
    return *log_;
  }
  void Tell(Offset committed) {
    const std::lock_guard lock(listeners_mutex_);
    for (const CommitListener& listener : listeners_) listener(kOnlyPartition, committed);
  }

  const LogWorld world_;
  const LogOptions options_;
  DamageLog damage_;
  Holders holders_;
  std::mutex listeners_mutex_;
  std::vector<CommitListener> listeners_;
  std::unique_ptr<PartitionLog> log_;
};

}  // namespace

Result<std::unique_ptr<SegmentedLog>> SegmentedLog::Open(const LogWorld& world,
                                                         LogOptions options) {
  CHECK(world.fs != nullptr && world.clock != nullptr && world.random != nullptr);
  auto log = std::make_unique<EmbeddedLog>(world, std::move(options));
  TRY(log->Start());
  return log;
}

}  // namespace tributary::log
