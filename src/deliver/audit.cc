#include "deliver/audit.h"

#include <algorithm>

#include "deliver/audit_run.h"
#include "deliver/deleted_lane.h"
#include "deliver/dropped_pairs.h"

namespace tributary::deliver {
namespace {

constexpr std::size_t kSliceBytes = 1 << 20;
// A slice ends early past so many questions, which keep its memory.
constexpr std::size_t kAsksPerSlice = 4'096;
// When too many programs wait; after so many times the pair stays undecided.
constexpr int kAskTries = 100;
constexpr MonoNanos kPassAgainAfter = 20 * kNanosPerMilli;

constexpr const char* kSumStates[] = {"events",  "delivered", "filtered", "dead_lettered",
                                      "dropped", "pending",   "undecided"};

}  // namespace

// Shared with audits that may end later than the service.
struct AuditService::Shared {
  std::atomic<bool> busy{false};
  std::atomic<std::uint64_t> runs{0};
  // Of the last one that came to its end: of destinations, not of replays.
  std::atomic<std::uint64_t> problems{0};
  std::atomic<std::uint64_t> counts[std::size(kSumStates)] = {};
  std::mutex mutex;
  RunningPtr kept;  // answered a part and waits to go on
  std::uint64_t last_id = 0;
};

struct AuditService::Running {
  DeliveriesWorld world;
  std::shared_ptr<Shared> shared;  // nullptr while it is kept by it
  std::uint64_t id = 0;
  AuditQuery query;
  Engine::Done<AuditReport> done;
  std::vector<LaneRef> lanes;
  std::vector<std::optional<LaneSnapshot>> snapshots;
  std::atomic<std::size_t> left{1};
  std::vector<LaneAudit> audits;
  std::vector<log::Offset> firsts;  // per partition: where the log began
  log::Partition partition = 0;
  log::Offset next = 0;
  log::Offset end = 0;  // of this partition
  std::uint64_t problems = 0;
  std::uint64_t part = 0;

  // Of this part.
  AuditReport report;
  MonoNanos until = 0;
  struct Asked {
    std::size_t audit = 0;
    LaneAudit::Question question;
    log::RecordView record;
    std::shared_ptr<const log::Chunk> chunk;  // keeps the record
  };
  std::vector<Asked> questions;
  std::size_t next_question = 0;
  std::size_t asking = 0;
  Step step = Step::kMore;

  std::string CursorText() const {
    return std::to_string(id) + "." + std::to_string(partition) + "." + std::to_string(next);
  }
};

AuditService::AuditService(DeliveriesWorld world, metrics::Registry* metrics)
    : world_(std::move(world)), shared_(std::make_shared<Shared>()), metrics_(metrics) {
  if (metrics_ == nullptr) return;
  gauges_.push_back(
      metrics_->AddGauge("tributary_audit_runs_total", "Audits that came to their end since start.",
                         {}, [shared = shared_] { return static_cast<double>(shared->runs); }));
  gauges_.push_back(metrics_->AddGauge(
      "tributary_audit_problems", "Deliveries that did not add up in the last audit.", {},
      [shared = shared_] { return static_cast<double>(shared->problems); }));
  for (std::size_t i = 0; i < std::size(kSumStates); ++i) {
    gauges_.push_back(metrics_->AddGauge(
        "tributary_audit_pairs", "Deliveries of the last audit by state; events: all of them.",
        {{"state", kSumStates[i]}},
        [shared = shared_, i] { return static_cast<double>(shared->counts[i]); }));
  }
}

AuditService::~AuditService() {
  for (const std::uint64_t gauge : gauges_) metrics_->RemoveGauge(gauge);
  const std::lock_guard lock(shared_->mutex);
  shared_->kept = nullptr;
}

// ---- Beginning ----

void AuditService::Run(AuditQuery query, Engine::Done<AuditReport> done) {
  if (!query.cursor.empty()) return GoOn(query.cursor, query.records_max, std::move(done));
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
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->kept = nullptr;  // only the newest goes on
    running->id = ++shared_->last_id;
  }
  running->query = std::move(query);
  running->done = std::move(done);
  Snapshots(running);
}

void AuditService::GoOn(const std::string& cursor, std::uint64_t records_max,
                        Engine::Done<AuditReport> done) {
  if (shared_->busy.exchange(true)) {
    return done(Fail(ErrorCode::kUnavailable, "another audit is running; try again later"));
  }
  RunningPtr running;
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->kept != nullptr && shared_->kept->CursorText() == cursor) {
      running = std::exchange(shared_->kept, nullptr);
    }
  }
  if (running == nullptr) {
    shared_->busy = false;
    return done(Fail(ErrorCode::kInvalid, "cursor",
                     "cursor is none that the last audit answered, or too old; begin a new one"));
  }
  running->shared = shared_;
  running->query.records_max = records_max;
  running->done = std::move(done);
  world_.reads->Post([running] { BeginPart(running); });
}

