// Changes of destinations. Order of every one: checked, in force on the lane's loop, durable,
// answered; so an event accepted after the answer is treated by the new state, also after a crash.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/logging.h"
#include "config/json_text.h"
#include "deliver/engine_impl.h"
#include "deliver/engine_replay.h"

namespace tributary::deliver {

using nlohmann::json;
using store::Family;
namespace keys = store::keys;

namespace {

std::unexpected<Error> ShuttingDown() {
  return Fail(ErrorCode::kUnavailable, "delivery is shutting down");
}

// Drops what only a Replace tells.
Engine::Done<Engine::Replaced> OnlyJson(Engine::Done<std::string> done) {
  return [done = std::move(done)](Result<Engine::Replaced> result) mutable {
    if (result) {
      done(std::move(result->json));
    } else {
      done(std::unexpected(std::move(result).error()));
    }
  };
}

}  // namespace

std::string EngineImpl::IdBytes(std::uint32_t id) {
  return {static_cast<char>(id), static_cast<char>(id >> 8), static_cast<char>(id >> 16),
          static_cast<char>(id >> 24)};
}

// ---- One at a time ----

void EngineImpl::Enqueue(Change change) {
  std::unique_lock lock(mutex_);
  if (closing_) {
    lock.unlock();
    return change(ShuttingDown(), [] {});
  }
  changes_.push_back(std::move(change));
  if (std::exchange(changing_, true)) return;
  lock.unlock();
  RunNext();
}

void EngineImpl::RunNext() {
  Change change;
  {
    const std::lock_guard lock(mutex_);
    if (changes_.empty()) {
      changing_ = false;
      return;
    }
    change = std::move(changes_.front());
    changes_.pop_front();
  }
  OnCommitter([this, change = std::move(change)](const Status& go) mutable {
    change(go, [this] { RunNext(); });
  });
}

// Runs the task on the committer thread, or at once with kUnavailable when that is closed.
void EngineImpl::OnCommitter(std::move_only_function<void(const Status&)> task) {
  auto shared = std::make_shared<decltype(task)>(std::move(task));
  if (!committer_.Post([shared] { (*shared)({}); })) (*shared)(ShuttingDown());
}

namespace {

// A change that left lost secrets as they are would make the destination send without them.
Status CheckLost(const Entry& entry, const std::string& json_text, bool replace) {
  if (entry.lost.empty() || EntersAgain(entry.lost, json_text, replace)) return {};
  return Fail(ErrorCode::kConflict, PlacesOf({entry.lost.front()}),
              "enter again what was sealed under a key file that is gone: " + PlacesOf(entry.lost));
}

}  // namespace

// ---- Create ----

void EngineImpl::Create(std::string json_text, Done<std::string> done, std::string who) {
  Enqueue([this, json_text = std::move(json_text), who = std::move(who),
           done = OnlyJson(std::move(done))](const Status& go, Finish finish) mutable {
    if (!go) {
      done(std::unexpected(go.error()));
      finish();
      return;
    }
    CreateNow(json_text, who, std::move(done), std::move(finish));
  });
}

Result<std::vector<log::Offset>> EngineImpl::StartOffsets(const std::string& start) const {
  std::vector<log::Offset> offsets;
  for (log::Partition p = 0; p < world_.log->partitions(); ++p) {
    if (start == "now") {
      offsets.push_back(world_.log->assigned(p));
    } else if (start == "earliest") {
      offsets.push_back(world_.log->first(p));
    } else {
      TRY_ASSIGN(const log::Offset at,
                 world_.log->OffsetAtTime(p, ParseIso8601(start).value_or(0)));
      offsets.push_back(at);
    }
  }
  return offsets;
}

std::string EngineImpl::EncodeDestination(const Entry& entry, const Spec& spec,
                                          std::uint32_t revision) const {
  json stored = {{"revision", revision}, {"declared", entry.declared}};
  vault_.Put(spec, entry.id, stored);
  return (stored.contains("sealed") ? kSealedDestinationVersion : kDestinationVersion) +
         stored.dump();
}

std::string EngineImpl::EncodeRevision(const Spec& spec,
                                       const std::vector<log::Offset>& from) const {
  return kRevisionVersion + json{{"from", from},
                                 {"rule", spec.rule.stored},
                                 {"enabled", spec.lane.enabled},
                                 {"at_us", world_.clock->Now()}}
                                .dump();
}

Result<EngineImpl::Birth> EngineImpl::MakeBirth(Spec spec, bool declared, const std::string& who) {
  TRY_ASSIGN(const std::vector<log::Offset> from, StartOffsets(spec.lane.start));
  TRY_ASSIGN(auto matcher, MatcherOf(spec));
  Birth birth;
  birth.entry = std::make_shared<Entry>();
  Entry& entry = *birth.entry;
  entry.id = next_id_;
  entry.declared = entry.listed = declared;
  entry.spec = std::move(spec);
  birth.state.id = entry.id;
  birth.state.name = entry.spec.lane.name;
  birth.state.rules.Add({.revision = 1, .from = from, .matcher = std::move(matcher)});
  const auto put = [&](std::string key, std::string value) {
    birth.batch.Put(Family::kOwned, std::move(key), std::move(value));
  };
  put(keys::Meta(kNextId), IdBytes(next_id_ + 1));
  put(keys::Destination(entry.id), EncodeDestination(entry, entry.spec, 1));
  put(keys::DestinationName(birth.state.name), IdBytes(entry.id));
  put(keys::Revision(entry.id, 1), EncodeRevision(entry.spec, from));
  put(keys::Lane(entry.id), EncodeLane(birth.state.status));
  revision_table_.Put(birth.batch, entry.id, 1, nullptr, entry.spec, who);
  for (log::Partition p = 0; p < from.size(); ++p) {
    birth.state.ledger.cursors.push_back({.cursor = from[p], .start = from[p]});
    put(keys::Cursor(entry.id, p), EncodeCursor(birth.state.ledger.cursors.back()));
  }
  ++next_id_;
  return birth;
}

Status EngineImpl::RoomFor(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  if (by_name_.contains(name)) {
    return Fail(ErrorCode::kConflict, "name",
                "there is a destination named \"" + name + "\" already");
  }
  if (by_name_.size() >= options_.destinations_max) {
    return Fail(ErrorCode::kExhausted, "there are " + std::to_string(options_.destinations_max) +
                                           " destinations already, the most");
  }
  return {};
}

void EngineImpl::CreateNow(const std::string& json_text, const std::string& who, Answer done,
                           Finish finish) {
  const auto refuse = [&](Error error) {
    done(std::unexpected(std::move(error)));
    finish();
  };
  auto spec = reader_.Create(json_text);
  if (!spec) return refuse(spec.error());
  if (const Status room = RoomFor(spec->lane.name); !room) return refuse(room.error());
  MakeNow(std::move(*spec), false, who, std::move(done), std::move(finish));
}

void EngineImpl::MakeNow(Spec spec, bool declared, const std::string& who, Answer done,
                         Finish finish) {
  auto birth = MakeBirth(std::move(spec), declared, who);
  if (!birth) {
    done(std::unexpected(birth.error()));
    finish();
    return;
  }
  committer_.Submit(
      {.batch = std::move(birth->batch),
       .high = {},
       .done = [this, entry = birth->entry, state = std::move(birth->state), done = std::move(done),
                finish = std::move(finish)](const Status& status) mutable {
         if (status) {
           Install(entry, std::move(state));
           LogInfo("destination_created",
                   {{"destination", entry->spec.lane.name}, {"type", entry->spec.lane.type}});
           done(Replaced{.json = JsonOf(*entry), .created = true});
         } else {
           done(std::unexpected(status.error()));
         }
         finish();
       }});
}

void EngineImpl::Install(const EntryPtr& entry, LaneState state) {
  entry->loop = NextLoop();
  auto settings = SettingsOf(entry->spec, entry->revision, entry->loop);
  CHECK(settings.has_value());
  entry->lane =
      std::make_shared<Lane>(LaneWorldOf(*entry->loop), std::move(state), std::move(*settings));
  AddGauges(*entry);
  world_.log->AddHolder(entry->lane);
  const std::lock_guard lock(mutex_);
  by_name_[entry->spec.lane.name] = entry;
  if (!started_) return;
  entry->loop->loop.executor->Post([loop = entry->loop, lane = entry->lane] {
    loop->lanes.push_back(lane);
    lane->Start();
  });
}

// ---- Replace and patch ----

namespace {

// The text of a new destination that is named by its path. The name is put into the text, so that
// the reader judges every other byte as it was given: numbers, repeated names, depth.
Result<std::string> WithName(const std::string& name, std::string json_text) {
  const json object = json::parse(json_text, nullptr, false);
  if (!object.is_object()) return json_text;  // the reader says where it is broken
  if (const auto given = object.find("name"); given != object.end()) {
    if (given->is_string() && given->get_ref<const std::string&>() == name) return json_text;
    return Fail(ErrorCode::kInvalid, "name", "name must be the one in the path");
  }
  const std::string member =
      "\"name\":" + config::DumpText(json(name)) + (object.empty() ? "" : ",");
  json_text.insert(json_text.find('{') + 1, member);
  return json_text;
}

}  // namespace

void EngineImpl::Replace(std::string name, std::string json_text, bool create, Done<Replaced> done,
                         std::string who) {
  Enqueue([this, name = std::move(name), json_text = std::move(json_text), create,
           who = std::move(who), done = std::move(done)](const Status& go, Finish finish) mutable {
    if (!go) {
      done(std::unexpected(go.error()));
      finish();
      return;
    }
    if (create && Find(name) == nullptr) {
      auto named = WithName(name, std::move(json_text));
      if (!named) {
        done(std::unexpected(named.error()));
        finish();
        return;
      }
      json_text = *std::move(named);
      CreateNow(json_text, who, std::move(done), std::move(finish));
      return;
    }
    ChangeNow(
        name,
        [this, json_text](const Entry& old) -> Result<Spec> {
          TRY(CheckLost(old, json_text, true));
          return reader_.Replace(old.spec, json_text);
        },
        std::move(who), std::move(done), std::move(finish));
  });
}

void EngineImpl::Patch(std::string name, std::string json_text, Done<std::string> done,
                       std::string who) {
  Enqueue([this, name = std::move(name), json_text = std::move(json_text), who = std::move(who),
           done = OnlyJson(std::move(done))](const Status& go, Finish finish) mutable {
    if (!go) {
      done(std::unexpected(go.error()));
      finish();
      return;
    }
    ChangeNow(
        name,
        [this, json_text](const Entry& old) -> Result<Spec> {
          TRY(CheckLost(old, json_text, false));
          return reader_.Patch(old.spec, json_text);
        },
        std::move(who), std::move(done), std::move(finish));
  });
}

void EngineImpl::ChangeNow(const std::string& name, MakeSpec make, std::string who, Answer done,
                           Finish finish) {
  auto entry = FindForChange(name);
  Result<Spec> spec = entry ? make(**entry) : std::unexpected(entry.error());
  if (!spec) {
    done(std::unexpected(spec.error()));
    finish();
    return;
  }
  ApplyOnLoop(*entry, std::move(*spec), std::move(who), std::move(done), std::move(finish));
}

void EngineImpl::ApplyOnLoop(const EntryPtr& entry, Spec spec, std::string who, Answer done,
                             Finish finish) {
  const std::uint32_t revision = entry->revision + 1;
  const bool same_rule = SameRule(spec, entry->spec);
  auto matcher = MatcherOf(spec);
  auto settings = SettingsOf(spec, revision, entry->loop);
  CHECK(matcher.has_value() && settings.has_value());
  std::optional<Lane::NewRule> rule;
  if (!same_rule) rule = Lane::NewRule{std::move(*matcher)};
  auto changes = [this, entry, spec, before = entry->spec, who = std::move(who), revision,
                  same_rule](const std::vector<log::Offset>& from) {
    store::Batch batch;
    revision_table_.Put(batch, entry->id, revision, &before, spec, who);
    batch.Put(Family::kOwned, keys::Destination(entry->id),
              EncodeDestination(*entry, spec, revision));
    if (!same_rule) {
      batch.Put(Family::kOwned, keys::Revision(entry->id, revision), EncodeRevision(spec, from));
    }
    return batch;
  };
  os::Executor* loop = entry->loop->loop.executor;
  loop->Post([this, entry, rule = std::move(rule), settings = std::move(*settings),
              changes = std::move(changes), spec,
              replays = replay_table_->PrepareChange(entry->id, spec, revision),
              done = std::move(done), finish = std::move(finish)]() mutable {
    Lane& lane = *entry->lane;
    bool taken = false;  // only then is it asked what to write
    auto asked = [&taken, &changes](const std::vector<log::Offset>& from) {
      taken = true;
      return changes(from);
    };
    lane.Change(std::move(rule), std::move(settings), std::move(asked),
                [this, entry, spec = std::move(spec), done = std::move(done),
                 finish = std::move(finish)](const Status& status) mutable {
                  Changed(entry, std::move(spec), status, std::move(done), std::move(finish));
                });
    if (taken) replays();
  });
}

void EngineImpl::Changed(const EntryPtr& entry, Spec spec, const Status& status, Answer done,
                         Finish finish) {
  OnCommitter([this, entry, spec = std::move(spec), status, done = std::move(done),
               finish = std::move(finish)](const Status& go) mutable {
    if (!status || !go) {
      done(std::unexpected(status ? go.error() : status.error()));
      return finish();
    }
    const bool entered_again = !entry->lost.empty();
    {
      const std::lock_guard lock(mutex_);
      entry->spec = std::move(spec);
      entry->lost.clear();
      ++entry->revision;
    }
    // What only its secrets had stopped is what it was, which is what is stored; somebody may have
    // paused it meanwhile.
    if (entered_again && entry->lane->status().status == LaneStatus::kDisabled) {
      const auto stored = world_.store->Get(Family::kOwned, keys::Lane(entry->id));
      const auto was = stored && *stored ? DecodeLane(**stored) : Result<StoredLane>(StoredLane{});
      auto answer = [done = std::move(done)](Result<std::string> shown) mutable {
        if (!shown) return done(std::unexpected(shown.error()));
        done(Replaced{.json = *std::move(shown), .created = false});
      };
      return PutStatus(entry, was.value_or(StoredLane{}), std::move(answer), std::move(finish));
    }
    done(Replaced{.json = JsonOf(*entry), .created = false});
    finish();
  });
}

// ---- Pause, resume, delete ----

void EngineImpl::Pause(std::string name, Done<std::string> done) {
  SetStatus(std::move(name), LaneStatus::kPaused, "paused by the control API", std::move(done));
}

void EngineImpl::Resume(std::string name, Done<std::string> done) {
  SetStatus(std::move(name), LaneStatus::kActive, "", std::move(done));
}

void EngineImpl::SetStatus(std::string name, LaneStatus status, std::string reason,
                           Done<std::string> done) {
  Enqueue([this, name = std::move(name), status, reason = std::move(reason),
           done = std::move(done)](const Status& go, Finish finish) mutable {
    const EntryPtr entry = go ? Find(name) : nullptr;
    if (entry != nullptr && status == LaneStatus::kActive && !entry->lost.empty()) {
      done(Fail(ErrorCode::kConflict, "name", entry->lane->status().reason));
      finish();
      return;
    }
    if (entry == nullptr) {
      done(go ? Get(name) : std::unexpected(go.error()));
      finish();
      return;
    }
    PutStatus(entry, {.status = status, .at_us = world_.clock->Now(), .reason = std::move(reason)},
              std::move(done), std::move(finish));
  });
}

void EngineImpl::PutStatus(const EntryPtr& entry, StoredLane stored, Done<std::string> done,
                           Finish finish) {
  entry->loop->loop.executor->Post([this, entry, stored = std::move(stored), done = std::move(done),
                                    finish = std::move(finish)]() mutable {
    entry->lane->SetStatus(std::move(stored),
                           [this, entry, done = std::move(done),
                            finish = std::move(finish)](const Status& written) mutable {
                             StatusChanged(entry, written, std::move(done), std::move(finish));
                           });
  });
}

void EngineImpl::StatusChanged(const EntryPtr& entry, const Status& written, Done<std::string> done,
                               Finish finish) {
  OnCommitter([this, entry, written, done = std::move(done),
               finish = std::move(finish)](const Status& go) mutable {
    if (!written || !go) {
      done(std::unexpected(written ? go.error() : written.error()));
    } else {
      done(JsonOf(*entry));
    }
    finish();
  });
}

void EngineImpl::Delete(std::string name, Done<void> done) {
  Enqueue([this, name = std::move(name), done = std::move(done)](const Status& go,
                                                                 Finish finish) mutable {
    if (!go) {
      done(std::unexpected(go.error()));
      finish();
      return;
    }
    DeleteNow(name, std::move(done), std::move(finish));
  });
}

void EngineImpl::DeleteNow(const std::string& name, Done<void> done, Finish finish) {
  auto found = FindForChange(name);
  if (!found) {
    done(std::unexpected(found.error()));
    finish();
    return;
  }
  const EntryPtr entry = *found;
  store::Batch batch;
  batch.Delete(Family::kOwned, keys::Destination(entry->id));
  batch.Delete(Family::kOwned, keys::DestinationName(name));
  const std::string history = keys::HistoryOf(entry->id);
  batch.DeleteRange(Family::kOwned, history, store::PrefixEnd(history));
  entry->loop->loop.executor->Post([this, entry, batch = std::move(batch), done = std::move(done),
                                    replays = replay_table_->PrepareDelete(entry->id),
                                    finish = std::move(finish)]() mutable {
    std::erase(entry->loop->lanes, entry->lane);
    entry->lane->Retire(
        std::move(batch), [this, entry, replays = std::move(replays), done = std::move(done),
                           finish = std::move(finish)](const Status& s) mutable {
          // Not before, or a power cut might leave the destination without what its replays
          // dropped.
          if (s) replays();
          OnCommitter([this, entry, status = s,
                       lane = std::make_shared<const DeletedLane>(*entry->lane),
                       done = std::move(done), finish = std::move(finish)](const Status&) mutable {
            if (status) Deleted(entry, std::move(lane));
            done(status);
            finish();
          });
        });
  });
}

void EngineImpl::Deleted(const EntryPtr& entry, std::shared_ptr<const DeletedLane> lane) {
  LogInfo("destination_deleted", {{"destination", entry->spec.lane.name}});
  store::Batch over = deleted_lanes_.Add(std::move(lane));
  Uninstall(entry);
  if (over.empty()) return;
  committer_.Submit({.batch = std::move(over), .high = {}, .done = [](const Status&) {}});
}

void EngineImpl::Uninstall(const EntryPtr& entry) {
  if (world_.metrics != nullptr) {
    for (const std::uint64_t gauge : entry->gauges) world_.metrics->RemoveGauge(gauge);
  }
  world_.log->RemoveHolder(entry->lane.get());
  const std::lock_guard lock(mutex_);
  by_name_.erase(entry->spec.lane.name);
}

}  // namespace tributary::deliver
