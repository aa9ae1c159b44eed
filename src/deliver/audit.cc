#include "deliver/audit.h"

#include <algorithm>

#include "deliver/audit_run.h"
#include "deliver/dropped_pairs.h"

namespace tributary::deliver {
namespace {

constexpr std::size_t kSliceBytes = 1 << 20;

}  // namespace

struct AuditService::Running {
  DeliveriesWorld world;
  std::shared_ptr<Shared> shared;
  AuditQuery query;
  Engine::Done<AuditReport> done;
  std::vector<LaneRef> lanes;
  std::vector<std::optional<LaneSnapshot>> snapshots;
  std::atomic<std::size_t> left{1};
  std::vector<LaneAudit> audits;
  AuditReport report;
  std::vector<log::Offset> firsts;  // per partition: where the log began
  log::Partition partition = 0;
  log::Offset next = 0;
  log::Offset end = 0;  // of this partition
};

AuditService::AuditService(DeliveriesWorld world, metrics::Registry* metrics)
    : world_(std::move(world)), metrics_(metrics) {
  if (metrics_ == nullptr) return;
  gauges_.push_back(
      metrics_->AddGauge("tributary_audit_runs_total", "Audits since start.", {},
                         [shared = shared_] { return static_cast<double>(shared->runs.load()); }));
  gauges_.push_back(metrics_->AddGauge(
      "tributary_audit_problems", "Deliveries that did not add up in the last audit.", {},
      [shared = shared_] { return static_cast<double>(shared->problems.load()); }));
}

AuditService::~AuditService() {
  for (const std::uint64_t gauge : gauges_) metrics_->RemoveGauge(gauge);
}

void AuditService::Run(AuditQuery query, Engine::Done<AuditReport> done) {
  auto running = std::make_shared<Running>();
  running->world = world_;
  running->shared = shared_;
  running->lanes = world_.lanes();
  if (query.destination) {
    std::erase_if(running->lanes,
                  [&](const LaneRef& lane) { return lane.name != *query.destination; });
    if (running->lanes.empty()) {
      return done(Fail(ErrorCode::kInvalid, "destination",
                       "destination names no destination that there is"));
    }
  }
  if (shared_->busy.exchange(true)) {
    return done(Fail(ErrorCode::kUnavailable, "another audit is running; try again later"));
  }
  running->query = std::move(query);
  running->done = std::move(done);
  Snapshots(std::move(running));
}

// Each lane's side at one moment of its own; then its dropped ranges are waited for, because they
// are read from the store.
void AuditService::Snapshots(RunningPtr running) {
  const auto one_less = [running] {
    if (running->left.fetch_sub(1) != 1) return;
    running->world.reads->Post([running] { Begin(running); });
  };
  running->snapshots.resize(running->lanes.size());
  for (std::size_t i = 0; i < running->lanes.size(); ++i) {
    ++running->left;
    const LaneRef& ref = running->lanes[i];
    ref.loop->Post([running, lane = ref.lane, i, one_less] {
      running->snapshots[i] = lane->Snapshot();
      lane->WhenDurable(one_less);
    });
  }
  one_less();
}

Result<LaneAudit::Dropped> AuditService::DroppedOf(const Running& running, const LaneRef& lane,
                                                   UnixMicros until) {
  const log::Partition partitions = running.world.log->partitions();
  LaneAudit::Dropped out;
  out.before.resize(partitions);
  out.at_once.resize(partitions);
  for (log::Partition p = 0; p < partitions; ++p) {
    TRY(ScanDropped(*running.world.store, lane.id, p, 0, ~log::Offset{0},
                    [&](const StoredDropped& group) {
                      if (group.at_us > until) return store::Visit::kContinue;
                      auto& runs = group.at_us < until ? out.before[p] : out.at_once[p];
                      runs.insert(runs.end(), group.runs.begin(), group.runs.end());
                      return store::Visit::kContinue;
                    }));
    std::ranges::sort(out.before[p]);
    std::ranges::sort(out.at_once[p]);
  }
  return out;
}

void AuditService::Begin(const RunningPtr& running) {
  Running& r = *running;
  r.report.from = r.query.from;
  for (log::Partition p = 0; p < r.world.log->partitions(); ++p) {
    r.firsts.push_back(r.world.log->first(p));
  }
  for (std::size_t i = 0; i < r.lanes.size(); ++i) {
    auto dropped = DroppedOf(r, r.lanes[i], r.snapshots[i]->at_us);
    if (!dropped) {
      r.shared->busy = false;
      return r.done(std::unexpected(dropped.error()));
    }
    r.audits.emplace_back(r.lanes[i].id, *std::move(r.snapshots[i]), *std::move(dropped));
    r.audits.back().line.destination = r.lanes[i].name;
  }
  r.next = std::max(r.query.from, r.firsts.front());
  r.end = std::min(r.query.to, r.world.verdicts->decided(0));
  Slice(running);
}

void AuditService::Slice(RunningPtr running) {
  const auto more = SliceNow(*running);
  if (!more) {
    running->shared->busy = false;
    return running->done(std::unexpected(more.error()));
  }
  if (!*more) return Finish(*running);
  os::Executor* reads = running->world.reads;
  reads->Post([running = std::move(running)] { Slice(running); });
}

Result<bool> AuditService::SliceNow(Running& r) {
  while (r.next >= r.end) {
    r.report.to = std::max(r.report.to, r.end);
    if (++r.partition >= r.world.log->partitions()) return false;
    r.next = std::max(r.query.from, r.firsts[r.partition]);
    r.end = std::min(r.query.to, r.world.verdicts->decided(r.partition));
  }
  const auto chunk = r.world.log->Read(r.partition, r.next, kSliceBytes);
  if (!chunk && chunk.error().code() != ErrorCode::kNotFound) return Fail(chunk.error());
  if (!chunk) {
    r.next = r.end;
    return true;
  }
  const log::Offset end = std::min((*chunk)->end(), r.end);
  if (end > r.next) {
    const std::vector<bool> duplicates = r.world.verdicts->Duplicates(r.partition, r.next, end);
    for (const log::RecordView& record : (*chunk)->From(r.next)) {
      if (record.offset >= end) break;
      const bool duplicate = duplicates[record.offset - r.next];
      ++r.report.records;
      r.report.duplicates += duplicate ? 1 : 0;
      for (LaneAudit& audit : r.audits) audit.Look(record, duplicate);
    }
  }
  r.next = std::max(r.next + 1, end);
  if (r.report.records < kAuditRecordsMax) return true;
  if (r.next < r.end && r.world.log->partitions() == 1) {
    r.report.next_from = r.report.to = r.next;
    return false;
  }
  return true;
}

void AuditService::Finish(Running& r) {
  for (LaneAudit& audit : r.audits) {
    bool all = !r.report.next_from && r.query.to == ~log::Offset{0};
    for (log::Partition p = 0; p < r.firsts.size(); ++p) {
      // Nothing of what it has passed may be out of the range, or have left the log meanwhile.
      all = all && audit.BeganAtOrAfter(p, std::max(r.query.from, r.world.log->first(p)));
    }
    audit.CheckCounts(all);
    r.report.destinations.push_back(std::move(audit.line));
  }
  ++r.shared->runs;
  r.shared->problems = r.report.problems();
  r.shared->busy = false;
  r.done(std::move(r.report));
}

}  // namespace tributary::deliver
