// Batches, the second half: attempts with a composition, and what becomes of its members. A batch
// that is refused for good is split in halves, each a composition of its own, until what cannot be
// delivered stands alone.
#include <algorithm>

#include "base/logging.h"
#include "deliver/lane.h"

namespace tributary::deliver {

namespace keys = store::keys;

namespace {

// What the receiver said is kept once per member: of larger batches only the beginning.
constexpr std::size_t kWholeResponsesMax = 64;
constexpr std::size_t kCutResponseBytes = 64;

bool ShareKeys(const std::vector<StoredBatch::Member>& a,
               const std::vector<StoredBatch::Member>& b) {
  std::set<KeyQueues::Key> seen;
  for (const auto& member : a) seen.insert(member.key);
  seen.erase(0);
  return std::ranges::any_of(b, [&](const auto& member) { return seen.contains(member.key); });
}

}  // namespace

void Lane::SendFreshBatches(MonoNanos now) {
  while (now >= read_again_at_ && Room(now) > 0) {
    const auto id = ledger_->batches().TakeFresh();
    if (!id) return;
    SendBatch(*id, now);
  }
}

void Lane::SendBatch(BatchId id, MonoNanos now) {
  BatchRows::Batch& batch = *ledger_->batches().Find(id);
  if (!settings_.batch.possible) {
    Dissolve(id, now);
    return;
  }
  const bool late =
      settings_.total_ns != 0 && !batch.fresh() && now - batch.times.since > settings_.total_ns;
  if (late) {
    KillBatch(StoredBatch(batch.stored), batch.times.since,
              "retry.total is over: " + GaveUpAfter(batch.stored.attempts));
    return;
  }
  const std::uint64_t token = BeginBatchAttempt(id, batch, now);
  const std::string body = std::exchange(batch.body, {});
  const Position first = batch.stored.members.front().at;
  const auto found = world_.log->ReadOne(first.partition, first.offset);
  if (found && !body.empty()) {
    DeliverBatch(token, found->record, body, settings_.mapping != nullptr);
  } else {
    AssembleBatch(token, batch.stored);
  }
}

std::uint64_t Lane::BeginBatchAttempt(BatchId id, const BatchRows::Batch& batch, MonoNanos now) {
  const std::uint64_t token = next_token_++;
  const StoredBatch& stored = batch.stored;
  in_flight_[token] = {.at = stored.members.front().at,
                       .attempt = stored.attempts + 1,
                       .base = stored.base,
                       .row = !batch.fresh(),
                       .batch = id,
                       .members = stored.members.size(),
                       .at_us = world_.clock->Now(),
                       .began_ns = now,
                       .since_ns = batch.fresh() ? now : batch.times.since,
                       .revision = settings_.revision,
                       .destination = settings_.destination};
  if (!batch.fresh()) ++rows_in_flight_;
  pairs_in_flight_ += stored.members.size();
  in_flight_count_.store(pairs_in_flight_, std::memory_order_relaxed);
  limiter_.Take(now);
  return token;
}

// A body made anew: from the log, and what that has forgotten from the copies in the store.
void Lane::AssembleBatch(std::uint64_t token, const StoredBatch& batch) {
  auto assembly = std::make_shared<Assembly>();
  for (const StoredBatch::Member& member : batch.members) {
    const auto found = world_.log->ReadOne(member.at.partition, member.at.offset);
    if (!found && CannotReadNow(found.error(), world_.loop->Now())) {
      PutBatchBack(token);
      return;
    }
    assembly->places.push_back(member.at);
    assembly->kept.push_back(found ? EncodeKept(found->record) : std::string());
  }
  if (std::ranges::none_of(assembly->kept, &std::string::empty)) {
    Assembled(token, *assembly);
    return;
  }
  ReadKept(assembly, [token](Lane& lane, const Assembly& whole) { lane.Assembled(token, whole); });
}

// What is missing comes from the copies in the store; `then` on the loop.
void Lane::ReadKept(const std::shared_ptr<Assembly>& assembly, KeptRead then) {
  world_.committer->Post([weak = weak_from_this(), store = world_.store, loop = world_.loop,
                          lane = id_, assembly, then = std::move(then)] {
    for (std::size_t i = 0; i < assembly->places.size(); ++i) {
      if (!assembly->kept[i].empty()) continue;
      auto body = store->Get(store::Family::kOwned, keys::KeptBody(lane, assembly->places[i]));
      if (!body) assembly->read = std::unexpected(body.error());
      if (body && *body) assembly->kept[i] = std::move(**body);
    }
    loop->Post([weak, assembly, then] {
      if (const auto self = weak.lock()) then(*self, *assembly);
    });
  });
}

void Lane::Assembled(std::uint64_t token, const Assembly& assembly) {
  const auto found = in_flight_.find(token);
  if (found == in_flight_.end()) return;
  if (!assembly.read && CannotReadNow(assembly.read.error(), world_.loop->Now())) {
    PutBatchBack(token);
    return;
  }
  std::string body;
  std::optional<log::RecordView> first;
  std::vector<Position> lost;
  for (std::size_t i = 0; i < assembly.places.size(); ++i) {
    const auto record = DecodeKept(assembly.places[i], assembly.kept[i]);
    if (!record) {
      lost.push_back(assembly.places[i]);
      continue;
    }
    if (!first) first = *record;
    body += body.empty() ? '[' : ',';
    body += record->payload;
  }
  if (lost.empty() && settings_.mapping != nullptr) {
    MapBatch(token, assembly);
    return;
  }
  if (lost.empty()) {
    DeliverBatch(token, *first, body + ']', false);
    return;
  }
  const InFlight attempt = found->second;
  EndAttempt(found);
  const BatchRows::Batch& batch = *ledger_->batches().Find(attempt.batch);
  ReplaceWithout(StoredBatch(batch.stored), batch.times, [&](const StoredBatch::Member& member) {
    if (std::ranges::find(lost, member.at) == lost.end()) return false;
    LoseRow(member.at, member.key, attempt.since_ns);
    return true;
  });
  PumpSoon();
}

void Lane::DeliverBatch(std::uint64_t token, const log::RecordView& first, std::string_view body,
                        bool mapped) {
  const InFlight& attempt = in_flight_.at(token);
  const StoredBatch& stored = ledger_->batches().Find(attempt.batch)->stored;
  const std::string webhook_id = WebhookIdText(stored.id);
  const std::shared_ptr<Destination> destination = attempt.destination;
  destination->Deliver({.record = &first,
                        .body = body,
                        .mapped = mapped,
                        .batch = true,
                        .members = static_cast<std::uint32_t>(stored.members.size()),
                        .webhook_id = webhook_id,
                        .replay = replay_ ? std::string_view(replay_->id) : std::string_view(),
                        .attempt = attempt.attempt,
                        .now_us = attempt.at_us},
                       [weak = weak_from_this(), token](const Outcome& outcome) {
                         if (const auto self = weak.lock()) self->OnOutcome(token, outcome);
                       });
}

void Lane::SettleBatchOutcome(const InFlight& attempt, const Outcome& outcome, MonoNanos now) {
  StoredBatch batch = ledger_->batches().Find(attempt.batch)->stored;
  const UnixMicros now_us = world_.clock->Now();
  batch.attempts = attempt.attempt;
  batch.since_us = now_us - (now - attempt.since_ns) / 1000;
  StoredAttempt line = LineOf(attempt, outcome, now);
  line.batch = batch.id;
  if (outcome.verdict == Verdict::kDelivered) {
    SettleBatchDelivered(batch, attempt.since_ns, line, outcome.rejected);
    return;
  }
  LogMembers(batch, line);
  RememberBatch(batch, line);
  if (batch.members.size() > kWholeResponsesMax) {
    line.attempt.response.resize(std::min(line.attempt.response.size(), kCutResponseBytes));
  }
  for (const StoredBatch::Member& member : batch.members) ledger_->AddAttempt(member.at, line);
  if (outcome.verdict == Verdict::kReject && settings_.batch.split && batch.members.size() > 1) {
    SplitBatch(batch, now);
    return;
  }
  const auto wait = NextAttempt(attempt, outcome, now);
  if (!wait) {
    KillBatch(batch, attempt.since_ns, wait.error());
    if (outcome.verdict == Verdict::kDisable) Disable(wait.error());
    return;
  }
  batch.due_us = now_us + *wait / 1000;
  ledger_->PutBackBatch(attempt.batch, batch, {.due = now + *wait, .since = attempt.since_ns});
  WatchBatch(attempt.batch, now);
}

// The receiver took the batch, perhaps without some of its members: each is settled by itself.
void Lane::SettleBatchDelivered(StoredBatch batch, MonoNanos since, const StoredAttempt& line,
                                const std::vector<RejectedMember>& rejected) {
  const BatchId id = batch.key();
  std::set<Position> refused;
  for (const RejectedMember& reject : rejected) {
    const StoredBatch::Member& member = batch.members.at(reject.index);
    StoredAttempt own = line;
    own.attempt.error = reject.error;
    if (world_.attempts != nullptr) world_.attempts->Append(id_, member.at, own);
    ledger_->AddAttempt(member.at, own);
    Remember(member.at, std::move(own));
    KillMember(member, batch.attempts, since, reject.error);
    refused.insert(member.at);
  }
  std::erase_if(batch.members, [&](const auto& member) { return refused.contains(member.at); });
  LogMembers(batch, line);
  for (const StoredBatch::Member& member : batch.members) {
    if (line.number > 1) ledger_->AddAttempt(member.at, line);
    ledger_->SettleDelivered(member.at, true);
    EndPair(member.at, member.key, since);
  }
  ledger_->EndBatch(id);
  RememberBatch(batch, line);
}

void Lane::LogMembers(const StoredBatch& batch, const StoredAttempt& line) {
  if (world_.attempts == nullptr) return;
  for (const StoredBatch::Member& member : batch.members) {
    world_.attempts->Append(id_, member.at, line);
  }
}

void Lane::KillBatch(const StoredBatch& batch, MonoNanos since, const std::string& reason) {
  for (const StoredBatch::Member& member : batch.members) {
    KillMember(member, batch.attempts, since, reason);
  }
  ledger_->EndBatch(batch.key());
}

// The halves have the attempts of the whole behind them, and the whole schedule before them: it
// begins when they are sent, however long others of them keep them waiting.
void Lane::SplitBatch(const StoredBatch& batch, MonoNanos now) {
  const auto middle = batch.members.begin() + static_cast<std::ptrdiff_t>(batch.members.size() / 2);
  std::vector<BatchRows::Batch> halves(2);
  halves[0].stored.members.assign(batch.members.begin(), middle);
  halves[1].stored.members.assign(middle, batch.members.end());
  for (BatchRows::Batch& half : halves) {
    half.times = {.due = now, .since = now};
    half.stored.attempts = half.stored.base = batch.attempts;
    half.stored.id = BatchWebhookId(half.stored.members);
  }
  ReplaceBatch(batch.key(), std::move(halves));
}

// Parts that share keys go one after another, and whoever waited for the whole waits for the last.
void Lane::ReplaceBatch(BatchId old, std::vector<BatchRows::Batch> parts) {
  BatchRows& batches = ledger_->batches();
  const BatchId next = batches.NextAfter(old);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const bool chained =
        next != 0 || ShareKeys(parts[i - 1].stored.members, parts[i].stored.members);
    if (chained) parts[i].stored.after = parts[i - 1].stored.key();
  }
  if (!parts.empty() && next != 0) ledger_->SetAfter(next, parts.back().stored.key());
  // Before the commit of the parts, so that no power cut leaves both.
  ledger_->EndBatch(old);
  if (!parts.empty()) Compose(std::move(parts));
}

