// Attempts: how they begin, and what becomes of the pair when they end.
#include <algorithm>

#include "base/logging.h"
#include "deliver/lane.h"

namespace tributary::deliver {

namespace keys = store::keys;

// Due retries go first, but leave half of the window to fresh events, so that a receiver that
// refuses some events still gets the others.
void Lane::SendDue(MonoNanos now) {
  if (now < read_again_at_) return;
  SendFreshBatches(now);
  bool fresh_waits = false;
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    fresh_waits = fresh_waits || reading_[p].next < world_.log->committed(p);
  }
  fresh_waits = fresh_waits && ledger_->rows().size() < world_.waiting_rows_max;
  const std::size_t share = fresh_waits && breaker_.state() == Breaker::State::kClosed
                                ? std::max<std::size_t>(window_.size() / 2, 1)
                                : window_.size();
  while (now >= read_again_at_ && rows_in_flight_ < share && Room(now) > 0) {
    if (const auto batch = ledger_->batches().TakeDue(now)) {
      SendBatch(*batch, now);
    } else if (Batching() || asking_keys_) {
      break;  // rows join what gathers, or may not pass those that are asked for their keys
    } else if (const auto due = ledger_->rows().TakeDue(now)) {
      if (GivenUp(*due, now)) continue;
      if (const auto key = ClaimKey(*due)) SendRow(*due, *key, now);
    } else if (!SendFollower(now)) {
      break;
    }
  }
  if (Batching()) GatherRows(now);
}

// Nothing is known of an event that only the copy beside its row has: reading that may block.
DeadFacts Lane::FactsAt(Position at) const {
  const auto found = world_.log->ReadOne(at.partition, at.offset);
  return found ? FactsOf(found->record) : DeadFacts{};
}

// A row whose turn came too late: the lane was paused, or its breaker open, for too long.
bool Lane::GivenUp(Position at, MonoNanos now) {
  const WaitingRows::Row& row = *ledger_->rows().Find(at);
  if (settings_.total_ns == 0 || row.fresh()) return false;
  if (now - row.times.since <= settings_.total_ns) return false;
  GiveUp(at, "retry.total is over: gave up");
  return true;
}

// A row that will not be tried again, without an attempt that said so.
void Lane::GiveUp(Position at, std::string reason) {
  const WaitingRows::Row row = *ledger_->rows().Find(at);
  reason += " after " + std::to_string(row.stored.attempts) + " attempts";
  ledger_->SettleDead(
      at,
      {.at_us = world_.clock->Now(), .attempts = row.stored.attempts, .reason = std::move(reason)},
      FactsAt(at), true);
  EndPair(at, row.stored.key, row.times.since);
}

void Lane::SendRow(Position at, KeyQueues::Key key, MonoNanos now) {
  // Rendered anew from the log, so that a mended destination mends what waits.
  const auto found = world_.log->ReadOne(at.partition, at.offset);
  if (!found && CannotReadNow(found.error(), now)) {
    PutRowBack(at, key, now);
    return;
  }
  const std::uint64_t token = BeginAttempt(at, key, ledger_->rows().Find(at), now);
  if (found) {
    Send(token, found->record);
    return;
  }
  // Gone from the log: its event was copied beside the row, and reading the store may block.
  world_.committer->Post([weak = weak_from_this(), store = world_.store, loop = world_.loop,
                          key = keys::KeptBody(id_, at), token] {
    auto body = store->Get(store::Family::kOwned, key);
    loop->Post([weak, token, body = std::move(body)] {
      if (const auto self = weak.lock()) self->SendKept(token, body);
    });
  });
}

void Lane::SendKept(std::uint64_t token, const Result<std::optional<std::string>>& body) {
  const auto found = in_flight_.find(token);
  if (found == in_flight_.end()) return;
  const Position at = found->second.at;
  if (body && *body) {
    if (const auto record = DecodeKept(at, **body)) {
      Send(token, *record);
      return;
    }
  }
  const InFlight lost = found->second;
  EndAttempt(found);
  const MonoNanos now = world_.loop->Now();
  if (!body && CannotReadNow(body.error(), now)) {
    limiter_.GiveBack();
    PutRowBack(at, lost.key, now);
  } else {
    LoseRow(at, lost.key, lost.since_ns);
  }
  Pump();
}

// Its event is nowhere any more.
void Lane::LoseRow(Position at, KeyQueues::Key key, MonoNanos since) {
  LogWarn("waiting_event_lost",
          {{"destination", name_}, {"partition", at.partition}, {"offset", at.offset}});
  ledger_->DropRow(at, world_.clock->Now());
  EndPair(at, key, since);
}

