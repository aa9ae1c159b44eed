// Programs on the way of an attempt: the condition of the rule in force at the record's offset,
// before its first attempt, and the mapping in force now, before every one. While they run the
// attempt has its place in the window; what is not sent in the end was no attempt: it costs no
// token of the rate limit and tells the breaker nothing.
#include "base/check.h"
#include "deliver/lane.h"

namespace tributary::deliver {
namespace {

// The processes that run programs are full, or are being replaced.
constexpr MonoNanos kRunAgainAfter = 100 * kNanosPerMilli;

}  // namespace

// False: there is nothing to ask; the attempt goes on at once.
bool Lane::AskPrograms(std::uint64_t token, const log::RecordView& record) {
  InFlight& attempt = in_flight_.at(token);
  std::shared_ptr<const Program> program = settings_.mapping;
  if (attempt.attempt == 1 && rules_.At(record.partition, record.offset).asks_program) {
    program = rules_.Shared(record.partition, record.offset)->program();
  }
  if (program == nullptr) return false;
  attempt.kept = EncodeKept(record);  // the record's own memory is the caller's
  Ask(token, program);
  return true;
}

void Lane::Ask(std::uint64_t token, const std::shared_ptr<const Program>& program) {
  InFlight& attempt = in_flight_.at(token);
  attempt.revision = settings_.revision;
  const auto record = DecodeKept(attempt.at, attempt.kept);
  CHECK(record.has_value());
  world_.programs->Run(program, std::string(record->payload), *world_.loop,
                       [weak = weak_from_this(), token, program](Result<std::string> answer) {
                         if (const auto self = weak.lock()) {
                           self->OnProgram(token, program, std::move(answer));
                         }
                       });
}

void Lane::AskLater(std::uint64_t token, std::shared_ptr<const Program> program) {
  world_.loop->At(world_.loop->Now() + kRunAgainAfter,
                  [weak = weak_from_this(), token, program = std::move(program)]() mutable {
                    const auto self = weak.lock();
                    if (self && self->in_flight_.contains(token)) {
                      self->Ask(token, program);
                    }
                  });
}

void Lane::OnProgram(std::uint64_t token, const std::shared_ptr<const Program>& program,
                     Result<std::string> answer) {
  const auto found = in_flight_.find(token);
  if (found == in_flight_.end()) return;
  if (stopped_) {  // begins again after the restart
    EndUnsent(token);
    return;
  }
  if (!answer && answer.error().code() == ErrorCode::kUnavailable) {
    AskLater(token, program);
    return;
  }
  if (program->use() == ProgramUse::kFilter) {
    OnFilter(token, answer);
  } else {
    OnMapping(token, std::move(answer));
  }
}

void Lane::OnFilter(std::uint64_t token, const Result<std::string>& answer) {
  if (!answer) {
    FailUnsent(token, "filter: " + answer.error().message());
  } else if (*answer != "true") {
    const InFlight& attempt = in_flight_.at(token);
    ledger_->SettleFiltered(attempt.at, attempt.row);
    EndUnsent(token);
  } else if (settings_.mapping != nullptr) {
    Ask(token, settings_.mapping);
  } else {
    SendAsked(token, nullptr);
  }
}

void Lane::OnMapping(std::uint64_t token, Result<std::string> answer) {
  // Changed meanwhile: the attempt is made with the URL and headers of now, so with its mapping.
  if (in_flight_.at(token).revision != settings_.revision) {
    if (settings_.mapping != nullptr) {
      Ask(token, settings_.mapping);
    } else {
      SendAsked(token, nullptr);
    }
  } else if (answer) {
    SendAsked(token, &*answer);
  } else {
    FailUnsent(token, "mapping: " + answer.error().message());
  }
}

void Lane::SendAsked(std::uint64_t token, const std::string* mapped) {
  InFlight& attempt = in_flight_.at(token);
  attempt.at_us = world_.clock->Now();
  attempt.began_ns = world_.loop->Now();
  attempt.revision = settings_.revision;
  attempt.destination = settings_.destination;
  const std::string kept = std::move(attempt.kept);
  const auto record = DecodeKept(attempt.at, kept);
  CHECK(record.has_value());
  if (attempt.destination->instant()) {
    OnOutcome(token, Outcome::Delivered());
    return;
  }
  Dispatch(token, *record, mapped == nullptr ? record->payload : *mapped, mapped != nullptr);
}

// Final for the pair, and no word about the receiver.
void Lane::FailUnsent(std::uint64_t token, std::string reason) {
  const InFlight& attempt = in_flight_.at(token);
  if (!attempt.row) KeepIfReleased(attempt.at);
  ledger_->SettleDead(
      attempt.at,
      {.at_us = world_.clock->Now(), .attempts = attempt.attempt - 1, .reason = std::move(reason)},
      attempt.facts, attempt.row);
  EndUnsent(token);
}

void Lane::EndUnsent(std::uint64_t token) {
  const auto found = in_flight_.find(token);
  const InFlight& attempt = found->second;
  EndPair(attempt.at, attempt.key, attempt.since_ns);
  EndAttempt(found);
  limiter_.GiveBack();
  if (stopped_) {
    MaybeDrained();
  } else {
    Pump();
  }
}

// It was no attempt; the pair goes on in another way.
Lane::InFlight Lane::TakeUnsent(std::uint64_t token) {
  const auto found = in_flight_.find(token);
  InFlight attempt = std::move(found->second);
  EndAttempt(found);
  limiter_.GiveBack();
  return attempt;
}

std::shared_ptr<const Matcher> Lane::RuleAt(Position at) const {
  return rules_.Shared(at.partition, at.offset);
}

}  // namespace tributary::deliver