// Members that `gone` names were settled by it; the others are a batch of their own from now on.
void Lane::ReplaceWithout(StoredBatch batch, WaitingRows::Times times, const MemberGone& gone) {
  const BatchId old = batch.key();
  std::erase_if(batch.members, gone);
  std::vector<BatchRows::Batch> rest;
  if (!batch.members.empty()) {
    batch.after = 0;
    batch.id = BatchWebhookId(batch.members);
    rest.push_back({.stored = std::move(batch), .times = times});
  }
  ReplaceBatch(old, std::move(rest));
}

// The destination takes one event per request now (its type was changed). Parts that wait for this
// one go with it, so that of each key only the first of all goes and the others follow it.
void Lane::Dissolve(BatchId id, MonoNanos now) {
  std::set<KeyQueues::Key> held;
  while (id != 0) {
    const BatchRows::Batch batch = *ledger_->batches().Find(id);
    for (const StoredBatch::Member& member : batch.stored.members) {
      if (member.key != 0 && !held.insert(member.key).second) {
        keys_.Free(member.key);
        ledger_->SettleFollower(member.at, {.key = member.key}, now);
        keys_.Follow(member.key, member.at);
        continue;
      }
      ledger_->SettleWaiting(member.at,
                             {.due_us = world_.clock->Now(),
                              .attempts = batch.stored.attempts,
                              .since_us = batch.stored.since_us,
                              .key = member.key,
                              .redriven_after = batch.stored.base},
                             {.due = now, .since = batch.times.since});
      if (!batch.fresh()) WatchHead(member.at, member.key, batch.times.since, now);
    }
    const BatchId next = ledger_->batches().NextAfter(id);
    ledger_->EndBatch(id);
    id = next;
  }
  PumpSoon();
}

