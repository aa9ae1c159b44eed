#include "sim/conservation_world.h"

#include <algorithm>

#include "base/hash.h"
#include "support/durations.h"

namespace tributary::deliver::conserve {
namespace {}  // namespace

World::World(std::uint64_t seed, const Plant& plant)
    : chance_(seed),
      w_(seed, 1 + seed % 3, test::CommitMode::kManual),
      retention_(chance_, w_.log),
      faults_(chance_, w_),
      receivers_(chance_, w_.receivers, [this](const std::string& name) {
        std::size_t newest = 0;
        for (std::size_t i = 0; i < history_.made.size(); ++i) {
          if (history_.made[i].name == name) newest = i;
        }
        return newest;
      }) {
  if (plant) planted_ = plant(w_.store);
  history_.events.resize(w_.log.partitions());
  if (chance_.Percent(15)) w_.options.waiting_rows_max = 8 + chance_.Pick(10);
  history_.dead_letters_limited = chance_.Percent(15);
  if (history_.dead_letters_limited) {
    w_.options.dead_letter_age_us = 2 * kMicrosPerSecond;
    w_.options.dead_letter_bytes_max = 400;
  }
  w_.programs.answer = [this](const std::string& text,
                              const std::string& event) -> Result<std::string> {
    if (chance_.Percent(busy_percent_)) return Fail(ErrorCode::kUnavailable, "too many wait");
    return RunProgram(text, event);
  };
  w_.OpenOn(planted_ ? *planted_ : w_.store);
}

std::vector<std::string> World::Run() {
  for (std::uint64_t n = 2 + chance_.Pick(3); n > 0; --n) MakeDestination();
  for (std::uint64_t rounds = 5 + chance_.Pick(6); rounds > 0 && !Failed(); --rounds) Round();
  if (!Failed()) Heal();
  if (!Failed()) problems_ = Oracle(history_, receivers_, retention_, w_).Check();
  return problems_;
}

// ---- What happens ----

void World::Round() {
  AppendEvents(chance_.Pick(25));
  if (chance_.Percent(80)) Commit();
  for (std::uint64_t n = chance_.Pick(4); n > 0 && !Failed(); --n) Act();
  if (chance_.Percent(70)) Commit();
  w_.verdicts.sync_takes = static_cast<MonoNanos>(1 + chance_.Pick(50)) * kMs;
  const Fault fault = faults_.Begin(!retention_.on());
  if (fault == Fault::kLogFull || fault == Fault::kLogSync) AppendEvents(2);
  Retain();
  w_.sim.RunFor(static_cast<MonoNanos>(chance_.Pick(300)) * kMs);
  Retain();
  if (faults_.NeedsRestart() || chance_.Percent(30)) return Crash();
  faults_.End();
}

void World::Act() {
  switch (chance_.Pick(16)) {
    case 0:
      return MakeDestination();
    case 1:
    case 2:
      return ChangeRule();
    case 3:
    case 4:
      return ChangeOther();
    case 5:
      return PauseOrResume();
    case 6:
      return DeleteDestination();
    case 7:
    case 8:
      return MakeReplay();
    case 9:
      return SteerReplay();
    case 10:
    case 11:
      return MoveDeadLetters();
    case 12:
      return w_.sim.JumpWallClock(static_cast<std::int64_t>(chance_.Pick(3)) * kMicrosPerSecond);
    case 13:
      for (const std::string& problem : Oracle::Audited(w_)) Say(problem);
      return;
    default:
      receivers_.ChangeSome();
  }
}

void World::AppendEvents(std::uint64_t count) {
  for (; count > 0; --count) AppendEvent();
}

void World::AppendEvent() {
  Event event = MakeEvent(chance_, ++serial_);
  // A key's records are in one partition, as its slot says.
  const auto p = static_cast<log::Partition>(Hash64(event.key) % w_.log.partitions());
  if (retention_.Full(p)) return;
  event.received_us = w_.sim.Now();
  const std::string id = "m" + std::to_string(event.serial);
  auto batch = std::make_unique<log::Batch>();
  EXPECT_TRUE(batch->Add({.received_at_us = event.received_us,
                          .source = 1,
                          .type = log::EventType::kTrack,
                          .key = event.key,
                          .name = event.name,
                          .message_id = id},
                         event.payload));
  const Position at{p, w_.log.assigned(p)};
  if (!w_.log.Append(p, batch, [](const auto&) {})) return;  // refused: nobody is owed anything
  w_.verdicts.Decide(w_.log);
  history_.PadTo(p, at.offset);
  if (event.duplicate) w_.verdicts.duplicates.insert({at.partition, at.offset});
  history_.by_serial[event.serial] = at;
  history_.events[p].push_back(std::move(event));
}

void World::Commit() {
  w_.log.Commit();
  w_.verdicts.Decide(w_.log);
}

void World::Retain() {
  retention_.Step(w_.sim.Now(), [this](log::Partition p, log::Offset offset) {
    return offset < history_.events[p].size() ? history_.events[p][offset].received_us : 0;
  });
}

// The power goes: what was not durable is gone, as the seed says; then it starts again.
void World::Crash() {
  w_.log.FailPending(Error(ErrorCode::kIo, "power"));
  const MonoNanos now = w_.sim.Monotonic();
  history_.CutTo(w_.log, {.at = now,
                          .durable_until = faults_.nothing_durable_since().value_or(now),
                          .requests = receivers_.requests().size()});
  std::erase_if(w_.verdicts.duplicates,
                [&](const auto& at) { return at.second >= w_.log.committed(at.first); });
  faults_.End();
  w_.Crash(chance_.Seed());
  w_.OpenOn(planted_ ? *planted_ : w_.store);
}

std::vector<log::Offset> World::Assigned() const {
  std::vector<log::Offset> out;
  for (log::Partition p = 0; p < w_.log.partitions(); ++p) out.push_back(w_.log.assigned(p));
  return out;
}

std::vector<std::size_t> World::Alive() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < history_.made.size(); ++i) {
    if (history_.made[i].alive) out.push_back(i);
  }
  return out;
}

