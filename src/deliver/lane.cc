#include "deliver/lane.h"

#include <algorithm>

#include "base/logging.h"

namespace tributary::deliver {

namespace keys = store::keys;

Lane::Lane(LaneWorld world, LaneState state, LaneSettings settings)
    : world_(world),
      id_(state.id),
      name_(std::move(state.name)),
      replay_(std::move(state.replay)),
      rules_(std::move(state.rules)),
      schedule_({}),
      ledger_(std::make_shared<Ledger>(LedgerWorld{.committer = world.committer,
                                                   .verdicts = world.verdicts,
                                                   .loop = world.loop,
                                                   .commit_interval_ns = world.commit_interval_ns},
                                       id_, std::move(state.ledger))),
      reading_(ledger_->partitions()),
      read_(ledger_->partitions()),
      release_asked_(ledger_->partitions()),
      status_(std::move(state.status)) {
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    // What was settled above the cursor before a restart is passed over while reading.
    reading_[p].next = ledger_->progress(p).cursor();
    const auto& above = ledger_->progress(p).above().ranges();
    reading_[p].known = above.empty() ? 0 : above.rbegin()->second;
    read_[p] = reading_[p].next;
  }
  LoadKeys();
  ReplaceSettings(std::move(settings));
}

Lane::~Lane() = default;

void Lane::ReplaceSettings(LaneSettings settings) {
  if (settings.mapping != settings_.mapping) {
    // Bodies that were made ahead of their attempt are made anew.
    gathering_.stale = !gathering_.members.empty();
    ledger_->batches().ForgetBodies();
  }
  known_keys_.clear();  // perhaps by another path
  // A receiver that is at its limit is at it still, whatever else has changed.
  if (settings.rate_limit != settings_.rate_limit) limiter_ = RateLimiter(settings.rate_limit);
  settings_ = std::move(settings);
  schedule_ = RetrySchedule(settings_.schedule);
  window_ = ConcurrencyWindow(settings_.concurrency);
  window_size_.store(window_.size(), std::memory_order_relaxed);
  instant_ = settings_.destination != nullptr && settings_.destination->instant() &&
             settings_.rate_limit == 0 && settings_.mapping == nullptr;
}

void Lane::Start() {
  started_ = true;
  ledger_->OnCommit([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Pump();
  });
  ledger_->OnDead([this](Position at, const StoredDead& dead, const DeadFacts& facts) {
    NoteDead(at, dead.reason, facts);
  });
  if (replay_ && replay_->live) replay_->live->replays_.push_back(weak_from_this());
  // Perhaps the power went before all of it was dropped.
  if (replay_ && replay_->orphan) OrphanReplay({}, std::move(replay_->finished));
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    if (release_asked_[p].load() > 0) ReleaseStep(p);
  }
  Pump();
}

Status Lane::CheckRoomForRule() {
  if (rules_.size() >= kRulesKeptMax) rules_.Forget(*world_.log);
  if (rules_.size() < kRulesKeptMax) return {};
  return Fail(ErrorCode::kExhausted,
              "the rules of this destination changed too often for what the log still holds");
}

void Lane::Change(std::optional<NewRule> rule, LaneSettings settings, MakeChanges changes,
                  Persisted done) {
  std::vector<log::Offset> from;
  from.reserve(reading_.size());
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    from.push_back(std::max(world_.log->assigned(p), reading_[p].next));
  }
  if (rule) {
    if (const Status room = CheckRoomForRule(); !room) return done(room);
    rules_.Add({.revision = settings.revision, .from = from, .matcher = rule->matcher});
  }
  // Attempts of the old destination that are under way hold it until they end.
  ReplaceSettings(std::move(settings));
  ResetBreaker();  // what failed may have been mended
  ledger_->Commit(changes(from), std::move(done));
  Pump();
  WakeReplays();
}

void Lane::SetStatus(StoredLane status, Persisted done) {
  store::Batch changes;
  changes.Put(store::Family::kOwned, keys::Lane(id_), EncodeLane(status));
  {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
  }
  if (status_.status == LaneStatus::kActive) ResetBreaker();
  ledger_->Commit(std::move(changes), std::move(done));
  Pump();
  WakeReplays();
}

void Lane::Retire(store::Batch changes, Persisted done) {
  stopped_ = true;
  std::vector<log::Offset> ends;
  ends.reserve(reading_.size());
  std::vector<Position> unanswered;
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    ends.push_back(std::max(world_.log->assigned(p), reading_[p].next));
  }
  for (const auto& [token, attempt] : in_flight_) {
    if (!attempt.row && attempt.batch == 0) unanswered.push_back(attempt.at);
  }
  for (const Position at : GatheredWithoutRow()) unanswered.push_back(at);
  gathering_ = {};
  CancelInFlight();
  settings_.destination.reset();
  ledger_->Retire(ends, unanswered, world_.clock->Now());
  const StoredLane gone{
      .status = LaneStatus::kDeleted, .at_us = world_.clock->Now(), .reason = name_};
  changes.Put(store::Family::kOwned, keys::Lane(id_), EncodeLane(gone));
  {
    const std::lock_guard lock(mutex_);
    status_ = gone;
  }
  ledger_->Commit(std::move(changes), std::move(done));
}

