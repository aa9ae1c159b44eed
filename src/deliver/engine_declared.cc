#include "deliver/engine_declared.h"

#include <nlohmann/json.hpp>

#include "base/logging.h"
#include "deliver/engine_impl.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

std::string EntryName(std::size_t i) {
  return "destinations[" + std::to_string(i) + "]";
}

std::string NameOf(const std::string& text) {
  const json object = json::parse(text, nullptr, false);
  const bool named = object.is_object() && object.contains("name") && object["name"].is_string();
  return named ? object["name"].get<std::string>() : std::string();
}

}  // namespace

Error OfDeclared(std::size_t i, const Error& error) {
  const std::string& field = error.field();
  return {error.code(), EntryName(i) + (field.empty() ? "" : "." + field),
          EntryName(i) + ": " + error.message()};
}

// Its pairs are records of that kind; with another one its counts would mean nothing.
Status EngineDeclared::CheckKind(const std::string& text, std::size_t i) const {
  const auto entry = engine_.Find(NameOf(text));
  if (entry == nullptr) return {};
  const json object = json::parse(text, nullptr, false);
  const auto kind = object.find("kind");
  const bool system = kind != object.end() && *kind == "system";
  if (system == (entry->spec.kind() == log::Kind::kSystem)) return {};
  return Fail(
      OfDeclared(i, {ErrorCode::kInvalid, "kind", "kind cannot be changed; choose another name"}));
}

Status EngineDeclared::CheckName(const std::string& name, std::size_t i) const {
  const auto entry = engine_.Find(name);
  if (entry == nullptr || entry->declared) return {};
  return Fail(ErrorCode::kConflict, EntryName(i) + ".name",
              "destination \"" + name + "\" is declared in the configuration and was also made " +
                  "otherwise; delete or rename one of them");
}

Status EngineDeclared::Check(const std::vector<std::string>& declared) const {
  std::set<std::string> names;
  std::size_t added = 0;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const std::string name = NameOf(declared[i]);
    TRY(CheckName(name, i));
    TRY(CheckKind(declared[i], i));
    if (!names.insert(name).second) {
      return Fail(ErrorCode::kConflict, EntryName(i) + ".name",
                  EntryName(i) + ".name is the name of an earlier destination");
    }
    if (engine_.Find(name) == nullptr) ++added;
  }
  const std::lock_guard lock(engine_.mutex_);
  if (engine_.by_name_.size() + added <= engine_.options_.destinations_max) return {};
  return Fail(ErrorCode::kExhausted, "there would be more than " +
                                         std::to_string(engine_.options_.destinations_max) +
                                         " destinations, the most");
}

void EngineDeclared::Apply(std::vector<std::string> declared,
                           std::move_only_function<void(const Status&)> done) {
  engine_.Enqueue([this, declared = std::move(declared), done = std::move(done)](
                      const Status& go, Finish finish) mutable {
    auto plan = go ? MakePlan(declared) : std::unexpected(go.error());
    auto run = std::make_shared<Run>();
    run->done = std::move(done);
    run->finish = std::move(finish);
    if (plan) {
      run->plan = std::move(*plan);
    } else {
      run->status = Fail(plan.error());
    }
    Next(run);
  });
}

// The next step when there is one and none has failed; else the answer.
void EngineDeclared::Next(const std::shared_ptr<Run>& run) {
  std::deque<Step>& steps = run->plan.checks.empty() ? run->plan.changes : run->plan.checks;
  if (!run->status || steps.empty()) {
    if (run->status) {
      const std::lock_guard lock(engine_.mutex_);
      for (const auto& [entry, listed] : run->plan.listed) entry->listed = listed;
    }
    run->done(run->status);
    run->finish();
    return;
  }
  Step step = std::move(steps.front());
  steps.pop_front();
  step(
      [run](const Status& status) {
        if (!status) run->status = status;
      },
      [this, run] { Next(run); });
}