void Lane::EndAttempt(InFlights::iterator attempt) {
  if (attempt->second.row) --rows_in_flight_;
  pairs_in_flight_ -= attempt->second.members;
  in_flight_count_.store(pairs_in_flight_, std::memory_order_relaxed);
  in_flight_.erase(attempt);
}

std::uint64_t Lane::BeginAttempt(Position at, KeyQueues::Key key, const WaitingRows::Row* row,
                                 MonoNanos now) {
  const std::uint64_t token = next_token_++;
  const std::uint32_t made = row == nullptr ? 0 : row->stored.attempts;
  in_flight_[token] = {.at = at,
                       .key = key,
                       .attempt = made + 1,
                       .base = row == nullptr ? 0 : row->stored.redriven_after,
                       .row = row != nullptr,
                       .at_us = world_.clock->Now(),
                       .began_ns = now,
                       .since_ns = row == nullptr || row->fresh() ? now : row->times.since,
                       .revision = settings_.revision,
                       .destination = settings_.destination};
  in_flight_count_.store(++pairs_in_flight_, std::memory_order_relaxed);
  if (row != nullptr) ++rows_in_flight_;
  limiter_.Take(now);
  return token;
}

void Lane::Send(std::uint64_t token, const log::RecordView& record) {
  in_flight_.at(token).facts = FactsOf(record);
  if (!AskPrograms(token, record)) Dispatch(token, record, record.payload, false);
}

void Lane::Dispatch(std::uint64_t token, const log::RecordView& record, std::string_view body,
                    bool mapped) {
  if (Batching()) {
    GatherAsked(token, record, body);
    return;
  }
  const InFlight& attempt = in_flight_.at(token);
  if (attempt.attempt == 1 &&
      HeldElsewhere(attempt.key, false)) {  // it was to join a batch, but those were switched off
    const InFlight unsent = TakeUnsent(token);
    FollowInstead(unsent.at, unsent.key, world_.loop->Now());
    PumpSoon();
    return;
  }
  const std::string webhook_id = WebhookId(destination(), record);
  const std::shared_ptr<Destination> destination = attempt.destination;
  destination->Deliver({.record = &record,
                        .body = body,
                        .mapped = mapped,
                        .webhook_id = webhook_id,
                        .replay = replay_ ? std::string_view(replay_->id) : std::string_view(),
                        .attempt = attempt.attempt,
                        .now_us = attempt.at_us},
                       [weak = weak_from_this(), token](const Outcome& outcome) {
                         if (const auto self = weak.lock()) {
                           self->OnOutcome(token, outcome);
                         }
                       });
}

void Lane::OnOutcome(std::uint64_t token, const Outcome& outcome) {
  auto node = in_flight_.extract(token);
  if (node.empty()) return;
  InFlight& attempt = node.mapped();
  if (attempt.row) --rows_in_flight_;
  pairs_in_flight_ -= attempt.members;
  in_flight_count_.store(pairs_in_flight_, std::memory_order_relaxed);
  const MonoNanos now = world_.loop->Now();
  Measure(attempt, outcome, now);
  if (attempt.batch != 0) {
    SettleBatchOutcome(attempt, outcome, now);
  } else {
    SettleOutcome(attempt, outcome, now);
  }
  if (attempt.destination != settings_.destination) {
    // Perhaps the last user of a replaced destination, which is still in the middle of this call.
    world_.loop->Post([old = std::move(attempt.destination)] {});
  }
  if (stopped_) {
    MaybeDrained();
  } else {
    Pump();
  }
}

void Lane::Measure(const InFlight& attempt, const Outcome& outcome, MonoNanos now) {
  const bool delivered = outcome.verdict == Verdict::kDelivered;
  attempts_.Record(delivered, now - attempt.began_ns, now);
  if (delivered) {
    window_.OnSuccess();
  } else if (IsOverload(outcome.status)) {
    window_.OnOverload(attempt.began_ns, now);
  }
  window_size_.store(window_.size(), std::memory_order_relaxed);
  if (!breaker_.Record(outcome.verdict == Verdict::kRetry, now)) return;
  ShowBreaker(outcome.error);
  LogInfo("breaker_changed", {{"destination", name_},
                              {"state", BreakerStateName(breaker_.state())},
                              {"error", outcome.error}});
}

