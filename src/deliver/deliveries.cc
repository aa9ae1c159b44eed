#include "deliver/deliveries.h"

#include <algorithm>
#include <map>

#include "deliver/dead_letter_service.h"
#include "deliver/deleted_lane.h"
#include "deliver/deliveries_search.h"
#include "deliver/deliveries_service.h"
#include "deliver/dropped_pairs.h"

namespace tributary::deliver {

namespace {

// Empty until the row of what died a moment ago is stored.
Result<std::string> ReasonOfDead(const store::Store& store, LaneId lane, Position at) {
  TRY_ASSIGN(const auto row, store.Get(store::Family::kOwned, store::keys::DeadLetter(lane, at)));
  if (!row) return std::string();
  TRY_ASSIGN(StoredDead dead, DecodeDead(*row));
  return std::move(dead.reason);
}

// One condition after another: they are answered by processes of their own.
void AskFilters(const DeliveriesWorld& world,
                const std::shared_ptr<std::vector<DeliveryCandidate>>& candidates, std::size_t from,
                Asked then) {
  std::size_t i = from;
  const auto waits = [&](const DeliveryCandidate& c) {
    return c.pair && c.pair->filter != nullptr && !c.state_unasked;
  };
  while (i < candidates->size() && !waits((*candidates)[i])) ++i;
  if (i == candidates->size() || world.programs == nullptr) return then({});
  DeliveryCandidate& candidate = (*candidates)[i];
  auto program = std::exchange(candidate.pair->filter, nullptr);
  world.programs->Run(
      std::move(program), std::string(candidate.record->payload), *world.reads,
      [world, candidates, i, then = std::move(then)](Result<std::string> answer) mutable {
        if (!answer && answer.error().code() == ErrorCode::kUnavailable) {
          return then(std::unexpected(answer.error()));
        }
        LanePair& pair = *(*candidates)[i].pair;
        if (answer && *answer != "true") pair.state = PairState::kFiltered;
        pair.asked = true;
        AskFilters(world, candidates, i + 1, std::move(then));
      });
}

}  // namespace

void AskLanes(const DeliveriesWorld& world,
              const std::shared_ptr<std::vector<DeliveryCandidate>>& candidates, Asked then) {
  struct Asking {
    std::atomic<std::size_t> left{1};
    DeliveriesWorld world;
    std::shared_ptr<std::vector<DeliveryCandidate>> candidates;
    Asked then;
    static void OneLess(const std::shared_ptr<Asking>& self) {
      if (self->left.fetch_sub(1) != 1) return;
      self->world.reads->Post(
          [self] { AskFilters(self->world, self->candidates, 0, std::move(self->then)); });
    }
  };
  auto asking = std::make_shared<Asking>();
  asking->world = world;
  asking->candidates = candidates;
  asking->then = std::move(then);
  std::map<os::Executor*, std::vector<DeliveryCandidate*>> by_loop;
  for (DeliveryCandidate& candidate : *candidates) {
    if (!candidate.record) continue;
    if (candidate.lane.deleted != nullptr) {
      candidate.pair = candidate.lane.deleted->PairAt(*candidate.record);
    } else {
      by_loop[candidate.lane.loop].push_back(&candidate);
    }
  }
  for (auto& [loop, mine] : by_loop) {
    ++asking->left;
    loop->Post([asking, mine = std::move(mine)] {
      for (DeliveryCandidate* candidate : mine) {
        candidate->pair = candidate->lane.lane->PairAt(*candidate->record);
      }
      Asking::OneLess(asking);
    });
  }
  Asking::OneLess(asking);
}

Result<std::vector<StoredAttempt>> MergedAttempts(const DeliveriesWorld& world, LaneId lane,
                                                  Position at, const LanePair& known) {
  TRY_ASSIGN(std::vector<StoredAttempt> attempts, ReadAttempts(*world.store, lane, at));
  const auto add = [&attempts](const std::vector<StoredAttempt>& more) {
    for (const StoredAttempt& one : more) {
      if (std::ranges::find(attempts, one.number, &StoredAttempt::number) == attempts.end()) {
        attempts.push_back(one);
      }
    }
  };
  // What the lane remembers need not be stored yet.
  add(known.recent);
  const bool whole =
      !attempts.empty() && attempts.size() >= known.attempts_total &&
      std::ranges::max(attempts, {}, &StoredAttempt::number).number == attempts.size();
  if (!whole && world.attempts != nullptr && known.state != PairState::kPending) {
    TRY_ASSIGN(const auto logged, world.attempts->Find(lane, at));
    add(logged);
  }
  std::ranges::sort(attempts, {}, &StoredAttempt::number);
  return attempts;
}

Result<std::optional<FinalState>> FinalStateOf(const DeliveriesWorld& world,
                                               const DeliveryCandidate& candidate) {
  if (candidate.record && !candidate.pair) return std::nullopt;
  LanePair lost{.state = PairState::kDropped};
  const LanePair& known = candidate.record ? *candidate.pair : lost;
  FinalState out{.state = known.state, .rule = known.dropped};
  if (known.state == PairState::kFiltered && !known.asked) return out;
  // What retention took was not asked about: it is dropped, whatever its condition says.
  if (known.state == PairState::kDelivered || known.asked || !candidate.record) {
    TRY_ASSIGN(const auto rule, DroppedBy(*world.store, candidate.lane.id, candidate.at));
    if (!rule && !candidate.record) return std::nullopt;
    if (rule) out = {.state = PairState::kDropped, .rule = rule};
  }
  return out;
}

Result<std::optional<DeliveryEntry>> ReadDelivery(const DeliveriesWorld& world,
                                                  const DeliveryCandidate& candidate) {
  const LaneId lane = candidate.lane.id;
  const Position at = candidate.at;
  TRY_ASSIGN(const auto final_state, FinalStateOf(world, candidate));
  if (!final_state) return std::nullopt;
  DeliveryEntry entry;
  entry.pair = {.destination = candidate.lane.name, .delivery_id = DeliveryId(lane, at)};
  LanePair known{.state = PairState::kDropped};
  if (candidate.record) {
    const log::RecordView& record = *candidate.record;
    known = *candidate.pair;
    entry.source = record.fields.source;
    entry.message_id = record.fields.message_id;
    entry.received_at_us = record.fields.received_at_us;
    const bool live = candidate.lane.lane != nullptr;
    entry.pair.webhook_id = WebhookId(live ? candidate.lane.lane->destination() : lane, record);
  }
  if (candidate.lane.deleted != nullptr) entry.pair.deleted_at_us = candidate.lane.deleted->at_us();
  entry.pair.state = final_state->state;
  if (final_state->rule) entry.pair.rule = DropRuleName(*final_state->rule);
  entry.pair.rule_revision = known.rule_revision;
  entry.pair.next_attempt_at_us = known.next_attempt_at_us;
  entry.pair.attempts_total = known.attempts_total;
  if (entry.pair.state == PairState::kFiltered) return entry;
  if (entry.pair.state == PairState::kDeadLettered) {
    TRY_ASSIGN(entry.pair.reason, ReasonOfDead(*world.store, lane, at));
  }
  TRY_ASSIGN(auto attempts, MergedAttempts(world, lane, at, known));
  for (StoredAttempt& attempt : attempts) {
    entry.pair.attempts_total = std::max(entry.pair.attempts_total, attempt.number);
    if (attempt.batch != Hash128{}) entry.pair.webhook_id = WebhookIdText(attempt.batch);
    entry.pair.attempts.push_back(std::move(attempt.attempt));
  }
  if (known.batch != Hash128{}) entry.pair.webhook_id = WebhookIdText(known.batch);
  if (attempts.empty() && entry.pair.state == PairState::kDelivered) entry.pair.attempts_total = 1;
  return entry;
}

void DeliveriesService::List(DeliveryQuery query, Engine::Done<Page> done) {
  auto search = std::make_shared<DeliverySearch>(world_, std::move(query), std::move(done));
  world_.reads->Post([search] { search->Begin(); });
}

void DeliveriesService::Get(std::string id, Engine::Done<DeliveryEntry> done) {
  const auto place = ParseDeliveryId(id);
  if (!place) return done(Fail(ErrorCode::kInvalid, "id", "id is no delivery id (dlv_…)"));
  world_.reads->Post([world = world_, place = *place, done = std::move(done)]() mutable {
    GetNow(world, place, std::move(done));
  });
}

void DeliveriesService::GetNow(const DeliveriesWorld& world, const DeliveryPlace& place,
                               Engine::Done<DeliveryEntry> done) {
  const auto not_found = [](auto& answer) {
    answer(Fail(ErrorCode::kNotFound, "id", "there is no delivery of that id"));
  };
  const std::vector<LaneRef> lanes = world.lanes();
  const auto lane = std::ranges::find(lanes, place.lane, &LaneRef::id);
  const log::Partition p = place.at.partition;
  if (lane == lanes.end() || p >= world.log->partitions()) return not_found(done);
  // Repeats form no pair, and what comes after is not yet known to be none.
  const bool decided = place.at.offset < world.verdicts->decided(p);
  if (!decided || world.verdicts->IsDuplicate(p, place.at.offset)) return not_found(done);
  auto candidates = std::make_shared<std::vector<DeliveryCandidate>>(1);
  DeliveryCandidate& candidate = candidates->front();
  candidate.lane = *lane;
  candidate.at = place.at;
  if (auto event = ReadRowEvent(*world.store, *world.log, lane->id, place.at)) {
    std::shared_ptr<const RowEvent> kept = *std::move(event);
    candidate.record = kept->record;
    candidate.keeps = std::move(kept);
  }
  AskLanes(world, candidates,
           [world, candidates, not_found, done = std::move(done)](const Status& asked) mutable {
             if (!asked) return done(std::unexpected(asked.error()));
             auto entry = ReadDelivery(world, candidates->front());
             if (!entry) return done(std::unexpected(entry.error()));
             if (!*entry) return not_found(done);
             done(*std::move(*entry));
           });
}

}  // namespace tributary::deliver