Result<EngineDeclared::Plan> EngineDeclared::MakePlan(const std::vector<std::string>& declared) {
  TRY(Check(declared));
  std::vector<Spec> specs;
  std::set<std::string> names;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    auto spec = engine_.reader_.Create(declared[i]);
    if (!spec) return Fail(OfDeclared(i, spec.error()));
    // What the log cannot say of a beginning, it would not be able to say in the middle either.
    const auto start = engine_.StartOffsets(spec->lane.start);
    if (!start) return Fail(OfDeclared(i, start.error()));
    names.insert(spec->lane.name);
    specs.push_back(std::move(*spec));
  }
  Plan plan;
  for (Spec& spec : specs) PlanOne(std::move(spec), plan);
  PlanUnlisted(names, plan);
  return plan;
}

EngineDeclared::Step EngineDeclared::RoomForRule(std::shared_ptr<Entry> entry) {
  return [this, entry = std::move(entry)](auto went, Finish finish) mutable {
    entry->loop->loop.executor->Post(
        [this, entry, went = std::move(went), finish = std::move(finish)]() mutable {
          const Status room = entry->lane->CheckRoomForRule();
          engine_.OnCommitter(
              [room, went = std::move(went), finish = std::move(finish)](const Status& go) mutable {
                went(go ? room : go);
                finish();
              });
        });
  };
}

void EngineDeclared::PlanOne(Spec spec, Plan& plan) {
  const auto entry = engine_.Find(spec.lane.name);
  if (entry == nullptr) {
    plan.changes.push_back([this, spec = std::move(spec)](auto went, Finish finish) mutable {
      engine_.MakeNow(
          std::move(spec), true, "configuration",
          [went = std::move(went)](Result<Engine::Replaced> made) mutable {
            went(made ? Status() : Status(Fail(made.error())));
          },
          std::move(finish));
    });
    return;
  }
  const StoredLane status = entry->lane->status();
  const bool returns = status.status == LaneStatus::kPaused && status.reason == kUnlistedReason;
  plan.listed.emplace_back(entry, true);
  // `start` is only of the beginning, so that a change of it is none.
  spec.lane.start = entry->spec.lane.start;
  if (!SameRule(spec, entry->spec)) plan.checks.push_back(RoomForRule(entry));
  if (engine_.reader_.Write(spec, false) != engine_.reader_.Write(entry->spec, false)) {
    plan.changes.push_back([this, entry, spec = std::move(spec)](auto went, Finish finish) mutable {
      engine_.ApplyOnLoop(
          entry, std::move(spec), "configuration",
          [went = std::move(went)](Result<Engine::Replaced> changed) mutable {
            went(changed ? Status() : Status(Fail(changed.error())));
          },
          std::move(finish));
    });
  }
  if (!returns) return;
  plan.changes.push_back([this, entry](auto went, Finish finish) mutable {
    engine_.PutStatus(
        entry, {.at_us = engine_.world_.clock->Now()},
        [went = std::move(went)](Result<std::string> put) mutable {
          went(put ? Status() : Status(Fail(put.error())));
        },
        std::move(finish));
  });
}

void EngineDeclared::PlanUnlisted(const std::set<std::string>& listed, Plan& plan) {
  const std::lock_guard lock(engine_.mutex_);
  for (const auto& [name, entry] : engine_.by_name_) {
    if (!entry->declared || listed.contains(name)) continue;
    plan.listed.emplace_back(entry, false);
    if (entry->lane->status().status != LaneStatus::kActive) continue;
    plan.changes.push_back([this, entry](auto went, Finish finish) mutable {
      LogWarn("destination_unlisted", {{"destination", entry->spec.lane.name}});
      StoredLane status{.status = LaneStatus::kPaused,
                        .at_us = engine_.world_.clock->Now(),
                        .reason = std::string(kUnlistedReason)};
      engine_.PutStatus(
          entry, std::move(status),
          [went = std::move(went)](Result<std::string> put) mutable {
            went(put ? Status() : Status(Fail(put.error())));
          },
          std::move(finish));
    });
  }
}

}  // namespace tributary::deliver
