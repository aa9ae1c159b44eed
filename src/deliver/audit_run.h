// One audit at work, and the service that lets one run at a time.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "deliver/audit.h"
#include "deliver/deliveries_search.h"

namespace tributary::deliver {

// Settles what one lane says about the records of a slice. Pure; one thread.
class LaneAudit {
 public:
  // Dropped ranges per partition, in order: those noted before the snapshot, and those of its very
  // microsecond, which may be later.
  struct Dropped {
    std::vector<std::vector<OffsetRange>> before;
    std::vector<std::vector<OffsetRange>> at_once;
  };
  LaneAudit(LaneId lane, LaneSnapshot snapshot, Dropped dropped);
  // Records come in order of their offsets, partition by partition.
  void Look(const log::RecordView& record, bool duplicate);
  // `all`: every record since the lane began was looked at.
  void CheckCounts(bool all);
  bool BeganAtOrAfter(log::Partition partition, log::Offset offset) const;
  AuditLine line;

 private:
  struct Side {
    bool waiting = false;
    bool dead = false;
    bool dropped = false;
    bool settled = false;
    int rows() const { return int{waiting} + int{dead} + int{dropped}; }
  };
  Side SideOf(Position at) const;
  void LookWanted(Position at, const Side& side);
  void Name(std::optional<Position> at, std::string what);

  const LaneId lane_;
  const LaneSnapshot snapshot_;
  const Dropped dropped_;
};

class AuditService final : public Audit {
 public:
  AuditService(DeliveriesWorld world, metrics::Registry* metrics);
  ~AuditService() override;
  void Run(AuditQuery query, Engine::Done<AuditReport> done) override;

 private:
  struct Running;
  using RunningPtr = std::shared_ptr<Running>;
  static void Snapshots(RunningPtr running);
  static void Begin(const RunningPtr& running);
  static void Slice(RunningPtr running);
  static Result<bool> SliceNow(Running& running);  // whether there is more
  static void Finish(Running& running);
  static Result<LaneAudit::Dropped> DroppedOf(const Running& running, const LaneRef& lane,
                                              UnixMicros until);

  // Shared with audits that may end later than this.
  struct Shared {
    std::atomic<bool> busy{false};
    std::atomic<std::uint64_t> runs{0};
    std::atomic<std::uint64_t> problems{0};  // of the last one
  };
  const DeliveriesWorld world_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  metrics::Registry* metrics_;
  std::vector<std::uint64_t> gauges_;
};

}  // namespace tributary::deliver
