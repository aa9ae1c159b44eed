// A lane: one destination's way through the log. It owns the cursor (ledger.h), the window of
// attempts in flight, the retry schedule, breaker and rate limit, and nothing of it is shared, so
// that one destination cannot slow another.
//
// The backlog is the log: a lane reads only as far as it can send. With the window full, the
// breaker open, the waiting rows at their limit, or paused, it reads nothing.
//
// Threads: everything on the lane's loop, except what is marked. Attempts end on the loop.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "deliver/attempt_window.h"
#include "deliver/breaker.h"
#include "deliver/concurrency_window.h"
#include "deliver/delivery_log.h"
#include "deliver/destination.h"
#include "deliver/engine.h"
#include "deliver/key_queues.h"
#include "deliver/ledger.h"
#include "deliver/meta_events.h"
#include "deliver/rate_limiter.h"
#include "deliver/replay_part.h"
#include "deliver/retry_schedule.h"
#include "deliver/rule_history.h"
#include "deliver/window.h"

namespace tributary::deliver {

inline constexpr MonoNanos kLastCommitMax = kNanosPerSecond;
inline constexpr MonoNanos kReadAgainAfter = kNanosPerSecond;

// What lanes of one loop share; outlives them.
struct LaneWorld {
  log::Log* log = nullptr;
  log::Verdicts* verdicts = nullptr;
  store::Store* store = nullptr;
  DeliveryLog* attempts = nullptr;  // may be nullptr
  Committer* committer = nullptr;
  WindowCache* windows = nullptr;
  os::Executor* loop = nullptr;
  Programs* programs = nullptr;  // nullptr: no rule or mapping has one
  os::Clock* clock = nullptr;
  os::Random* random = nullptr;
  MonoNanos commit_interval_ns = 0;
  std::size_t waiting_rows_max = kWaitingRowsMax;
};

struct LaneBatching {
  std::size_t size = 1;  // events per request at most; one: no batches
  MonoNanos wait_ns = 0;
  std::size_t bytes = 1 << 20;  // of a body, unless one event alone has more
  bool split = true;            // a batch that is refused for good
  bool possible = false;        // the destination's type can take several at once
};

// What counts for every attempt from now on.
struct LaneSettings {
  std::uint32_t revision = 1;
  bool enabled = true;
  std::size_t concurrency = 16;
  double rate_limit = 0;
  std::vector<MonoNanos> schedule;
  MonoNanos total_ns = 0;  // no attempt begins later than so long after the first; 0: no limit
  std::shared_ptr<const Program> mapping;  // nullptr: the event as it is
  bool ordered = false;                    // `order: key`
  std::vector<std::string> order_path;     // of `order_by`; empty: the record key
  MonoNanos order_wait_ns = 0;             // how long a head may hold up others; 0: no limit
  LaneBatching batch;
  std::shared_ptr<Destination> destination;
  MetaEvents* meta = nullptr;  // told what happens to the lane; nullptr: nobody
};

struct LaneState {
  LaneId id = 0;
  std::string name;
  StoredLane status;
  RuleHistory rules;
  LedgerState ledger;
  std::optional<ReplayPart> replay;  // nullopt: a live lane
};

// What a lane knows of one pair at this moment.
struct LanePair {
  PairState state = PairState::kPending;
  std::uint32_t rule_revision = 0;  // in force at the record's offset
  std::uint32_t attempts_total = 0;
  std::optional<UnixMicros> next_attempt_at_us;
  std::vector<StoredAttempt> recent;  // the newest: perhaps not in the store (yet)
  // Set when `state` is delivered and nothing else is known of the pair: it was filtered if this
  // condition says no.
  std::shared_ptr<const Program> filter;
  bool asked = false;               // the condition was, and `state` is what it said
  Hash128 batch = {};               // in which it waits; zero: none
  std::optional<DropRule> dropped;  // with state kDropped: by which rule
};

// What a lane had settled at one moment, for an audit.
struct LaneSnapshot {
  UnixMicros at_us = 0;
  std::vector<StoredCursor> cursors;  // per partition
  std::vector<log::Offset> ends;      // per partition: records from there form no pair with it
  std::vector<RangeSet> dead;         // per partition
  std::vector<Position> waiting;      // in order
  RuleHistory rules;
  bool deleted = false;  // what it had not settled was dropped with its destination
};

class Lane final : public log::Holder, public std::enable_shared_from_this<Lane> {
 public:
  using Persisted = Ledger::Persisted;

