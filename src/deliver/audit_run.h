// One audit at work, and the service that lets one run at a time.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "deliver/audit.h"
#include "deliver/deliveries_search.h"

namespace tributary::deliver {

// Pairs whose newest stored attempt failed, and why, by offset.
using FailedAttempts = std::map<log::Offset, std::string>;
// Of a lane, in [first, end).
Result<FailedAttempts> ReadFailedAttempts(const store::Store& store, LaneId lane,
                                          log::Partition partition, log::Offset first,
                                          log::Offset end);

// Settles what one lane says about the records of a slice. Pure; one thread.
class LaneAudit {
 public:
  // Dropped ranges per partition, in order: those noted before the snapshot, and those of its very
  // microsecond, which may be later.
  struct Dropped {
    std::vector<std::vector<OffsetRange>> before;
    std::vector<std::vector<OffsetRange>> at_once;
  };
  // What only the condition of the rule can say.
  struct Question {
    Position at;
    bool dead = false;       // it is a dead letter: wanted, or the condition failed on it
    std::string last_error;  // of the newest attempt that is kept; empty: none, or it did not fail
    std::shared_ptr<const Program> program;
  };
  enum class Answer : std::uint8_t { kWanted, kUnwanted, kNone };

  LaneAudit(const LaneRef& lane, LaneSnapshot snapshot, Dropped dropped);
  // Records come in order of their offsets, partition by partition.
  std::optional<Question> Look(const log::RecordView& record, bool duplicate,
                               const FailedAttempts& failed);
  void Decide(const Question& question, Answer answer);
  // `all`: every record since the lane began was looked at.
  void CheckCounts(bool all);
  bool BeganAtOrAfter(log::Partition partition, log::Offset offset) const;
  // The line of this part; the next one begins.
  AuditLine TakeLine();
  LaneId lane() const { return line_.lane; }
  bool of_replay() const { return !line_.replay.empty(); }
  const AuditCounts& total() const { return total_; }  // of the parts taken

 private:
  struct Side {
    bool waiting = false;
    bool dead = false;
    bool dropped = false;
    bool settled = false;
    int rows() const { return int{waiting} + int{dead} + int{dropped}; }
  };
  Side SideOf(Position at) const;
  bool LookUnpaired(Position at, const Side& side, const log::RecordView& record, bool duplicate);
  void LookUnwanted(Position at, const Side& side);
  void LookWanted(Position at, const Side& side);
  void CountDelivered(Position at, const std::string& last_error);
  void Name(std::optional<Position> at, std::string what);

  const LaneSnapshot snapshot_;
  const Dropped dropped_;
  AuditLine line_;
  AuditCounts total_;
  AuditCounts backlog_;  // of a deleted lane: what it had not settled, which nobody counted
};

class AuditService final : public Audit {
 public:
  AuditService(DeliveriesWorld world, metrics::Registry* metrics);
  ~AuditService() override;
  void Run(AuditQuery query, Engine::Done<AuditReport> done) override;

 private:
  struct Running;
  struct Shared;
  using RunningPtr = std::shared_ptr<Running>;
  enum class Step : std::uint8_t { kMore, kPart, kEnd };

  void GoOn(const std::string& cursor, std::uint64_t records_max, Engine::Done<AuditReport> done);
  static void Snapshots(const RunningPtr& running);
  static void Begin(const RunningPtr& running);
  static void BeginPart(const RunningPtr& running);
  static void Slice(const RunningPtr& running);
  static Result<Step> SliceNow(Running& running);
  static bool NextPartition(Running& running);
  static Result<log::Offset> LookAt(Running& running,
                                    const std::shared_ptr<const log::Chunk>& chunk,
                                    log::Offset end);
  static void Ask(const RunningPtr& running);
  static void AskOne(const RunningPtr& running, std::size_t question, int tries);
  static void Go(const RunningPtr& running);
  static void Finish(const RunningPtr& running);
  static void Keep(const RunningPtr& running);
  static void Count(Shared& shared, const Running& running);
  static void Refuse(const RunningPtr& running, const Error& error);
  static Result<LaneAudit::Dropped> DroppedOf(const Running& running, const LaneRef& lane,
                                              UnixMicros until);

  const DeliveriesWorld world_;
  const std::shared_ptr<Shared> shared_;
  metrics::Registry* metrics_;
  std::vector<std::uint64_t> gauges_;
};

}  // namespace tributary::deliver