// Each lane's side at one moment of its own; then its dropped ranges are waited for, because they
// are read from the store.
void AuditService::Snapshots(const RunningPtr& running) {
  const auto one_less = [running] {
    if (running->left.fetch_sub(1) != 1) return;
    running->world.reads->Post([running] { Begin(running); });
  };
  running->snapshots.resize(running->lanes.size());
  for (std::size_t i = 0; i < running->lanes.size(); ++i) {
    const LaneRef& ref = running->lanes[i];
    if (ref.deleted != nullptr) {
      running->snapshots[i] = ref.deleted->Snapshot();
      continue;
    }
    ++running->left;
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
    TRY(ScanDropped(*running.world.store, lane.id, p, running.query.from, ~log::Offset{0},
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
  for (log::Partition p = 0; p < r.world.log->partitions(); ++p) {
    r.firsts.push_back(r.world.log->first(p));
  }
  for (std::size_t i = 0; i < r.lanes.size(); ++i) {
    auto dropped = DroppedOf(r, r.lanes[i], r.snapshots[i]->at_us);
    if (!dropped) return Refuse(running, dropped.error());
    r.audits.emplace_back(r.lanes[i], *std::move(r.snapshots[i]), *std::move(dropped));
  }
  r.lanes.clear();  // a lane need not live as long as an audit
  r.snapshots.clear();
  r.next = std::max(r.query.from, r.firsts.front());
  r.end = std::min(r.query.to, r.world.verdicts->decided(0));
  BeginPart(running);
}

void AuditService::BeginPart(const RunningPtr& running) {
  running->report = {.from = running->part++ == 0 ? running->query.from : running->next};
  running->until = running->world.reads->Now() + kAuditCallMax;
  Slice(running);
}

void AuditService::Refuse(const RunningPtr& running, const Error& error) {
  running->shared->busy = false;
  running->done(std::unexpected(error));
}

// ---- Slice after slice ----

void AuditService::Slice(const RunningPtr& running) {
  const auto step = SliceNow(*running);
  if (!step) return Refuse(running, step.error());
  running->step = *step;
  Ask(running);
}

void AuditService::Go(const RunningPtr& running) {
  if (running->step != Step::kMore) return Finish(running);
  running->world.reads->Post([running] { Slice(running); });
}

// False when there is none.
bool AuditService::NextPartition(Running& r) {
  if (r.partition + 1 >= r.world.log->partitions()) return false;
  ++r.partition;
  r.next = std::max(r.query.from, r.firsts[r.partition]);
  r.end = std::min(r.query.to, r.world.verdicts->decided(r.partition));
  return true;
}

Result<AuditService::Step> AuditService::SliceNow(Running& r) {
  while (r.next >= r.end) {
    r.report.to = std::max(r.report.to, std::min(r.next, r.end));
    if (!NextPartition(r)) return Step::kEnd;
  }
  const auto chunk = r.world.log->Read(r.partition, r.next, kSliceBytes);
  if (!chunk && chunk.error().code() != ErrorCode::kNotFound) return Fail(chunk.error());
  if (!chunk) {
    r.next = r.end;
    return Step::kMore;
  }
  r.next = std::max(r.next, std::min((*chunk)->first(), r.end));  // over a leap
  const log::Offset end = std::min((*chunk)->end(), r.end);
  if (end > r.next) {
    TRY_ASSIGN(r.next, LookAt(r, *chunk, end));
  } else {
    ++r.next;  // what is there was lost
  }
  r.report.to = std::max(r.report.to, r.next);
  const bool enough = r.report.records >= r.query.records_max ||
                      r.report.conditions >= kAuditAsksMax || r.world.reads->Now() >= r.until;
  const bool last = r.next >= r.end && r.partition + 1 >= r.world.log->partitions();
  return enough && !last ? Step::kPart : Step::kMore;
}

// How far it came: to `end`, unless there are enough questions.
Result<log::Offset> AuditService::LookAt(Running& r, const std::shared_ptr<const log::Chunk>& chunk,
                                         log::Offset end) {
  std::vector<FailedAttempts> failed;
  for (const LaneAudit& audit : r.audits) {
    TRY_ASSIGN(failed.emplace_back(),
               ReadFailedAttempts(*r.world.store, audit.lane(), r.partition, r.next, end));
  }
  const std::vector<bool> duplicates = r.world.verdicts->Duplicates(r.partition, r.next, end);
  for (const log::RecordView& record : chunk->From(r.next)) {
    if (record.offset >= end) break;
    if (r.questions.size() >= kAsksPerSlice || r.report.records >= r.query.records_max) {
      return record.offset;
    }
    const bool duplicate = duplicates[record.offset - r.next];
    ++r.report.records;
    r.report.duplicates += duplicate ? 1 : 0;
    for (std::size_t i = 0; i < r.audits.size(); ++i) {
      auto question = r.audits[i].Look(record, duplicate, failed[i]);
      if (!question) continue;
      r.questions.push_back(
          {.audit = i, .question = *std::move(question), .record = record, .chunk = chunk});
    }
  }
  return end;
}

// ---- Conditions ----

void AuditService::Ask(const RunningPtr& running) {
  Running& r = *running;
  while (r.asking < kAuditAsksAtOnce && r.next_question < r.questions.size()) {
    ++r.asking;
    ++r.report.conditions;
    AskOne(running, r.next_question++, 0);
  }
  if (r.asking > 0) return;
  r.questions.clear();
  r.next_question = 0;
  Go(running);
}

void AuditService::AskOne(const RunningPtr& running, std::size_t number, int tries) {
  Running::Asked& asked = running->questions[number];
  auto answered = [running, number, tries](const Result<std::string>& text) {
    Running& r = *running;
    if (!text && text.error().code() == ErrorCode::kUnavailable && tries < kAskTries) {
      r.world.reads->At(r.world.reads->Now() + kPassAgainAfter,
                        [running, number, tries] { AskOne(running, number, tries + 1); });
      return;
    }
    const Running::Asked& question = r.questions[number];
    const auto yes = [&] {
      return *text == "true" ? LaneAudit::Answer::kWanted : LaneAudit::Answer::kUnwanted;
    };
    r.audits[question.audit].Decide(question.question, text ? yes() : LaneAudit::Answer::kNone);
    --r.asking;
    Ask(running);
  };
  os::Executor& reads = *running->world.reads;
  if (running->world.programs == nullptr) {
    reads.Post([answered] { answered(Fail(ErrorCode::kUnsupported, "no programs")); });
    return;
  }
  running->world.programs->Run(asked.question.program, std::string(asked.record.payload), reads,
                               answered);
}

// ---- The end of a part, or of all ----

void AuditService::Finish(const RunningPtr& running) {
  Running& r = *running;
  const bool end = r.step == Step::kEnd;
  for (LaneAudit& audit : r.audits) {
    bool all = end && r.query.to == ~log::Offset{0};
    for (log::Partition p = 0; p < r.firsts.size(); ++p) {
      // Nothing of what it has passed may be out of the range, or have left the log meanwhile.
      all = all && audit.BeganAtOrAfter(p, std::max(r.query.from, r.world.log->first(p)));
    }
    if (end) audit.CheckCounts(all);
    AuditLine line = audit.TakeLine();
    r.problems += line.problems_total;
    const bool nothing = line.events == 0 && line.problems_total == 0;
    if (nothing && (line.deleted_at_us || !line.replay.empty())) continue;
    r.report.destinations.push_back(std::move(line));
  }
  auto done = std::move(r.done);
  AuditReport report = std::move(r.report);
  const std::shared_ptr<Shared> shared = r.shared;
  if (end) {
    Count(*shared, r);
  } else {
    report.next_cursor = r.CursorText();
    if (r.world.log->partitions() == 1) report.next_from = r.next;
    Keep(running);
  }
  shared->busy = false;
  done(std::move(report));
}

void AuditService::Keep(const RunningPtr& running) {
  const std::shared_ptr<Shared> shared = std::exchange(running->shared, nullptr);
  {
    const std::lock_guard lock(shared->mutex);
    shared->kept = running;
  }
  os::Executor* reads = running->world.reads;
  reads->At(reads->Now() + kAuditKept,
            [weak = std::weak_ptr(shared), cursor = running->CursorText()] {
              const auto alive = weak.lock();
              if (alive == nullptr) return;
              const std::lock_guard lock(alive->mutex);
              if (alive->kept != nullptr && alive->kept->CursorText() == cursor) {
                alive->kept = nullptr;
              }
            });
}

void AuditService::Count(Shared& shared, const Running& running) {
  AuditCounts sum;
  for (const LaneAudit& audit : running.audits) {
    if (!audit.of_replay()) sum.Add(audit.total());
  }
  const std::uint64_t counts[] = {sum.events,  sum.delivered, sum.filtered, sum.dead_lettered,
                                  sum.dropped, sum.pending,   sum.undecided};
  for (std::size_t i = 0; i < std::size(counts); ++i) shared.counts[i] = counts[i];
  shared.problems = running.problems;
  ++shared.runs;
}

}  // namespace tributary::deliver