  Lane(LaneWorld world, LaneState state, LaneSettings settings);
  ~Lane() override;

  void Start();
  // There may be more to read, or the breaker may have something to say.
  void Pump();

  // A new revision, in force for every record from the offset that is assigned next. `changes` is
  // asked which rows to write, given these offsets. `done` on the loop, once durable.
  using MakeChanges = std::move_only_function<store::Batch(const std::vector<log::Offset>& from)>;
  struct NewRule {
    std::shared_ptr<const Matcher> matcher;
  };
  // Without a `rule` the one in force stays. kExhausted, and nothing is changed or asked, when
  // there are too many rules; CheckRoomForRule() says so beforehand, on the loop.
  Status CheckRoomForRule();
  void Change(std::optional<NewRule> rule, LaneSettings settings, MakeChanges changes,
              Persisted done);
  void SetStatus(StoredLane status, Persisted done);
  // Cancels what is in flight and ends the backlog as dropped. `changes` go into the same batch.
  void Retire(store::Batch changes, Persisted done);
  // Those of `letters` that are dead letters wait again, their schedule beginning anew, or with
  // `drop` are dropped by that rule; no more than there is room for. `changes` is asked what to
  // write with them, given how many went. `done` on the loop, with that number, once durable.
  struct DeadMove {
    std::vector<DeadEntry> letters;
    std::optional<DropRule> drop;
  };
  struct DeadMoved {
    std::size_t count = 0;
    bool full = false;  // the rest found no room among the waiting rows
  };
  // Calls `then` on the loop once what was settled before is durable, or never will be.
  void WhenDurable(std::move_only_function<void()> then);
  using Moved = std::move_only_function<void(const Result<DeadMoved>&)>;
  void MoveDead(DeadMove move, std::move_only_function<store::Batch(std::size_t)> changes,
                Moved done);
  // No new attempts; `done` when none is in flight or at `deadline`, after the last commit (which
  // is waited for at most kLastCommitMax longer: the verdicts may have stopped before us).
  void Drain(MonoNanos deadline, std::move_only_function<void()> done);

  // nullopt: the record forms no pair with this lane.
  std::optional<LanePair> PairAt(const log::RecordView& record) const;
  // What would be asked now; nullptr of a lane that ended.
  std::shared_ptr<const Destination> receiver() const { return settings_.destination; }
  // The rule in force there, to be asked on any thread (judge.h); nullptr wants nothing.
  std::shared_ptr<const Matcher> RuleAt(Position at) const;

  // Of a replay's lane (replay_lane.cc): from now on what is left is dropped, not sent. Cancels
  // what is in flight; `fresh` is for dead letters that are redriven later. `changes` go into the
  // same batch as the rows that go.
  void CancelReplay(std::shared_ptr<Destination> fresh, store::Batch changes, Persisted done);
  // The same, and dead letters go too, because its destination was deleted. `finished` as in
  // ReplayPart, also of a lane that had finished and has dead letters.
  void OrphanReplay(store::Batch changes, std::function<void(bool left)> finished);

  LaneSnapshot Snapshot() const;

  LaneId id() const { return id_; }
  // Whose webhook ids its deliveries carry: of a live lane, its own id.
  DestinationId destination() const { return replay_ ? replay_->destination : id_; }

  // ---- Any thread ----
  LaneStats stats() const;
  BreakerView breaker() const;
  StoredLane status() const;
  std::uint64_t dead_bytes() const { return ledger_->dead_bytes(); }
  std::string name() const override { return name_; }
  log::Offset synced_cursor(log::Partition partition) const override;
  void ReleaseBelow(log::Partition partition, log::Offset end) override;

