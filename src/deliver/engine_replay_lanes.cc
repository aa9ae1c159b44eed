// The lanes of replays: made, loaded, changed with their destination, let go.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/logging.h"
#include "deliver/engine_replay.h"
#include "deliver/replay_matcher.h"

namespace tributary::deliver {

using store::Family;
namespace keys = store::keys;

ReplayTable::~ReplayTable() {
  for (const auto& [id, replay] : replays_) {
    if (replay->lane != nullptr) engine_.world_.log->RemoveHolder(replay->lane.get());
  }
}

// ---- Load ----

Status ReplayTable::Load() {
  std::vector<std::pair<LaneId, std::string>> found;
  bool broken = false;
  TRY(engine_.world_.store->ScanPrefix(Family::kOwned, keys::AllReplays(),
                                       [&](std::string_view key, std::string_view value) {
                                         const auto id = keys::ParseReplay(key);
                                         broken = broken || !id;
                                         if (id) found.emplace_back(*id, value);
                                         return store::Visit::kContinue;
                                       }));
  if (broken) return Fail(ErrorCode::kCorrupt, "a stored replay key is broken");
  for (const auto& [id, value] : found) TRY(LoadReplay(id, value));
  return {};
}

Status ReplayTable::LoadReplay(LaneId id, std::string_view value) {
  auto replay = std::make_shared<Replay>();
  TRY_ASSIGN(replay->record, DecodeReplay(value));
  ReplayRecord& record = replay->record;
  replays_[id] = replay;
  for (const auto& [name, entry] : engine_.by_name_) {
    if (entry->id == record.destination) replay->entry = entry;
  }
  if (replay->entry == nullptr) MakeOrphan(record);
  replay->loop = replay->entry != nullptr ? replay->entry->loop : engine_.NextLoop();
  const auto status = engine_.world_.store->Get(Family::kOwned, keys::Lane(id));
  if (status && !*status && record.ended()) return {};
  TRY(ClampToLog(id, record));
  store::Batch repairs;
  TRY_ASSIGN(LaneState state, engine_.LoadLane(id, repairs));
  if (!repairs.empty()) TRY(engine_.world_.store->Write(repairs, store::Sync::kYes));
  // Of one that had ended, dead letters may be on their way again.
  const LedgerState& rows = state.ledger;
  const bool empty =
      rows.dead.empty() && rows.waiting.empty() && rows.followers.empty() && rows.batches.empty();
  if (record.ended() && empty) return CountAgain(id, record, state.ledger.cursors);
  const Status installed = Install(id, replay, std::move(state));
  if (installed) return {};
  LogError("replay_failed", {{"replay", ReplayId(id)}, {"error", installed.error().ToString()}});
  record.state = ReplayState::kFailed;
  record.reason = installed.error().message();
  return record.ended() ? Status{} : EndEarly(id, *replay);
}

// The power may have gone between the last of its dead letters and the record that counts them.
Status ReplayTable::CountAgain(LaneId id, ReplayRecord& record,
                               const std::vector<StoredCursor>& cursors) const {
  const Counts before = std::exchange(record.counts, {});
  for (const StoredCursor& cursor : cursors) {
    record.counts.delivered += cursor.counts.delivered;
    record.counts.filtered += cursor.counts.filtered;
    record.counts.dead_lettered += cursor.counts.dead_lettered;
    record.counts.dropped += cursor.counts.dropped;
  }
  if (record.counts == before) return {};
  store::Batch batch;
  batch.Put(Family::kOwned, keys::Replay(id), EncodeReplay(record));
  return engine_.world_.store->Write(batch, store::Sync::kYes);
}

// It ends where it is, because it cannot be read.
Status ReplayTable::EndEarly(LaneId id, Replay& replay) {
  ReplayRecord& record = replay.record;
  record.finished_at_us = engine_.world_.clock->Now();
  record.left = 0;
  for (log::Partition p = 0; p < record.starts.size(); ++p) {
    TRY_ASSIGN(const auto bytes, engine_.world_.store->Get(Family::kOwned, keys::Cursor(id, p)));
    if (!bytes) continue;
    TRY_ASSIGN(const StoredCursor cursor, DecodeCursor(*bytes));
    record.counts.delivered += cursor.counts.delivered;
    record.counts.filtered += cursor.counts.filtered;
    record.counts.dead_lettered += cursor.counts.dead_lettered;
    record.counts.dropped += cursor.counts.dropped;
    if (cursor.cursor < record.ends[p]) record.left += record.ends[p] - cursor.cursor;
  }
  store::Batch batch = Forget(id);
  batch.Put(Family::kOwned, keys::Replay(id), EncodeReplay(record));
  return engine_.world_.store->Write(batch, store::Sync::kYes);
}

// A log that is not synced at every append may have lost its end, and will give those offsets to
// other records.
Status ReplayTable::ClampToLog(LaneId id, ReplayRecord& record) const {
  bool moved = false;
  for (log::Partition p = 0; p < record.starts.size(); ++p) {
    const log::Offset end = engine_.world_.log->committed(p);
    moved = moved || record.ends[p] > end;
    record.starts[p] = std::min(record.starts[p], end);
    record.ends[p] = std::min(record.ends[p], end);
  }
  if (!moved) return {};
  store::Batch batch;
  batch.Put(Family::kOwned, keys::Replay(id), EncodeReplay(record));
  return engine_.world_.store->Write(batch, store::Sync::kYes);
}

// ---- What a lane is made of ----

Result<std::shared_ptr<const Matcher>> ReplayTable::MatcherOf(const ReplayRecord& record) const {
  TRY_ASSIGN(auto rule, engine_.world_.matchers->Load(record.rule));
  std::shared_ptr<const Matcher> own;
  if (!record.own_rule.empty()) {
    TRY_ASSIGN(own, engine_.world_.matchers->Load(record.own_rule));
  }
  return MatchBoth(std::move(rule), std::move(own), engine_.world_.programs);
}

Result<LaneSettings> ReplayTable::SettingsOf(const Replay& replay, const Spec& spec,
                                             std::uint32_t revision) const {
  TRY_ASSIGN(LaneSettings settings, engine_.SettingsOf(spec, revision, replay.loop));
  if (replay.record.rate > 0) settings.rate_limit = replay.record.rate;
  return settings;
}

Status ReplayTable::Install(LaneId id, const ReplayPtr& replay, LaneState state) {
  const ReplayRecord& record = replay->record;
  TRY_ASSIGN(auto matcher, MatcherOf(record));
  LaneSettings settings;  // of a destination that is gone nothing is left
  if (const auto& entry = replay->entry) {
    TRY_ASSIGN(settings, SettingsOf(*replay, entry->spec, entry->revision));
  }
  state.name = record.name + " " + ReplayId(id);
  state.rules = {};
  state.rules.Add({.revision = 1, .from = record.starts, .matcher = std::move(matcher)});
  state.replay = ReplayPart{.destination = record.destination,
                            .id = ReplayId(id),
                            .ends = record.ends,
                            .live = replay->entry ? replay->entry->lane : nullptr,
                            .cancelled = record.state == ReplayState::kCancelled || !replay->entry,
                            .orphan = !replay->entry,
                            .finished = FinishedOf(id),
                            .told = record.ended()};
  replay->lane = std::make_shared<Lane>(engine_.LaneWorldOf(*replay->loop), std::move(state),
                                        std::move(settings));
  engine_.world_.log->AddHolder(replay->lane);
  return {};
}

void ReplayTable::StartLane(const Replay& replay) const {
  replay.loop->loop.executor->Post([loop = replay.loop, lane = replay.lane] {
    loop->lanes.push_back(lane);
    lane->Start();
  });
}

// Under the mutex. The lane is idle, or was retired.
void ReplayTable::Release(Replay& replay) {
  if (replay.lane == nullptr) return;
  engine_.world_.log->RemoveHolder(replay.lane.get());
  replay.loop->loop.executor->Post(
      [loop = replay.loop, lane = std::exchange(replay.lane, nullptr)] {
        std::erase(loop->lanes, lane);
      });
  replay.entry = nullptr;
}

store::Batch ReplayTable::Forget(LaneId id) const {
  store::Batch batch;
  batch.Delete(Family::kOwned, keys::Replay(id));
  batch.Delete(Family::kOwned, keys::Lane(id));
  for (const std::string& prefix :
       {keys::CursorsOf(id), keys::RevisionsOf(id), keys::WaitingOf(id), keys::AllFollowersOf(id),
        keys::DeliveryBatchesOf(id), keys::DeadLettersOf(id), keys::DeadLetterAgesOf(id),
        keys::KeptBodiesOf(id), keys::AttemptsOf(id), keys::DroppedOf(id)}) {
    batch.DeleteRange(Family::kOwned, prefix, store::PrefixEnd(prefix));
  }
  return batch;
}

// ---- With their destination ----

std::vector<ReplayTable::LaneRef> ReplayTable::lanes() const {
  std::vector<LaneRef> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, replay] : replays_) {
    if (replay->lane == nullptr) continue;
    out.push_back({.id = id,
                   .destination = replay->record.destination,
                   .name = replay->record.name,
                   .loop = replay->loop,
                   .lane = replay->lane});
  }
  return out;
}