// ---- A batch whose keys hold up others ----

void Lane::WatchBatch(BatchId id, MonoNanos now) {
  const BatchRows::Batch& batch = *ledger_->batches().Find(id);
  const bool keyed =
      std::ranges::any_of(batch.stored.members, [](const auto& member) { return member.key != 0; });
  if (!keyed || settings_.order_wait_ns == 0) return;
  if (now - batch.times.since < settings_.order_wait_ns) {
    heads_.insert({batch.times.since, batch.stored.members.front().at});
  } else {
    ExpireBatch(id, now);
  }
}

void Lane::ExpireBatch(BatchId id, MonoNanos now) {
  const BatchRows::Batch& batch = *ledger_->batches().Find(id);
  if (batch.in_flight || batch.fresh() || batch.times.due <= now) return;
  const MonoNanos since = batch.times.since;
  if (now - since < settings_.order_wait_ns) {
    heads_.insert({since, batch.stored.members.front().at});
    return;
  }
  const auto doomed = [&](const StoredBatch::Member& member) {
    return HoldsUpOthers(member.key, since, now);
  };
  for (const StoredBatch::Member& member : batch.stored.members) {
    if (member.key != 0 && !doomed(member)) keys_.SetOverdue(member.key, member.at);
  }
  if (std::ranges::none_of(batch.stored.members, doomed)) return;
  // Asked for all before the first of them lets go of its key.
  std::set<Position> gone;
  for (const StoredBatch::Member& member : batch.stored.members) {
    if (doomed(member)) gone.insert(member.at);
  }
  ReplaceWithout(StoredBatch(batch.stored), batch.times, [&](const StoredBatch::Member& member) {
    if (!gone.contains(member.at)) return false;
    GiveUpMember(member, batch.stored.attempts, since);
    return true;
  });
  PumpSoon();
}

void Lane::GiveUpMember(const StoredBatch::Member& member, std::uint32_t attempts,
                        MonoNanos since) {
  KillMember(member, attempts, since,
             "order_wait is over: others of its key wait behind it; " + GaveUpAfter(attempts));
}

void Lane::KillMember(const StoredBatch::Member& member, std::uint32_t attempts, MonoNanos since,
                      std::string reason) {
  ledger_->SettleDead(
      member.at, {.at_us = world_.clock->Now(), .attempts = attempts, .reason = std::move(reason)},
      FactsAt(member.at), true);
  EndPair(member.at, member.key, since);
}

// ---- What is remembered ----

void Lane::RememberBatch(const StoredBatch& batch, StoredAttempt line) {
  RecentBatch recent{.members = {}, .attempt = std::move(line)};
  for (const StoredBatch::Member& member : batch.members) recent.members.push_back(member.at);
  std::ranges::sort(recent.members);
  recent_members_ += recent.members.size();
  recent_batches_.push_back(std::move(recent));
  while (recent_members_ > kRecentMembersMax && recent_batches_.size() > 1) {
    recent_members_ -= recent_batches_.front().members.size();
    recent_batches_.pop_front();
  }
}

}  // namespace tributary::deliver