 private:
  struct InFlight {
    Position at;
    KeyQueues::Key key = 0;  // that it holds; 0: none
    std::uint32_t attempt = 1;
    std::uint32_t base = 0;   // of these, made before its schedule began anew
    bool row = false;         // from a waiting row
    BatchId batch = 0;        // 0: one event alone
    std::size_t members = 1;  // of the batch; `at` is its first
    UnixMicros at_us = 0;
    MonoNanos began_ns = 0;
    MonoNanos since_ns = 0;  // when the first attempt of its schedule began
    std::uint32_t revision = 0;
    std::shared_ptr<Destination> destination;  // lives until its attempt has ended
    std::string kept;  // while programs run: the record, as EncodeKept wrote it
    DeadFacts facts;   // of the event, should it die
  };
  struct Reading {
    log::Offset next = 0;       // not looked at yet
    log::Offset known = 0;      // below it some may have been settled before a restart
    log::Offset release = 0;    // the log wants everything below gone
    log::Offset released = 0;   // how far that was worked off
    std::uint64_t dropped = 0;  // by it
    std::uint64_t notices = 0;  // of these
    bool releasing = false;
  };
  // What is left to read before the others of the loop go on.
  struct Turn {
    std::size_t records = 0;
    std::size_t windows = WindowCache::kWindowsPerTurn;
    std::size_t bytes = WindowCache::kBytesPerTurn;
  };
  // Counts of a run of records that need no attempt.
  struct Run {
    log::Offset first;
    Counts counts;
  };
  struct Recent {
    Position at;
    StoredAttempt attempt;
  };
  struct RecentBatch {
    std::vector<Position> members;  // sorted
    StoredAttempt attempt;
  };
  // The batch that is being filled.
  struct Gathering {
    std::vector<StoredBatch::Member> members;
    std::string body;                                        // "[" and the members' so far
    std::unordered_map<KeyQueues::Key, std::uint32_t> held;  // how often by its members
    MonoNanos began_ns = 0;
    bool stale = false;    // the mapping was changed: the body must be made anew
    bool notices = false;  // its members are some: others are not among them
  };
  // Events that are read together: what a batch's body is made of, in order.
  struct Assembly {
    std::vector<Position> places;
    std::vector<std::string> kept;  // as EncodeKept wrote it; empty: not there
    Status read;                    // whether the store could be asked for what the log has not
  };
  struct BatchMapping;
  using InFlights = std::unordered_map<std::uint64_t, InFlight>;

  // lane_read.cc
  bool Running() const;
  std::size_t Room(MonoNanos now);
  void ReadAll(MonoNanos now);
  bool ReadPartition(log::Partition partition, Turn& turn, MonoNanos now);
  bool ScanWindow(const Window& window, std::size_t& budget, MonoNanos now);
  bool PassesWhole(const Window& window, Reading& reading, const RuleHistory::InForce& rule);
  bool MayTake(const Reading& reading, const log::RecordView& record, MonoNanos now);
  void Take(const log::RecordView& record, MonoNanos now);
  void TakeWaiting(Position at, KeyQueues::Key key, MonoNanos now);
  void PumpSoon();
  void ArmTimer(MonoNanos now);

  // lane_attempt.cc
  void SendDue(MonoNanos now);
  void SendRow(Position at, KeyQueues::Key key, MonoNanos now);
  void SendKept(std::uint64_t token, const Result<std::optional<std::string>>& body);
  bool GivenUp(Position at, MonoNanos now);
  void GiveUp(Position at, std::string reason);
  std::uint64_t BeginAttempt(Position at, KeyQueues::Key key, const WaitingRows::Row* row,
                             MonoNanos now);
  void Send(std::uint64_t token, const log::RecordView& record);
  void Dispatch(std::uint64_t token, const log::RecordView& record, std::string_view body,
                bool mapped);
  void OnOutcome(std::uint64_t token, const Outcome& outcome);
  void EndAttempt(InFlights::iterator attempt);
  void LoseRow(Position at, KeyQueues::Key key, MonoNanos since);
  static StoredAttempt LineOf(const InFlight& attempt, const Outcome& outcome, MonoNanos now);
  void Disable(const std::string& reason);
  void Measure(const InFlight& attempt, const Outcome& outcome, MonoNanos now);
  void ShowBreaker(const std::string& error);
  void ResetBreaker();
  DeadFacts FactsAt(Position at) const;
  void SettleOutcome(const InFlight& attempt, const Outcome& outcome, MonoNanos now);
  // When to try again; or the reason not to.
  std::expected<MonoNanos, std::string> NextAttempt(const InFlight& attempt, const Outcome& outcome,
                                                    MonoNanos now) const;
  void Remember(Position at, StoredAttempt attempt);
  void KeepIfReleased(Position at);

  // lane_again.cc
  bool CannotReadNow(const Error& error, MonoNanos now);
  void PutRowBack(Position at, KeyQueues::Key key, MonoNanos now);
  void PutBatchBack(std::uint64_t token);

