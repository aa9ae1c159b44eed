// Programs and batches. Before a record joins a batch its condition and its mapping are asked as
// for any attempt; what they refuse never becomes a member. A later attempt of a batch maps its
// members anew, one after another: one whose mapping fails by then leaves the batch, and the
// others are a new composition.
#include <algorithm>

#include "deliver/lane.h"

namespace tributary::deliver {
namespace {

constexpr MonoNanos kMapAgainAfter = 100 * kNanosPerMilli;

}  // namespace

bool Lane::AsksPrograms(Position at) const {
  return settings_.mapping != nullptr || rules_.At(at.partition, at.offset).asks_program;
}

// What programs were asked about is ready: it was no attempt yet, and joins what gathers.
void Lane::GatherAsked(std::uint64_t token, const log::RecordView& record, std::string_view body) {
  const InFlight attempt = TakeUnsent(token);
  const MonoNanos now = world_.loop->Now();
  const bool again = attempt.attempt > 1;
  if (!again && (GatherFull(body.size()) || !MayMix(record))) Flush(now);
  if (again) {
    ComposeAlone(record, body, attempt.key);
  } else if (HeldElsewhere(attempt.key, true)) {
    FollowInstead(attempt.at, attempt.key, now);
  } else {
    Gather(record, body, attempt.key, now);
  }
  PumpSoon();
}

// A batch on its way to an attempt, whose members are being mapped.
struct Lane::BatchMapping {
  std::uint64_t token = 0;
  std::uint32_t revision = 0;  // whose mapping it is
  std::shared_ptr<const Program> program;
  Assembly assembly;
  std::string body;
  std::map<Position, std::string> failed;  // why
  std::size_t next = 0;
};

void Lane::MapBatch(std::uint64_t token, const Assembly& assembly) {
  auto mapping = std::make_shared<BatchMapping>();
  mapping->token = token;
  mapping->revision = settings_.revision;
  mapping->program = settings_.mapping;
  mapping->assembly = assembly;
  MapNext(mapping);
}

void Lane::MapNext(const std::shared_ptr<BatchMapping>& mapping) {
  if (mapping->next == mapping->assembly.places.size()) {
    BatchMapped(*mapping);
    return;
  }
  const Position at = mapping->assembly.places[mapping->next];
  const auto record = DecodeKept(at, mapping->assembly.kept[mapping->next]);
  world_.programs->Run(mapping->program, std::string(record->payload), *world_.loop,
                       [weak = weak_from_this(), mapping](Result<std::string> answer) {
                         if (const auto self = weak.lock()) {
                           self->OnMemberMapped(mapping, std::move(answer));
                         }
                       });
}

void Lane::OnMemberMapped(const std::shared_ptr<BatchMapping>& mapping,
                          Result<std::string> answer) {
  const auto found = in_flight_.find(mapping->token);
  if (found == in_flight_.end()) return;
  if (stopped_) {  // begins again after the restart
    EndAttempt(found);
    MaybeDrained();
    return;
  }
  if (!answer && answer.error().code() == ErrorCode::kUnavailable) {
    world_.loop->At(world_.loop->Now() + kMapAgainAfter, [weak = weak_from_this(), mapping] {
      const auto self = weak.lock();
      if (self && self->in_flight_.contains(mapping->token)) self->MapNext(mapping);
    });
    return;
  }
  if (answer) {
    mapping->body += mapping->body.empty() ? '[' : ',';
    mapping->body += *answer;
  } else {
    mapping->failed[mapping->assembly.places[mapping->next]] = answer.error().message();
  }
  ++mapping->next;
  MapNext(mapping);
}

void Lane::BatchMapped(const BatchMapping& mapping) {
  InFlight& attempt = in_flight_.at(mapping.token);
  if (mapping.revision != settings_.revision) {  // changed meanwhile: the attempt is that of now
    attempt.revision = settings_.revision;
    attempt.destination = settings_.destination;
    const Assembly assembly = mapping.assembly;
    Assembled(mapping.token, assembly);
    return;
  }
  if (mapping.failed.empty()) {
    attempt.at_us = world_.clock->Now();
    attempt.began_ns = world_.loop->Now();
    const auto first = DecodeKept(mapping.assembly.places[0], mapping.assembly.kept[0]);
    DeliverBatch(mapping.token, *first, mapping.body + ']', true);
    return;
  }
  const InFlight ended = std::move(attempt);
  EndAttempt(in_flight_.find(mapping.token));
  limiter_.GiveBack();
  const BatchRows::Batch& batch = *ledger_->batches().Find(ended.batch);
  const MonoNanos since = ended.since_ns;
  const std::uint32_t made = batch.stored.attempts;
  ReplaceWithout(StoredBatch(batch.stored), batch.times, [&](const StoredBatch::Member& member) {
    const auto why = mapping.failed.find(member.at);
    if (why == mapping.failed.end()) return false;
    KillMember(member, made, since, "mapping: " + why->second);
    return true;
  });
  PumpSoon();
}

}  // namespace tributary::deliver
