// What the engine reads at start: destinations, their rules, cursors and rows; and what it repairs.
//
// A cursor or a rule can lie past the end of the log: it was taken at an offset that had been given
// out but was not yet durable when the power went. Offsets past the end will be given out again, to
// other records, so such positions are moved back to the end before anything is appended.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/logging.h"
#include "deliver/dead_letter_rows.h"
#include "deliver/engine_declared.h"
#include "deliver/engine_impl.h"
#include "deliver/engine_replay.h"

namespace tributary::deliver {

using nlohmann::json;
using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

// No wait of a schedule is longer, jitter included.
constexpr std::int64_t kWaitUsMax = 450LL * 86'400 * kMicrosPerSecond;

Error Broken(std::string_view what) {
  return {ErrorCode::kCorrupt, "a stored " + std::string(what) + " is broken"};
}

Result<json> ParseStored(std::string_view value, std::string_view what) {
  if (value.empty() ||
      (value.front() != kDestinationVersion && value.front() != kSealedDestinationVersion)) {
    return Fail(Broken(what));
  }
  json object = json::parse(value.substr(1), nullptr, false);
  if (!object.is_object()) return Fail(Broken(what));
  return object;
}

StoredLane LostStatus(const std::vector<std::string>& lost, UnixMicros now_us) {
  return {.status = LaneStatus::kDisabled,
          .at_us = now_us,
          .reason =
              "its secrets cannot be opened, because the key file secret.key is missing or "
              "another one: put it back and restart, or enter again: " +
              PlacesOf(lost)};
}

// Scans and stops at the first error of the visitor.
Status ScanAll(const store::Store& store, const std::string& prefix,
               const std::function<Status(std::string_view key, std::string_view value)>& visit) {
  Status first_error;
  TRY(store.ScanPrefix(Family::kOwned, prefix, [&](std::string_view key, std::string_view value) {
    first_error = visit(key, value);
    return first_error ? Visit::kContinue : Visit::kStop;
  }));
  return first_error;
}

}  // namespace

Status EngineImpl::Load() {
  TRY_ASSIGN(const auto next, world_.store->Get(Family::kOwned, keys::Meta(kNextId)));
  if (next && next->size() == 4) next_id_ = LoadLe<std::uint32_t>(next->data());
  TRY(ScanAll(*world_.store, keys::AllDestinations(),
              [&](std::string_view key, std::string_view value) -> Status {
                const auto id = keys::ParseDestination(key);
                if (!id) return Fail(Broken("destination key"));
                return LoadDestination(*id, value);
              }));
  TRY(LoadDeleted());
  TRY(dead_letters_->moves().Load());
  for (std::size_t i = 0; i < options_.declared.size(); ++i) {
    const Status applied = ApplyDeclared(options_.declared[i]);
    if (!applied) return Fail(OfDeclared(i, applied.error()));
  }
  TRY(PauseUnlisted());
  if (unsynced_) {
    store::Batch last;  // syncs what was written before it
    last.Put(Family::kOwned, keys::Meta(kNextId), IdBytes(next_id_));
    TRY(world_.store->Write(last, store::Sync::kYes));
  }
  return replay_table_->Load();
}

// Thousands of destinations may be new, or changed, or have to be repaired: one sync for all.
Status EngineImpl::WriteAtLoad(const store::Batch& batch) {
  unsynced_ = true;
  return world_.store->Write(batch, store::Sync::kNo);
}

Status EngineImpl::LoadDestination(DestinationId id, std::string_view value) {
  TRY_ASSIGN(const json stored, ParseStored(value, "destination"));
  auto entry = std::make_shared<Entry>();
  entry->id = id;
  auto opened = vault_.Take(stored, id);
  if (!opened) return Fail(opened.error().With("destination " + std::to_string(id)));
  entry->spec = std::move(opened->spec);
  entry->lost = std::move(opened->lost);
  entry->revision = stored.value("revision", 1U);
  entry->declared = stored.value("declared", false);
  store::Batch repairs;
  TRY_ASSIGN(LaneState state, LoadLane(id, repairs));
  state.name = entry->spec.lane.name;
  TRY(revision_table_.PutFirst(repairs, *entry));
  if (value.front() == kDestinationVersion) {  // perhaps of a version that did not seal
    const std::string sealed = EncodeDestination(*entry, entry->spec, entry->revision);
    if (sealed.front() != kDestinationVersion)
      repairs.Put(Family::kOwned, keys::Destination(id), sealed);
  }
  // Not written: with the right key file at the next start it is what it was.
  if (!entry->lost.empty()) state.status = LostStatus(entry->lost, world_.clock->Now());
  if (!repairs.empty()) TRY(WriteAtLoad(repairs));
  Install(entry, std::move(state));
  return {};
}