  // lane_program.cc
  bool AskPrograms(std::uint64_t token, const log::RecordView& record);
  void Ask(std::uint64_t token, const std::shared_ptr<const Program>& program);
  void AskLater(std::uint64_t token, std::shared_ptr<const Program> program);
  void OnProgram(std::uint64_t token, const std::shared_ptr<const Program>& program,
                 Result<std::string> answer);
  void OnFilter(std::uint64_t token, const Result<std::string>& answer);
  void OnMapping(std::uint64_t token, Result<std::string> answer);
  void SendAsked(std::uint64_t token, const std::string* mapped);
  void FailUnsent(std::uint64_t token, std::string reason);
  void EndUnsent(std::uint64_t token);
  InFlight TakeUnsent(std::uint64_t token);

  // lane_dead.cc
  DeadMoved RedriveAll(const std::vector<DeadEntry>& letters);
  DeadMoved DropAll(const std::vector<DeadEntry>& letters, DropRule rule);

  // lane_order.cc
  void LoadKeys();
  bool CaughtUp();
  void Follow(const log::RecordView& record, KeyQueues::Key key, MonoNanos now);
  bool SendFollower(MonoNanos now);
  std::optional<KeyQueues::Key> ClaimKey(Position at);
  void AskKeys(Position first, MonoNanos now);
  void KeysRead(const Assembly& asked);
  void ExpireHeads(MonoNanos now);
  void WatchHead(Position at, KeyQueues::Key key, MonoNanos since, MonoNanos now);
  void GiveUpHead(Position at, MonoNanos now);
  bool HeldElsewhere(KeyQueues::Key key, bool joins) const;
  void FollowInstead(Position at, KeyQueues::Key key, MonoNanos now);
  bool HoldsUpOthers(KeyQueues::Key key, MonoNanos since, MonoNanos now) const;
  void EndPair(Position at, KeyQueues::Key key, MonoNanos since);
  void ForgetKeys();

  // lane_batch.cc
  bool Batching() const { return settings_.batch.size > 1; }
  bool GatherFull(std::size_t bytes_to_come) const;
  bool MayGather(std::size_t bytes, MonoNanos now);
  bool MayMix(const log::RecordView& record) const;
  bool MayJoin(KeyQueues::Key key) const;
  void Gather(const log::RecordView& record, std::string_view body, KeyQueues::Key key,
              MonoNanos now);
  void GatherRows(MonoNanos now);
  void GatherFollower(Position at, KeyQueues::Key key, MonoNanos now);
  bool GatherRow(Position at, KeyQueues::Key key, MonoNanos now);
  void GatherKept(Position at, KeyQueues::Key key, const Result<std::optional<std::string>>& body);
  bool AddRow(const log::RecordView& record, KeyQueues::Key key, MonoNanos now);
  void FlushInTime(MonoNanos now);
  bool FlushIfRoom(MonoNanos now);
  void Flush(MonoNanos now);
  void ComposeAlone(const log::RecordView& record, std::string_view body, KeyQueues::Key key);
  void Compose(std::vector<BatchRows::Batch> batches);
  std::vector<Position> GatheredWithoutRow() const;

  // lane_batch_send.cc
  using MemberGone = std::function<bool(const StoredBatch::Member&)>;
  void SendFreshBatches(MonoNanos now);
  void SendBatch(BatchId id, MonoNanos now);
  std::uint64_t BeginBatchAttempt(BatchId id, const BatchRows::Batch& batch, MonoNanos now);
  void AssembleBatch(std::uint64_t token, const StoredBatch& batch);
  using KeptRead = std::function<void(Lane& lane, const Assembly& assembly)>;
  void ReadKept(const std::shared_ptr<Assembly>& assembly, KeptRead then);
  void Assembled(std::uint64_t token, const Assembly& assembly);
  void DeliverBatch(std::uint64_t token, const log::RecordView& first, std::string_view body,
                    bool mapped);
  void SettleBatchOutcome(const InFlight& attempt, const Outcome& outcome, MonoNanos now);
  void SettleBatchDelivered(StoredBatch batch, MonoNanos since, const StoredAttempt& line,
                            const std::vector<RejectedMember>& rejected);
  void LogMembers(const StoredBatch& batch, const StoredAttempt& line);
  void KillBatch(const StoredBatch& batch, MonoNanos since, const std::string& reason);
  void SplitBatch(const StoredBatch& batch, MonoNanos now);
  void ReplaceBatch(BatchId old, std::vector<BatchRows::Batch> parts);
  void ReplaceWithout(StoredBatch batch, WaitingRows::Times times, const MemberGone& gone);
  void Dissolve(BatchId id, MonoNanos now);
  void WatchBatch(BatchId id, MonoNanos now);
  void ExpireBatch(BatchId id, MonoNanos now);
  void KillMember(const StoredBatch::Member& member, std::uint32_t attempts, MonoNanos since,
                  std::string reason);
  void GiveUpMember(const StoredBatch::Member& member, std::uint32_t attempts, MonoNanos since);
  void RememberBatch(const StoredBatch& batch, StoredAttempt line);