// The breaker's state has changed; `error` is that of the attempt that did it.
void Lane::ShowBreaker(const std::string& error) {
  breaker_state_.store(breaker_.state(), std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (breaker_.state() == Breaker::State::kClosed) {
    if (opened_us_ != 0) Note(MetaEvent::kBreakerClosed, {});
    opened_us_ = 0;
    opening_error_.clear();
    return;
  }
  if (opened_us_ == 0) {
    Note(MetaEvent::kBreakerOpened, error);
    opened_us_ = world_.clock->Now();
  }
  opening_error_ = error;
}

void Lane::ResetBreaker() {
  breaker_ = {};
  ShowBreaker({});
}

std::expected<MonoNanos, std::string> Lane::NextAttempt(const InFlight& attempt,
                                                        const Outcome& outcome,
                                                        MonoNanos now) const {
  if (outcome.verdict != Verdict::kRetry) return std::unexpected(outcome.error);
  const std::string gave_up = GaveUpAfter(attempt.attempt) + ": " + outcome.error;
  const auto wait =
      schedule_.WaitAfter(attempt.attempt - attempt.base, outcome.retry_after_ns, *world_.random);
  if (!wait) return std::unexpected(gave_up);
  if (settings_.total_ns != 0 && now + *wait - attempt.since_ns > settings_.total_ns) {
    return std::unexpected("retry.total leaves no time for another attempt; " + gave_up);
  }
  if (HoldsUpOthers(attempt.key, attempt.since_ns, now)) {
    return std::unexpected("order_wait is over: others of its key wait behind it; " + gave_up);
  }
  return *wait;
}

StoredAttempt Lane::LineOf(const InFlight& attempt, const Outcome& outcome, MonoNanos now) {
  return {.number = attempt.attempt,
          .attempt = {.at_us = attempt.at_us,
                      .status = outcome.status,
                      .duration_ms = (now - attempt.began_ns) / kNanosPerMilli,
                      .revision = attempt.revision,
                      .error = outcome.error,
                      .response = outcome.response.substr(0, kResponseBytesKept)}};
}

void Lane::SettleOutcome(const InFlight& attempt, const Outcome& outcome, MonoNanos now) {
  const Position at = attempt.at;
  StoredAttempt line = LineOf(attempt, outcome, now);
  const bool delivered = outcome.verdict == Verdict::kDelivered;
  // A success at the first attempt, the ordinary case, costs no row.
  if (!delivered || attempt.attempt > 1) ledger_->AddAttempt(at, line);
  if (world_.attempts != nullptr) world_.attempts->Append(id_, at, line);
  Remember(at, std::move(line));
  if (delivered) {
    ledger_->SettleDelivered(at, attempt.row);
    EndPair(at, attempt.key, attempt.since_ns);
    return;
  }
  if (!attempt.row) KeepIfReleased(at);
  const auto wait = NextAttempt(attempt, outcome, now);
  if (wait) {
    const UnixMicros now_us = world_.clock->Now();
    ledger_->SettleWaiting(at,
                           {.due_us = now_us + *wait / 1000,
                            .attempts = attempt.attempt,
                            .since_us = now_us - (now - attempt.since_ns) / 1000,
                            .key = attempt.key,
                            .redriven_after = attempt.base},
                           {.due = now + *wait, .since = attempt.since_ns});
    WatchHead(at, attempt.key, attempt.since_ns, now);
    return;
  }
  const std::string& reason = wait.error();
  ledger_->SettleDead(at,
                      {.at_us = world_.clock->Now(), .attempts = attempt.attempt, .reason = reason},
                      attempt.facts, attempt.row);
  EndPair(at, attempt.key, attempt.since_ns);
  if (outcome.verdict == Verdict::kDisable) Disable(reason);
}

// What a replay is told counts for its destination.
void Lane::Disable(const std::string& reason) {
  Lane& live = replay_ ? *replay_->live : *this;
  if (live.status_.status != LaneStatus::kActive) return;
  LogWarn("destination_disabled", {{"destination", live.name_}, {"reason", reason}});
  live.Note(MetaEvent::kDestinationDisabled, reason);
  live.SetStatus({.status = LaneStatus::kDisabled, .at_us = world_.clock->Now(), .reason = reason},
                 [](const Status&) {});
}

void Lane::Remember(Position at, StoredAttempt attempt) {
  // Thousands of lanes remember: what a receiver said to a success is cut short.
  if (attempt.attempt.error.empty() && attempt.attempt.response.size() > kRecentResponseMax) {
    attempt.attempt.response.resize(kRecentResponseMax);
    attempt.attempt.response.shrink_to_fit();
  }
  if (recent_.size() < kRecentMax) {
    recent_.push_back({at, std::move(attempt)});
    return;
  }
  recent_[recent_next_] = {at, std::move(attempt)};
  recent_next_ = (recent_next_ + 1) % kRecentMax;
}

}  // namespace tributary::deliver