Result<LaneState> EngineImpl::LoadLane(DestinationId id, store::Batch& repairs) {
  LaneState state;
  state.id = id;
  TRY_ASSIGN(const auto status, world_.store->Get(Family::kOwned, keys::Lane(id)));
  if (!status) return Fail(Broken("lane"));
  TRY_ASSIGN(state.status, DecodeLane(*status));
  TRY(LoadRules(id, state.rules, repairs));
  for (log::Partition p = 0; p < world_.log->partitions(); ++p) {
    TRY_ASSIGN(const auto value, world_.store->Get(Family::kOwned, keys::Cursor(id, p)));
    if (!value) return Fail(Broken("cursor"));
    TRY_ASSIGN(StoredCursor cursor, DecodeCursor(*value));
    const log::Offset end = world_.log->committed(p);
    if (cursor.cursor > end || cursor.start > end) {
      cursor.cursor = std::min(cursor.cursor, end);
      cursor.start = std::min(cursor.start, end);
      repairs.Put(Family::kOwned, keys::Cursor(id, p), EncodeCursor(cursor));
    }
    state.ledger.cursors.push_back(std::move(cursor));
  }
  TRY(LoadRows(id, state, repairs));
  return state;
}

Status EngineImpl::LoadRules(DestinationId id, RuleHistory& rules, store::Batch& repairs) {
  return ScanAll(
      *world_.store, keys::RevisionsOf(id),
      [&](std::string_view key, std::string_view value) -> Status {
        TRY_ASSIGN(json stored, ParseStored(value, "revision"));
        const auto number = keys::ParseRevision(key);
        if (!number || !stored.contains("from") || !stored.contains("rule")) {
          return Fail(Broken("revision"));
        }
        RuleEntry entry{.revision = number->revision,
                        .from = stored["from"].get<std::vector<log::Offset>>(),
                        .matcher = nullptr};
        if (entry.from.size() != world_.log->partitions()) return Fail(Broken("revision"));
        bool moved = false;
        for (log::Partition p = 0; p < entry.from.size(); ++p) {
          const log::Offset end = world_.log->committed(p);
          moved = moved || entry.from[p] > end;
          entry.from[p] = std::min(entry.from[p], end);
        }
        if (moved) {
          stored["from"] = entry.from;
          repairs.Put(Family::kOwned, std::string(key), kRevisionVersion + stored.dump());
        }
        if (stored.value("enabled", true)) {
          TRY_ASSIGN(entry.matcher, world_.matchers->Load(stored["rule"].get<std::string>()));
        } else {
          TRY_ASSIGN(const auto rule, world_.matchers->Load(stored["rule"].get<std::string>()));
          entry.matcher = MatchNothing(rule->kind());
        }
        rules.Add(std::move(entry));
        return {};
      });
}

Status EngineImpl::LoadRows(DestinationId id, LaneState& state, store::Batch& repairs) {
  const UnixMicros now_us = world_.clock->Now();
  const MonoNanos now = world_.loops.front().executor->Now();
  TRY(ScanAll(
      *world_.store, keys::WaitingOf(id),
      [&](std::string_view key, std::string_view value) -> Status {
        const auto parsed = keys::ParseLaneKey(keys::Prefix::kWaiting, key);
        if (!parsed || parsed->at.partition >= state.ledger.cursors.size()) {
          return Fail(Broken("waiting row"));
        }
        TRY_ASSIGN(const StoredWaiting row, DecodeWaiting(value));
        if (parsed->at.offset >= world_.log->committed(parsed->at.partition)) {
          // Its event was never durable (sync: none or interval); the offset is free again.
          repairs.Delete(Family::kOwned, std::string(key));
          return {};
        }
        // Bounded, so that a wall clock that jumped cannot put it off for ever.
        const std::int64_t wait = std::clamp<std::int64_t>(row.due_us - now_us, 0, kWaitUsMax);
        const std::int64_t age =
            row.since_us == 0 ? 0 : std::clamp<std::int64_t>(now_us - row.since_us, 0, kWaitUsMax);
        state.ledger.waiting.push_back(
            {.at = parsed->at,
             .row = row,
             .times = {.due = now + wait * 1000, .since = now - age * 1000}});
        return {};
      }));
  TRY(ScanAll(*world_.store, keys::DeadLettersOf(id),
              [&](std::string_view key, std::string_view) -> Status {
                const auto parsed = keys::ParseLaneKey(keys::Prefix::kDeadLetter, key);
                if (!parsed || parsed->at.partition >= state.ledger.cursors.size()) {
                  return Fail(Broken("dead letter"));
                }
                state.ledger.dead.push_back(parsed->at);
                return {};
              }));
  TRY(LoadFollowers(id, state, repairs));
  TRY(LoadBatches(id, state, repairs));
  TRY_ASSIGN(state.ledger.dead_bytes,
             LoadDeadAges(*world_.store, *world_.log, id, state.ledger.dead.size(), repairs));
  return {};
}