Made* World::AnyAlive() {
  const auto alive = Alive();
  return alive.empty() ? nullptr : &history_.made[alive[chance_.Pick(alive.size())]];
}

// ---- The end ----

bool World::ComesToRest() {
  const auto quiet = [&] {
    for (const std::size_t i : Alive()) {
      const LaneStats stats = w_.Stats(history_.made[i].name);
      if (stats.lag + stats.retrying + stats.followers + stats.in_flight > 0) return false;
    }
    return std::ranges::all_of(history_.replays, [&](const MadeReplay& replay) {
      if (replay.deleted) return true;
      const auto shown = w_.ShowReplay(replay.id);
      return !shown["finished_at"].is_null() && shown["retrying"] == 0 && shown["in_flight"] == 0;
    });
  };
  // What gathers, or waits for its composition to be durable, is seen a moment later; and rest is
  // when all of it is in the store.
  for (int looks = 0; looks < 100; ++looks) {
    if (!w_.sim.RunUntil(quiet, 600 * kS)) break;
    w_.sim.RunFor(kS);
    if (quiet()) return true;
  }
  Say("it does not come to rest");
  return false;
}

// Every receiver is well, nothing is paused or switched off, and there are no more faults.
void World::Heal() {
  busy_percent_ = 0;
  Commit();
  receivers_.Heal();
  for (const std::size_t i : Alive()) {
    Made& made = history_.made[i];
    const auto resumed =
        w_.Answered<std::string>([&](auto done) { w_.engine->Resume(made.name, std::move(done)); });
    if (!resumed) Say("not resumed: " + resumed.error().ToString());
    if (made.rules.back().enabled) continue;
    Rule rule = made.rules.back();
    rule.enabled = true;
    rule.from = Assigned();
    made.rules.push_back(rule);
    if (!w_.Patch(made.name, {{"enabled", true}})) Say("not enabled");
  }
  for (const MadeReplay& replay : history_.replays) {
    if (replay.deleted) continue;
    IgnoreError(w_.Answered<std::string>(
                    [&](auto done) { w_.engine->replays().Resume(replay.id, std::move(done)); }),
                "it may have ended");
  }
  if (!ComesToRest() || !chance_.Percent(50)) return;
  receivers_.Mend();
  RedriveAll();
}

std::uint64_t World::Trace() {
  std::string text;
  for (const Seen& s : w_.receivers.seen) {
    text += s.destination + " " + s.webhook_id + " " + s.replay + " " + std::to_string(s.attempt) +
            " " + std::to_string(s.when) + "\n";
  }
  for (const std::size_t i : Alive()) text += w_.Stats(history_.made[i].name).ToJson() + "\n";
  return Hash64(text + w_.store.Dump());  // rows, attempts and dead letters too
}

}  // namespace tributary::deliver::conserve
