#include "log/partition_log.h"

#include "log/recovery.h"

namespace tributary::log {

PartitionLog::PartitionLog(const LogWorld& world, const LogOptions& options, Partition partition,
                           std::string dir, DamageLog& damage, const Holders& holders)
    : world_(world),
      options_(options),
      partition_(partition),
      dir_(std::move(dir)),
      damage_(damage),
      window_(options.tail_window_bytes),
      queue_(options.queue_bytes_max),
      preparer_(*world.fs, *world.clock, dir_, options.reserve_bytes,
                [this](std::uint64_t bytes) { return MayGrow(bytes); }),
      reader_(*world.fs, segments_, window_, damage, partition),
      retention_(world, options, partition, dir_, segments_, holders),
      recompressor_(world, options, partition, dir_, segments_, damage, preparer_) {}

Result<std::unique_ptr<PartitionLog>> PartitionLog::Open(const LogWorld& world,
                                                         const LogOptions& options,
                                                         Partition partition, std::string dir,
                                                         DamageLog& damage, const Holders& holders,
                                                         Writer::Committed wake) {
  std::unique_ptr<PartitionLog> log(
      new PartitionLog(world, options, partition, std::move(dir), damage, holders));
  TRY(log->Start(std::move(wake)));
  return log;
}

Status PartitionLog::Start(Writer::Committed wake) {
  TRY_ASSIGN(const WritePoint start,
             RecoverPartition(*world_.fs, dir_, partition_, segments_, damage_));
  const auto last = segments_.last();
  committed_.store(last ? last->end : start.next);
  auto commit = [this](Offset committed) {
    committed_.store(committed, std::memory_order_release);
  };
  writer_ = std::make_unique<Writer>(world_, options_, partition_, dir_, segments_, window_, queue_,
                                     preparer_, start, std::move(commit), std::move(wake));
  writer_->Begin();
  return {};
}

Status PartitionLog::MayGrow(std::uint64_t bytes) const {
  const std::uint64_t limit = options_.retention.size_bytes_max;
  if (limit == 0 || segments_.bytes() + bytes <= limit) return {};
  return Fail(ErrorCode::kExhausted,
              "the log is at its limit, retention.size = " + std::to_string(limit) + " bytes");
}

Offset PartitionLog::first() const {
  return segments_.count() > 0 ? segments_.first_offset() : committed();
}

std::vector<Log::SegmentInfo> PartitionLog::segments() const {
  std::vector<Log::SegmentInfo> infos;
  for (const Segment& segment : segments_.all()) {
    Log::SegmentInfo info;
    info.partition = partition_;
    info.first = segment.header.base;
    info.end = segment.end;
    info.sealed = segment.sealed;
    info.newest_us = segment.end == segment.header.base ? 0 : segment.newest_us;
    info.path_stem = segment.stem;
    info.path = segment.path();
    info.data_bytes = segment.data_bytes;
    infos.push_back(std::move(info));
  }
  return infos;
}

void PartitionLog::AddStats(Stats& stats) const {
  stats.segments += segments_.count();
  stats.bytes_on_disk += segments_.bytes();
  stats.commits += writer_->commits();
  stats.records += writer_->records();
  stats.queued_bytes += queue_.bytes();
  stats.last_sync_ns = std::max(stats.last_sync_ns, writer_->last_sync_ns());
}

void PartitionLog::AddHealth(Health& health) const {
  const auto poison = writer_->poison();
  const auto refusal = queue_.refusal();
  if (poison) health.poisoned = true;
  if (!poison && !refusal) return;
  health.writable = false;
  health.reason = poison ? poison->message() : refusal->message();
}

void PartitionLog::WaitForWork() {
  if (closed()) return;
  const MonoNanos idle = writer_->IdleFor();
  if (idle != 0) queue_.Wait(idle);
}

bool PartitionLog::MaintainStep() {
  const std::uint64_t next_bytes = writer_->next_segment_bytes();
  const bool wants_roll = retention_.WantsRoll();
  const bool wants_next = (writer_->wants_next() || wants_roll) && !preparer_.ready();
  const bool disk_full = preparer_.error().has_value();
  // Room first, then what takes it; recompression last, since nobody waits for it.
  bool more = retention_.Step(wants_next ? next_bytes : 0, disk_full);
  if (wants_next) more = preparer_.Step(next_bytes) || more;
  if (preparer_.ready()) queue_.AcceptAgain();
  if (wants_roll && preparer_.ready()) {
    writer_->RequestRoll();
    queue_.Wake();
  }
  return recompressor_.Step(writer_->bytes_written(), next_bytes, disk_full) || more;
}

void PartitionLog::Close() {
  queue_.RefuseForGood(Error(ErrorCode::kUnavailable, "the log is closing"));
  writer_->RequestClose();
  queue_.Wake();
}

}  // namespace tributary::log