Status EngineImpl::LoadFollowers(LaneId id, LaneState& state, store::Batch& repairs) {
  const UnixMicros now_us = world_.clock->Now();
  const MonoNanos now = world_.loops.front().executor->Now();
  return ScanAll(
      *world_.store, keys::AllFollowersOf(id),
      [&](std::string_view key, std::string_view value) -> Status {
        const auto parsed = keys::ParseFollower(key);
        if (!parsed || parsed->at.partition >= state.ledger.cursors.size()) {
          return Fail(Broken("follower"));
        }
        TRY_ASSIGN(const UnixMicros due_us, DecodeFollower(value));
        if (parsed->at.offset >= world_.log->committed(parsed->at.partition)) {
          repairs.Delete(Family::kOwned, std::string(key));
          return {};
        }
        const std::int64_t wait =
            due_us == 0 ? 0 : std::clamp<std::int64_t>(due_us - now_us, 0, kWaitUsMax);
        state.ledger.followers.push_back({.at = parsed->at,
                                          .row = {.due_us = due_us, .key = parsed->key_hash},
                                          .times = {.due = now + wait * 1000}});
        return {};
      });
}

Status EngineImpl::LoadBatches(LaneId id, LaneState& state, store::Batch& repairs) {
  const UnixMicros now_us = world_.clock->Now();
  const MonoNanos now = world_.loops.front().executor->Now();
  return ScanAll(
      *world_.store, keys::DeliveryBatchesOf(id),
      [&](std::string_view key, std::string_view value) -> Status {
        TRY_ASSIGN(StoredBatch batch, DecodeBatch(value));
        const auto parsed = keys::ParseDeliveryBatch(key);
        const bool known = parsed && parsed->members_hash == batch.key() &&
                           std::ranges::all_of(batch.members, [&](const auto& member) {
                             return member.at.partition < state.ledger.cursors.size();
                           });
        if (!known) return Fail(Broken("batch"));
        const std::size_t lost = std::erase_if(batch.members, [&](const auto& member) {
          return member.at.offset >= world_.log->committed(member.at.partition);
        });
        if (lost > 0) {
          repairs.Delete(Family::kOwned, std::string(key));
          if (batch.members.empty()) return {};
          batch.id = BatchWebhookId(batch.members);
          repairs.Put(Family::kOwned, keys::DeliveryBatch(id, batch.key()), EncodeBatch(batch));
        }
        const std::int64_t wait = std::clamp<std::int64_t>(batch.due_us - now_us, 0, kWaitUsMax);
        const std::int64_t age =
            batch.since_us == 0 ? 0
                                : std::clamp<std::int64_t>(now_us - batch.since_us, 0, kWaitUsMax);
        state.ledger.batches.push_back(
            {.stored = std::move(batch),
             .times = {.due = now + wait * 1000, .since = now - age * 1000},
             .body = {}});
        return {};
      });
}

// A deleted lane keeps its cursors and rules, which say what became of its pairs (deleted_lane.h).
Status EngineImpl::LoadDeleted() {
  std::vector<std::pair<LaneId, StoredLane>> found;
  TRY(ScanAll(*world_.store, keys::AllLanes(),
              [&](std::string_view key, std::string_view value) -> Status {
                const auto id = keys::ParseLane(key);
                TRY_ASSIGN(StoredLane lane, DecodeLane(value));
                if (!id) return Fail(Broken("lane key"));
                if (lane.status == LaneStatus::kDeleted) found.emplace_back(*id, std::move(lane));
                return {};
              }));
  for (auto& [id, lane] : found) TRY(LoadDeletedLane(id, std::move(lane)));
  return {};
}

Status EngineImpl::LoadDeletedLane(LaneId id, StoredLane stored) {
  DeletedLane::State state{.id = id,
                           .name = std::move(stored.reason),
                           .at_us = stored.at_us,
                           .cursors = {},
                           .rules = {}};
  // Of a replay that somebody deleted nothing is told any more.
  bool over = state.name.ends_with(" " + ReplayId(id));
  store::Batch repairs;
  for (log::Partition p = 0; !over && p < world_.log->partitions(); ++p) {
    TRY_ASSIGN(const auto bytes, world_.store->Get(Family::kOwned, keys::Cursor(id, p)));
    over = !bytes;
    if (over) break;
    TRY_ASSIGN(StoredCursor cursor, DecodeCursor(*bytes));
    const log::Offset end = world_.log->committed(p);
    if (cursor.released > end) {
      cursor.cursor = std::min(cursor.cursor, end);
      cursor.start = std::min(cursor.start, end);
      cursor.released = end;
      repairs.Put(Family::kOwned, keys::Cursor(id, p), EncodeCursor(cursor));
    }
    state.cursors.push_back(std::move(cursor));
  }
  if (over) {
    repairs = DeletedLanes::Forget(id);
  } else {
    TRY(LoadRules(id, state.rules, repairs));
    repairs.Append(deleted_lanes_.Add(std::make_shared<const DeletedLane>(std::move(state))));
  }
  return repairs.empty() ? Status{} : WriteAtLoad(repairs);
}