ReplayTable::OnLoop ReplayTable::PrepareChange(DestinationId destination, const Spec& spec,
                                               std::uint32_t revision) {
  std::vector<std::pair<std::shared_ptr<Lane>, LaneSettings>> changes;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, replay] : replays_) {
    if (replay->lane == nullptr || replay->record.destination != destination) continue;
    auto settings = SettingsOf(*replay, spec, revision);
    CHECK(settings.has_value());
    changes.emplace_back(replay->lane, std::move(*settings));
  }
  return [changes = std::move(changes)]() mutable {
    for (auto& [lane, settings] : changes) {
      lane->Change(
          std::nullopt, std::move(settings), [](const auto&) { return store::Batch(); },
          [](const Status&) {});
    }
  };
}

ReplayTable::OnLoop ReplayTable::PrepareDelete(DestinationId destination) {
  std::vector<std::pair<LaneId, ReplayPtr>> gone;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, replay] : replays_) {
    if (replay->lane == nullptr || replay->record.destination != destination) continue;
    gone.emplace_back(id, replay);
  }
  return [this, gone = std::move(gone)] {
    for (const auto& [id, replay] : gone) Orphan(id, *replay);
  };
}

// Running ones end as cancelled, once what is left is counted as dropped; of those that had ended
// the dead letters are dropped.
void ReplayTable::Orphan(LaneId id, Replay& replay) {
  store::Batch batch;
  {
    const std::lock_guard lock(mutex_);
    MakeOrphan(replay.record);
    replay.entry = nullptr;
    batch.Put(Family::kOwned, keys::Replay(id), EncodeReplay(replay.record));
  }
  replay.lane->OrphanReplay(std::move(batch), FinishedOf(id));
}

void ReplayTable::MakeOrphan(ReplayRecord& record) {
  if (record.ended()) return;
  record.state = ReplayState::kCancelled;
  record.reason = kDestinationDeleted;
}

std::function<void(bool)> ReplayTable::FinishedOf(LaneId id) {
  return [this, alive = std::weak_ptr(engine_.alive_), id](bool left) {
    if (!alive.expired()) OnFinished(id, left);
  };
}

}  // namespace tributary::deliver