// Their destinations go with them, which cancels the requests.
void Lane::CancelInFlight() {
  in_flight_.clear();
  rows_in_flight_ = pairs_in_flight_ = 0;
  in_flight_count_ = 0;
}

void Lane::Drain(MonoNanos deadline, std::move_only_function<void()> done) {
  stopped_ = true;
  drained_ = std::move(done);
  world_.loop->At(deadline, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->CancelInFlight();
      self->MaybeDrained();
    }
  });
  world_.loop->At(deadline + kLastCommitMax, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Drained();
  });
  MaybeDrained();
}

void Lane::MaybeDrained() {
  if (!drained_ || !in_flight_.empty() || std::exchange(last_commit_, true)) return;
  ledger_->Commit({}, [weak = weak_from_this()](const Status&) {
    if (const auto self = weak.lock()) self->Drained();
  });
}

void Lane::Drained() {
  if (auto done = std::exchange(drained_, nullptr)) done();
}

std::optional<LanePair> Lane::PairAt(const log::RecordView& record) const {
  const Position at{record.partition, record.offset};
  if (at.offset < ledger_->start(at.partition) || at.offset >= End(at.partition)) {
    return std::nullopt;
  }
  const auto [matcher, asks, revision, end] = rules_.At(at.partition, at.offset);
  if (!FormsPair(matcher, record.fields)) return std::nullopt;
  LanePair pair{.rule_revision = revision};
  if (matcher == nullptr || !MatchesNatively(*matcher, record)) {
    pair.state = PairState::kFiltered;
    return pair;
  }
  if (const WaitingRows::Row* row = ledger_->rows().Find(at)) {
    const BatchRows::Batch* batch = ledger_->batches().Find(row->batch);
    pair.attempts_total = batch == nullptr ? row->stored.attempts : batch->stored.attempts;
    if (batch != nullptr) pair.batch = batch->stored.id;
    pair.state = pair.attempts_total == 0 ? PairState::kPending : PairState::kRetrying;
    const bool in_flight = batch == nullptr ? row->in_flight : batch->in_flight;
    const UnixMicros due_us = batch == nullptr ? row->stored.due_us : batch->stored.due_us;
    if (!in_flight && due_us != 0) pair.next_attempt_at_us = due_us;
  } else if (ledger_->IsDead(at)) {
    pair.state = PairState::kDeadLettered;
  } else if (ledger_->progress(at.partition).Settled(at.offset)) {
    pair.state = PairState::kDelivered;
  }
  for (const Recent& recent : recent_) {
    if (recent.at == at) pair.recent.push_back(recent.attempt);
  }
  for (const RecentBatch& recent : recent_batches_) {
    if (std::ranges::binary_search(recent.members, at)) pair.recent.push_back(recent.attempt);
  }
  if (pair.state == PairState::kDelivered && pair.recent.empty()) pair.filter = matcher->program();
  return pair;
}

LaneStats Lane::stats() const {
  const Counts counts = ledger_->counts();
  const AttemptWindow::Summary attempts = attempts_.Read(world_.clock->Monotonic());
  BreakerView breaker = this->breaker();
  LaneStats stats{.delivered = counts.delivered,
                  .filtered = counts.filtered,
                  .dead_lettered = counts.dead_lettered,
                  .dropped = counts.dropped,
                  .dropped_by = counts.by_rule,
                  .retrying = ledger_->waiting(),
                  .followers = ledger_->followers(),
                  .in_flight = in_flight_count_.load(std::memory_order_relaxed),
                  .dead_letter_bytes = ledger_->dead_bytes(),
                  .success_rate = attempts.success_rate,
                  .p50_ms = attempts.p50_ms,
                  .p95_ms = attempts.p95_ms,
                  .breaker = breaker.state,
                  .breaker_since_us = breaker.since_us,
                  .breaker_error = std::move(breaker.error),
                  .window = window_size_.load(std::memory_order_relaxed)};
  for (log::Partition p = 0; p < read_.size(); ++p) {
    const log::Offset committed = std::min(world_.log->committed(p), End(p));
    const log::Offset read = read_[p].load(std::memory_order_relaxed);
    if (committed > read) stats.lag += committed - read;
  }
  return stats;
}

BreakerView Lane::breaker() const {
  BreakerView view{.state = BreakerStateName(breaker_state_.load(std::memory_order_relaxed))};
  const std::lock_guard lock(mutex_);
  if (opened_us_ != 0) view.since_us = opened_us_;
  view.error = opening_error_;
  return view;
}

StoredLane Lane::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace tributary::deliver