  // lane_batch_program.cc
  bool AsksPrograms(Position at) const;
  void GatherAsked(std::uint64_t token, const log::RecordView& record, std::string_view body);
  void MapBatch(std::uint64_t token, const Assembly& assembly);
  void MapNext(const std::shared_ptr<BatchMapping>& mapping);
  void OnMemberMapped(const std::shared_ptr<BatchMapping>& mapping, Result<std::string> answer);
  void BatchMapped(const BatchMapping& mapping);

  // lane_release.cc
  void ReleaseStep(log::Partition partition);
  void ReleaseOn(log::Partition partition);
  void ReleaseWindow(const Window& window, log::Offset end);
  void FinishRelease(log::Partition partition);

  // replay_lane.cc
  log::Offset End(log::Partition partition) const;
  bool MayRun() const;
  bool MaySend() const;
  void MaybeFinished();
  void WakeReplays();
  void DropUnsent(Position at);
  // meta_events_lane.cc
  void Note(MetaEvent what, std::string_view reason, std::uint64_t count = 1,
            std::string_view delivery_id = {}) const;
  void NoteDead(Position at, const std::string& reason, const DeadFacts& facts);

  void ReplaceSettings(LaneSettings settings);
  void CancelInFlight();
  void MaybeDrained();
  void Drained();

  const LaneWorld world_;
  const LaneId id_;
  const std::string name_;
  std::optional<ReplayPart> replay_;
  std::vector<std::weak_ptr<Lane>> replays_;  // of a live lane: those that wait when it does
  RuleHistory rules_;
  ClassMemo memo_;  // what rules_ says to headers
  LaneSettings settings_;
  RetrySchedule schedule_;
  RateLimiter limiter_;
  Breaker breaker_;
  ConcurrencyWindow window_;
  bool instant_ = false;
  std::shared_ptr<Ledger> ledger_;

  KeyQueues keys_;
  // Heads that wait for a retry, by when their first attempt began: to be given up in time.
  std::set<std::pair<MonoNanos, Position>> heads_;
  bool caught_up_ = false;
  // Rows without a key whose event only the store has: what it said, until their turn.
  std::map<Position, KeyQueues::Key> known_keys_;
  bool asking_keys_ = false;

  std::vector<Reading> reading_;
  InFlights in_flight_;
  std::size_t rows_in_flight_ = 0;
  std::size_t pairs_in_flight_ = 0;
  Gathering gathering_;
  std::size_t composing_ = 0;  // batches whose composition is not durable yet
  std::uint64_t next_token_ = 1;
  bool started_ = false;
  bool stopped_ = false;  // draining or retired
  bool pump_posted_ = false;
  os::Executor::TimerId timer_ = 0;
  MonoNanos timer_at_ = 0;
  MonoNanos read_again_at_ = 0;  // after the log failed to read
  std::move_only_function<void()> drained_;
  bool last_commit_ = false;

  static constexpr std::size_t kRecentMax = 256;
  static constexpr std::size_t kRecentResponseMax = 64;
  std::vector<Recent> recent_;  // a ring
  std::size_t recent_next_ = 0;
  static constexpr std::size_t kRecentMembersMax = 10'000;
  std::deque<RecentBatch> recent_batches_;
  std::size_t recent_members_ = 0;

  AttemptWindow attempts_;
  std::atomic<std::uint64_t> in_flight_count_{0};
  std::atomic<std::uint64_t> window_size_{0};
  std::atomic<Breaker::State> breaker_state_{Breaker::State::kClosed};
  std::vector<std::atomic<log::Offset>> read_;           // reading_[p].next, for others
  std::vector<std::atomic<log::Offset>> release_asked_;  // by ReleaseBelow
  mutable std::mutex mutex_;
  StoredLane status_;          // guarded by mutex_; written on the loop only
  UnixMicros opened_us_ = 0;   // guarded by mutex_: since when the breaker is not closed
  std::string opening_error_;  // guarded by mutex_: the newest error that opened it
};

}  // namespace tributary::deliver
