#include "ingest/intake.h"

#include <algorithm>

namespace tributary::ingest {
namespace {

// As many groups as can usefully be on their way at once: one being synced, some queued behind it.
constexpr std::size_t kSpareGroupsMax = 8;

}  // namespace

LoopIntake::LoopIntake(os::Executor& loop, log::Log& log, metrics::Registry& registry,
                       const IntakeLimits& limits)
    : loop_(loop),
      log_(log),
      limits_(limits),
      refused_(registry.AddCounter(
          "tributary_intake_refused_total",
          "Requests refused because too much waited for the log, or because it takes none.")),
      failed_(registry.AddCounter("tributary_intake_failed_total",
                                  "Requests whose records the log did not take or make durable.")),
      ack_(registry.AddHistogram("tributary_intake_ack_seconds",
                                 "From handing a batch to the log until it was durable.")) {}

LoopIntake::~LoopIntake() = default;

Result<log::Batch*> LoopIntake::Open() {
  if (closed_) return Fail(ErrorCode::kUnavailable, "the server is shutting down");
  if (waiting_bytes() >= limits_.waiting_bytes_max ||
      waiting_requests_ >= limits_.waiting_requests_max) {
    refused_.Add();
    return Fail(ErrorCode::kUnavailable, "too much waits to be written; try again shortly");
  }
  return batch_.get();
}

void LoopIntake::AnswerWhenDurable(http::Responder responder, std::string_view canned,
                                   OnFailure on_failure) {
  Wait({std::move(responder), canned, std::move(on_failure)});
}

void LoopIntake::AnswerWhenDurable(http::Responder responder, http::Response answer,
                                   OnFailure on_failure) {
  Wait({std::move(responder), std::move(answer), std::move(on_failure)});
}

void LoopIntake::CountWhenDurable(metrics::Counter& counter, std::uint64_t events) {
  const auto same =
      std::ranges::find(group_->counts, &counter, [](const auto& c) { return c.first; });
  if (same != group_->counts.end()) {
    same->second += events;
  } else {
    group_->counts.emplace_back(&counter, events);
  }
}

// The flush is posted, not called: everything that this turn of the loop still parses joins it.
void LoopIntake::Wait(Waiter waiter) {
  group_->waiters.push_back(std::move(waiter));
  ++waiting_requests_;
  if (batch_->bytes() >= limits_.batch_bytes_wanted) return HandOver();
  if (flush_posted_) return;
  flush_posted_ = true;
  loop_.Post([this] { Flush(); });
}

void LoopIntake::Flush() {
  flush_posted_ = false;
  if (!group_->waiters.empty()) HandOver();
}

void LoopIntake::HandOver() {
  std::unique_ptr<Group> group = std::exchange(group_, TakeGroup());
  if (batch_->empty()) return Finish(std::move(group), {});
  group->bytes = batch_->bytes();
  group->handed_over_ns = loop_.Now();
  waiting_bytes_ += group->bytes;
  // The callback owns nothing but a pointer: should Append refuse, the group is still ours.
  Group* const waiting = group.get();
  const Status taken =
      log_.Append(0, batch_, [this, waiting](const Result<log::Appended>& appended) {
        Status outcome;
        if (!appended) outcome = std::unexpected(appended.error());
        loop_.Post([this, owned = std::unique_ptr<Group>(waiting),
                    outcome = std::move(outcome)]() mutable {
          if (!outcome) failed_.Add(owned->waiters.size());
          Finish(std::move(owned), outcome);
        });
      });
  if (taken) {
    (void)group.release();  // the callback's now
    batch_ = std::make_unique<log::Batch>();
    return;
  }
  batch_->RollBack({});
  const bool behind = taken.error().code() == ErrorCode::kUnavailable;
  (behind ? refused_ : failed_).Add(group->waiters.size());
  Finish(std::move(group), taken);
}

void LoopIntake::Finish(std::unique_ptr<Group> group, const Status& outcome) {
  if (group->handed_over_ns != 0) ack_.ObserveNanos(loop_.Now() - group->handed_over_ns);
  waiting_bytes_ -= group->bytes;
  waiting_requests_ -= group->waiters.size();
  if (outcome) {
    for (const auto& [counter, events] : group->counts) counter->Add(events);
  }
  for (Waiter& waiter : group->waiters) {
    if (!outcome) {
      waiter.responder.Send(waiter.on_failure(outcome.error()));
    } else if (auto* canned = std::get_if<std::string_view>(&waiter.answer)) {
      waiter.responder.SendRaw(*canned);
    } else {
      waiter.responder.Send(std::get<http::Response>(std::move(waiter.answer)));
    }
  }
  group->waiters.clear();
  group->counts.clear();
  group->bytes = 0;
  group->handed_over_ns = 0;
  if (spare_groups_.size() < kSpareGroupsMax) spare_groups_.push_back(std::move(group));
}

std::unique_ptr<LoopIntake::Group> LoopIntake::TakeGroup() {
  if (spare_groups_.empty()) return std::make_unique<Group>();
  auto group = std::move(spare_groups_.back());
  spare_groups_.pop_back();
  return group;
}

}  // namespace tributary::ingest
