// Attempts: how they begin, and what becomes of the pair when they end.
#include <algorithm>

#include "base/logging.h"
#include "deliver/lane.h"

namespace tributary::deliver {

namespace keys = store::keys;

// Due retries go first, but leave half of the window to fresh events, so that a receiver that
// refuses some events still gets the others.
void Lane::SendDue(MonoNanos now) {
  bool fresh_waits = false;
  for (log::Partition p = 0; p < reading_.size(); ++p) {
    fresh_waits = fresh_waits || reading_[p].next < world_.log->committed(p);
  }
  const std::size_t share = fresh_waits && breaker_.state() == Breaker::State::kClosed
                                ? std::max<std::size_t>(settings_.concurrency / 2, 1)
                                : settings_.concurrency;
  while (rows_in_flight_ < share && Room(now) > 0) {
    const auto due = ledger_->rows().TakeDue(now);
    if (!due) return;
    SendRow(*due, now);
  }
}

void Lane::SendRow(Position at, MonoNanos now) {
  const std::uint32_t made = ledger_->rows().Find(at)->stored.attempts;
  const std::uint64_t token = BeginAttempt(at, made + 1, true, now);
  // Rendered anew from the log, so that a mended destination mends what waits.
  const auto found = world_.log->ReadOne(at.partition, at.offset);
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
  LogWarn("waiting_event_lost",
          {{"destination", name_}, {"partition", at.partition}, {"offset", at.offset}});
  in_flight_.erase(found);
  --rows_in_flight_;
  in_flight_count_ = in_flight_.size();
  ledger_->DropRow(at);
  Pump();
}

std::uint64_t Lane::BeginAttempt(Position at, std::uint32_t attempt, bool row, MonoNanos now) {
  const std::uint64_t token = next_token_++;
  in_flight_[token] = {.at = at,
                       .attempt = attempt,
                       .row = row,
                       .at_us = world_.clock->Now(),
                       .began_ns = now,
                       .revision = settings_.revision,
                       .destination = settings_.destination};
  in_flight_count_.store(in_flight_.size(), std::memory_order_relaxed);
  if (row) ++rows_in_flight_;
  limiter_.Take(now);
  return token;
}

void Lane::Send(std::uint64_t token, const log::RecordView& record) {
  const InFlight& attempt = in_flight_.at(token);
  const std::string webhook_id = WebhookId(destination(), record);
  const std::shared_ptr<Destination> destination = attempt.destination;
  destination->Deliver({.record = &record,
                        .body = record.payload,
                        .webhook_id = webhook_id,
                        .replay = replay_ ? std::string_view(replay_->id) : std::string_view(),
                        .attempt = attempt.attempt,
                        .now_us = attempt.at_us},
                       [weak = weak_from_this(), token](Outcome outcome) {
                         if (const auto self = weak.lock()) {
                           self->OnOutcome(token, std::move(outcome));
                         }
                       });
}

void Lane::OnOutcome(std::uint64_t token, Outcome outcome) {
  auto node = in_flight_.extract(token);
  if (node.empty()) return;
  InFlight& attempt = node.mapped();
  if (attempt.row) --rows_in_flight_;
  in_flight_count_.store(in_flight_.size(), std::memory_order_relaxed);
  const MonoNanos now = world_.loop->Now();
  Measure(attempt, outcome, now);
  SettleOutcome(attempt, outcome, now);
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
  if (!breaker_.Record(outcome.verdict == Verdict::kRetry, now)) return;
  breaker_state_.store(breaker_.state(), std::memory_order_relaxed);
  LogInfo("breaker_changed", {{"destination", name_},
                              {"state", BreakerStateName(breaker_.state())},
                              {"error", outcome.error}});
}

void Lane::SettleOutcome(const InFlight& attempt, const Outcome& outcome, MonoNanos now) {
  const Position at = attempt.at;
  StoredAttempt line{.number = attempt.attempt,
                     .attempt = {.at_us = attempt.at_us,
                                 .status = outcome.status,
                                 .duration_ms = (now - attempt.began_ns) / kNanosPerMilli,
                                 .revision = attempt.revision,
                                 .error = outcome.error,
                                 .response = outcome.response.substr(0, kResponseBytesKept)}};
  const bool delivered = outcome.verdict == Verdict::kDelivered;
  // A success at the first attempt, the ordinary case, costs no row.
  if (!delivered || attempt.attempt > 1) ledger_->AddAttempt(at, line);
  Remember(at, std::move(line));
  if (delivered) {
    ledger_->SettleDelivered(at, attempt.row);
    return;
  }
  if (!attempt.row) KeepIfReleased(at);
  std::string reason = outcome.error;
  if (outcome.verdict == Verdict::kRetry) {
    const auto wait = schedule_.WaitAfter(attempt.attempt, outcome.retry_after_ns, *world_.random);
    if (wait) {
      ledger_->SettleWaiting(
          at, {.due_us = world_.clock->Now() + *wait / 1000, .attempts = attempt.attempt},
          now + *wait);
      return;
    }
    reason = "gave up after " + std::to_string(attempt.attempt) + " attempts: " + reason;
  }
  ledger_->SettleDead(at,
                      {.at_us = world_.clock->Now(), .attempts = attempt.attempt, .reason = reason},
                      attempt.row);
  // What a replay is told counts for its destination.
  Lane& live = replay_ ? *replay_->live : *this;
  if (outcome.verdict == Verdict::kDisable && live.status_.status == LaneStatus::kActive) {
    LogWarn("destination_disabled", {{"destination", live.name_}, {"reason", reason}});
    live.SetStatus(
        {.status = LaneStatus::kDisabled, .at_us = world_.clock->Now(), .reason = reason},
        [](const Status&) {});
  }
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
