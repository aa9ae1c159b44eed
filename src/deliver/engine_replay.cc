// Replays: made, paused, cancelled, finished, deleted. Each change is durable before it is
// answered.
#include "deliver/engine_replay.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/logging.h"

namespace tributary::deliver {

using store::Family;
namespace keys = store::keys;

namespace {

std::unexpected<Error> Ended(LaneId id, const ReplayRecord& record) {
  return Fail(ErrorCode::kConflict, "id",
              ReplayId(id) + " has ended: it is " + std::string(ReplayStateName(record.state)));
}

void LogEnd(LaneId id, const ReplayRecord& record) {
  LogInfo("replay_ended", {{"replay", ReplayId(id)},
                           {"destination", record.name},
                           {"state", ReplayStateName(record.state)},
                           {"delivered", record.counts.delivered}});
}

}  // namespace

// ---- One at a time ----

void ReplayTable::Enqueue(
    std::string id, Done<std::string> done,
    std::move_only_function<void(LaneId, ReplayPtr, Done<std::string>, Finish)> change) {
  engine_.Enqueue([this, id = std::move(id), done = std::move(done), change = std::move(change)](
                      const Status& go, Finish finish) mutable {
    const auto lane = ParseReplayId(id);
    ReplayPtr replay = lane ? Find(*lane) : nullptr;
    if (!go || replay == nullptr) {
      done(go ? Fail(ErrorCode::kNotFound, "id", "there is no replay \"" + id + "\"")
              : std::unexpected(go.error()));
      finish();
      return;
    }
    change(*lane, std::move(replay), std::move(done), std::move(finish));
  });
}

// ---- Create ----

void ReplayTable::Create(std::string json_text, Done<std::string> done) {
  engine_.Enqueue([this, json_text = std::move(json_text), done = std::move(done)](
                      const Status& go, Finish finish) mutable {
    if (go) return CreateNow(json_text, std::move(done), std::move(finish));
    done(std::unexpected(go.error()));
    finish();
  });
}

Status ReplayTable::SetRange(const ReplayRequest& request, ReplayRecord& record) const {
  const auto wrong = [](const char* field, const std::string& rest) {
    return Fail(ErrorCode::kInvalid, field, field + (" " + rest));
  };
  const UnixMicros now = record.created_at_us;
  const char* forms =
      "must be a time such as 2026-01-31T12:00:00Z, \"earliest\", \"now\" or \"2h\"";
  const auto from = ParseReplayTime(request.from, now);
  if (!from) return wrong("from", forms);
  const auto to = ParseReplayTime(request.to, now);
  if (!to) return wrong("to", forms);
  record.from_us = *from;
  record.to_us = std::min(*to, now);  // what is not there yet is delivered live
  if (*from > *to) return wrong("from", "must not be later than to");
  if (*from > now) return wrong("from", "must not be in the future");
  const log::Log& log = *engine_.world_.log;
  for (log::Partition p = 0; p < log.partitions(); ++p) {
    TRY_ASSIGN(const log::Offset first, engine_.world_.log->OffsetAtTime(p, *from));
    // Until now is until the end: the log's clock may be a little ahead of the wall's.
    log::Offset end = log.committed(p);
    if (*to <= now && request.to != "now") {
      TRY_ASSIGN(end, engine_.world_.log->OffsetAtTime(p, *to));
    }
    record.starts.push_back(std::max(first, log.first(p)));
    record.ends.push_back(std::max(end, record.starts.back()));
  }
  return {};
}

Result<ReplayRecord> ReplayTable::MakeRecord(const std::string& json_text,
                                             EngineImpl::EntryPtr& entry) const {
  std::vector<config::OptionSpec> conditions;
  for (const config::OptionSpec& spec : engine_.world_.matchers->specs()) {
    if (spec.name == "filter" || spec.name == "pattern") conditions.push_back(spec);
  }
  TRY_ASSIGN(const ReplayRequest request, ReadReplayRequest(json_text, conditions));
  entry = engine_.Find(request.destination);
  if (entry == nullptr) {
    return Fail(ErrorCode::kInvalid, "destination",
                "destination: there is none named \"" + request.destination + "\"");
  }
  ReplayRecord record{.destination = entry->id,
                      .name = request.destination,
                      .own = request.own,
                      .rule = entry->spec.rule.stored,
                      .rate = request.rate,
                      .created_at_us = engine_.world_.clock->Now()};
  const auto own = nlohmann::json::parse(request.own);
  if (!own.empty()) {
    TRY_ASSIGN(const auto compiled, engine_.world_.matchers->Compile(own, {}));
    record.own_rule = compiled.stored;
  }
  TRY(MatcherOf(record));
  TRY(SetRange(request, record));
  return record;
}

// `over`: ended ones that make room by going.
Status ReplayTable::RoomForOne(std::vector<LaneId>& over) const {
  const std::lock_guard lock(mutex_);
  const auto active = std::ranges::count_if(
      replays_, [](const auto& entry) { return !entry.second->record.ended(); });
  if (static_cast<std::size_t>(active) >= kReplaysActiveMax) {
    return Fail(ErrorCode::kConflict, std::to_string(kReplaysActiveMax) +
                                          " replays are under way, the most; wait or cancel one");
  }
  std::size_t left = replays_.size();
  for (auto it = replays_.begin(); it != replays_.end() && left >= kReplaysKeptMax; ++it) {
    const Replay& replay = *it->second;
    if (!replay.record.ended() || replay.lane != nullptr) continue;
    over.push_back(it->first);
    --left;
  }
  if (left < kReplaysKeptMax) return {};
  return Fail(ErrorCode::kConflict,
              "there are " + std::to_string(kReplaysKeptMax) +
                  " replays with dead letters, the most; redrive or delete some");
}

void ReplayTable::CreateNow(const std::string& json_text, Done<std::string> done, Finish finish) {
  const auto refuse = [&](const Error& error) {
    done(std::unexpected(error));
    finish();
  };
  auto replay = std::make_shared<Replay>();
  auto record = MakeRecord(json_text, replay->entry);
  if (!record) return refuse(record.error());
  std::vector<LaneId> over;
  if (const Status room = RoomForOne(over); !room) return refuse(room.error());
  replay->record = std::move(*record);
  replay->loop = replay->entry->loop;

  const LaneId id = engine_.next_id_++;
  LaneState state;
  state.id = id;
  Spec rule = replay->entry->spec;
  rule.lane.enabled = true;  // it is selected by; whether it sends is asked at each turn
  store::Batch batch;
  const auto put = [&](std::string key, std::string value) {
    batch.Put(Family::kOwned, std::move(key), std::move(value));
  };
  for (const LaneId gone : over) batch.Append(Forget(gone));
  put(keys::Meta(EngineImpl::kNextId), EngineImpl::IdBytes(engine_.next_id_));
  put(keys::Replay(id), EncodeReplay(replay->record));
  put(keys::Revision(id, 1), engine_.EncodeRevision(rule, replay->record.starts));
  put(keys::Lane(id), EncodeLane(state.status));
  for (log::Partition p = 0; p < replay->record.starts.size(); ++p) {
    const log::Offset start = replay->record.starts[p];
    state.ledger.cursors.push_back({.cursor = start, .start = start});
    put(keys::Cursor(id, p), EncodeCursor(state.ledger.cursors.back()));
  }
  engine_.committer_.Submit(
      {.batch = std::move(batch),
       .high = {},
       .done = [this, id, replay, over = std::move(over), state = std::move(state),
                done = std::move(done), finish = std::move(finish)](const Status& written) mutable {
         const Status made = written ? Install(id, replay, std::move(state)) : written;
         if (made) {
           {
             const std::lock_guard lock(mutex_);
             for (const LaneId gone : over) replays_.erase(gone);
             replays_[id] = replay;
           }
           LogInfo("replay_created",
                   {{"replay", ReplayId(id)}, {"destination", replay->record.name}});
           StartLane(*replay);
           done(JsonOf(id, *replay));
         } else {
           done(std::unexpected(made.error()));
         }
         finish();
       }});
}

// ---- Pause, resume, cancel ----

void ReplayTable::Pause(std::string id, Done<std::string> done) {
  SetStatus(std::move(id), LaneStatus::kPaused, std::move(done));
}

void ReplayTable::Resume(std::string id, Done<std::string> done) {
  SetStatus(std::move(id), LaneStatus::kActive, std::move(done));
}

void ReplayTable::SetStatus(std::string id, LaneStatus status, Done<std::string> done) {
  Enqueue(
      std::move(id), std::move(done),
      [this, status](LaneId lane, const ReplayPtr& replay, Done<std::string> answer,
                     Finish finish) {
        if (replay->record.state != ReplayState::kRunning) {
          answer(Ended(lane, replay->record));
          finish();
          return;
        }
        StoredLane stored{.status = status, .at_us = engine_.world_.clock->Now(), .reason = {}};
        replay->loop->loop.executor->Post([this, lane, replay, stored, answer = std::move(answer),
                                           finish = std::move(finish)]() mutable {
          replay->lane->SetStatus(
              stored, AnswerWhenWritten(lane, replay, std::move(answer), std::move(finish)));
        });
      });
}

// On the loop, once the ledger wrote; answers on the committer thread.
Ledger::Persisted ReplayTable::AnswerWhenWritten(LaneId id, ReplayPtr replay,
                                                 Done<std::string> done, Finish finish) {
  return [this, id, replay = std::move(replay), done = std::move(done),
          finish = std::move(finish)](const Status& written) mutable {
    engine_.OnCommitter([this, id, replay, written, done = std::move(done),
                         finish = std::move(finish)](const Status& go) mutable {
      const Status& status = written ? go : written;
      done(status ? Result<std::string>(JsonOf(id, *replay)) : std::unexpected(status.error()));
      finish();
    });
  };
}

void ReplayTable::Cancel(std::string id, Done<std::string> done) {
  Enqueue(std::move(id), std::move(done),
          [this](LaneId lane, const ReplayPtr& replay, Done<std::string> answer, Finish finish) {
            CancelNow(lane, replay, std::move(answer), std::move(finish));
          });
}

void ReplayTable::CancelNow(LaneId id, const ReplayPtr& replay, Done<std::string> done,
                            Finish finish) {
  if (replay->record.state != ReplayState::kRunning) {
    const bool again = replay->record.state == ReplayState::kCancelled;
    done(again ? Result<std::string>(JsonOf(id, *replay)) : Ended(id, replay->record));
    finish();
    return;
  }
  auto settings = SettingsOf(*replay, replay->entry->spec, replay->entry->revision);
  if (!settings) {
    done(std::unexpected(settings.error()));
    finish();
    return;
  }
  ReplayRecord record = replay->record;
  record.state = ReplayState::kCancelled;
  store::Batch batch;
  batch.Put(Family::kOwned, keys::Replay(id), EncodeReplay(record));
  {
    const std::lock_guard lock(mutex_);
    replay->record = std::move(record);
  }
  LogInfo("replay_cancelled", {{"replay", ReplayId(id)}, {"destination", replay->record.name}});
  replay->loop->loop.executor->Post([this, id, replay, batch = std::move(batch),
                                     fresh = std::move(settings->destination),
                                     done = std::move(done), finish = std::move(finish)]() mutable {
    replay->lane->CancelReplay(std::move(fresh), std::move(batch),
                               AnswerWhenWritten(id, replay, std::move(done), std::move(finish)));
  });
}

// ---- The end ----

void ReplayTable::OnFinished(LaneId id, bool left) {
  engine_.Enqueue([this, id, left](const Status& go, Finish finish) mutable {
    const ReplayPtr replay = go ? Find(id) : nullptr;
    if (replay == nullptr || replay->lane == nullptr) {
      finish();
      return;
    }
    FinishNow(id, replay, left, std::move(finish));
  });
}

// `left`: dead letters were, and may be on their way again by now. Their lane stays.
void ReplayTable::FinishNow(LaneId id, const ReplayPtr& replay, bool left, Finish finish) {
  ReplayRecord record = replay->record;
  if (record.state == ReplayState::kRunning) record.state = ReplayState::kDone;
  const bool first = !record.ended();
  if (first) record.finished_at_us = engine_.world_.clock->Now();
  record.counts = ProgressOf(*replay).counts;
  store::Batch batch;
  batch.Put(Family::kOwned, keys::Replay(id), EncodeReplay(record));
  engine_.committer_.Submit({.batch = std::move(batch),
                             .high = {},
                             .done = [this, id, replay, left, first, record = std::move(record),
                                      finish = std::move(finish)](const Status& written) mutable {
                               if (written) {
                                 if (first) LogEnd(id, record);
                                 const std::lock_guard lock(mutex_);
                                 replay->record = std::move(record);
                                 if (!left) Release(*replay);
                               }
                               finish();
                             }});
}

void ReplayTable::Delete(std::string id, Done<void> done) {
  Enqueue(
      std::move(id),
      [done = std::move(done)](Result<std::string> result) mutable {
        done(result ? Result<void>() : std::unexpected(std::move(result).error()));
      },
      [this](LaneId lane, const ReplayPtr& replay, Done<std::string> answer, Finish finish) {
        DeleteNow(lane, replay, std::move(answer), std::move(finish));
      });
}

void ReplayTable::DeleteNow(LaneId id, const ReplayPtr& replay, Done<std::string> done,
                            Finish finish) {
  if (!replay->record.ended()) {
    done(Fail(ErrorCode::kConflict, "id", ReplayId(id) + " has not ended; cancel it first"));
    finish();
    return;
  }
  auto gone = [this, id, replay, done = std::move(done),
               finish = std::move(finish)](const Status& written) mutable {
    if (written) {
      const std::lock_guard lock(mutex_);
      Release(*replay);
      replays_.erase(id);
    }
    done(written ? Result<std::string>("") : std::unexpected(written.error()));
    finish();
  };
  if (replay->lane == nullptr) {
    engine_.committer_.Submit({.batch = Forget(id), .high = {}, .done = std::move(gone)});
    return;
  }
  store::Batch batch;  // the lane leaves a tombstone, as every lane does
  batch.Delete(Family::kOwned, keys::Replay(id));
  replay->loop->loop.executor->Post([this, id, replay, batch = std::move(batch),
                                     gone = std::move(gone)]() mutable {
    std::erase(replay->loop->lanes, replay->lane);
    replay->lane->Retire(std::move(batch), [this, id,
                                            gone = std::move(gone)](const Status& written) mutable {
      engine_.OnCommitter([this, id, written, gone = std::move(gone)](const Status& go) mutable {
        gone(written ? go : written);
        // What a crash leaves of it, the next start forgets.
        if (!written || !go) return;
        engine_.committer_.Submit({.batch = Forget(id), .high = {}, .done = [](const Status&) {}});
      });
    });
  });
}

}  // namespace tributary::deliver