Status EngineImpl::ApplyDeclared(const std::string& text) {
  TRY_ASSIGN(Spec spec, reader_.Create(text));
  const std::string name = spec.lane.name;
  const EntryPtr entry = Find(name);
  if (entry == nullptr) {
    TRY_ASSIGN(Birth birth, MakeBirth(std::move(spec), true, "configuration"));
    TRY(WriteAtLoad(birth.batch));
    Install(birth.entry, std::move(birth.state));
    return {};
  }
  if (!entry->declared || entry->listed) {
    return Fail(ErrorCode::kConflict, "name",
                "destination \"" + name + "\" is declared in the configuration and was also made " +
                    "otherwise; delete or rename one of them");
  }
  entry->listed = true;
  return UpdateDeclared(*entry, spec);
}

// Nothing is appended yet, so the end of the log is where the new state begins to count.
Status EngineImpl::UpdateDeclared(Entry& entry, const Spec& spec) {
  if (spec.kind() != entry.spec.kind()) {
    return Fail(ErrorCode::kInvalid, "kind",
                "kind of \"" + entry.spec.lane.name + "\" cannot be changed; choose another name");
  }
  store::Batch batch;
  StoredLane status = entry.lane->status();
  if (!entry.lost.empty()) {  // what is stored is what it was before; the file has the secrets
    TRY_ASSIGN(const auto kept, world_.store->Get(Family::kOwned, keys::Lane(entry.id)));
    if (!kept) return Fail(Broken("lane"));
    TRY_ASSIGN(status, DecodeLane(*kept));
  }
  const bool returns = status.status == LaneStatus::kPaused && status.reason == kUnlistedReason;
  if (returns) status = {.at_us = world_.clock->Now()};
  const bool same_rule =
      spec.rule.stored == entry.spec.rule.stored && spec.lane.enabled == entry.spec.lane.enabled;
  const bool same = same_rule && reader_.Write(spec, false) == reader_.Write(entry.spec, false);
  if (same && !returns && entry.lost.empty()) return {};
  const std::uint32_t revision = entry.revision + (same ? 0 : 1);
  batch.Put(Family::kOwned, keys::Lane(entry.id), EncodeLane(status));
  batch.Put(Family::kOwned, keys::Destination(entry.id), EncodeDestination(entry, spec, revision));
  if (!same) revision_table_.Put(batch, entry.id, revision, &entry.spec, spec, "configuration");
  if (!same_rule) {
    std::vector<log::Offset> from;
    from.reserve(world_.log->partitions());
    for (log::Partition p = 0; p < world_.log->partitions(); ++p) {
      from.push_back(world_.log->assigned(p));
    }
    batch.Put(Family::kOwned, keys::Revision(entry.id, revision), EncodeRevision(spec, from));
  }
  TRY(WriteAtLoad(batch));
  return Reload(entry.spec.lane.name);
}

Status EngineImpl::Reload(const std::string& name) {
  const EntryPtr old = Find(name);
  const DestinationId id = old->id;
  Uninstall(old);
  TRY_ASSIGN(const auto value, world_.store->Get(Family::kOwned, keys::Destination(id)));
  if (!value) return Fail(Broken("destination"));
  TRY(LoadDestination(id, *value));
  Find(old->spec.lane.name)->listed = old->listed;
  return {};
}

Status EngineImpl::PauseUnlisted() {
  std::vector<EntryPtr> unlisted;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : by_name_) {
      const bool paused = entry->lane->status().status != LaneStatus::kActive;
      if (entry->declared && !entry->listed && !paused) unlisted.push_back(entry);
    }
  }
  for (const EntryPtr& entry : unlisted) {
    LogWarn("destination_unlisted", {{"destination", entry->spec.lane.name}});
    store::Batch batch;
    batch.Put(Family::kOwned, keys::Lane(entry->id),
              EncodeLane({.status = LaneStatus::kPaused,
                          .at_us = world_.clock->Now(),
                          .reason = std::string(kUnlistedReason)}));
    TRY(WriteAtLoad(batch));
    TRY(Reload(entry->spec.lane.name));
  }
  return {};
}

}  // namespace tributary::deliver
