// What people do to the engine of a World: each change is either answered, or the power goes before
// it is, and then it counts wholly or not at all.
#include "sim/conservation_world.h"
#include "support/durations.h"

namespace tributary::deliver::conserve {
namespace {

using nlohmann::json;

}  // namespace

void World::MakeDestination() {
  static const char* const kNames[] = {"d0", "d1", "d2", "d3", "d4"};
  const std::string name = kNames[chance_.Pick(5)];
  for (const std::size_t i : Alive()) {
    if (history_.made[i].name == name) return;
  }
  Made made;
  const json fields = RandomDestination(chance_, name, made);
  made.start = made.rules.back().from = Assigned();
  receivers_.RandomMood(name);
  history_.made.push_back(std::move(made));  // it may get requests before it is answered
  const bool cut = chance_.Percent(10);
  if (cut) {
    w_.engine->Create(fields.dump(), [](const auto&) {});
    w_.sim.RunFor(static_cast<MonoNanos>(chance_.Pick(30)) * kMs);
    Crash();
  } else if (const auto created = w_.Create(fields); !created) {
    Say("not made: " + created.error().ToString());
  }
  const auto now = w_.engine->Get(name);
  history_.made.back().alive = now.has_value();
  if (now) history_.made.back().lane = json::parse(*now)["id"].get<LaneId>();
}

void World::ChangeRule() {
  Made* made = AnyAlive();
  if (made == nullptr) return;
  Rule rule = RandomRule(chance_);
  rule.enabled = chance_.Percent(85);
  rule.from = Assigned();
  made->rules.push_back(rule);
  json patch = rule.Fields();
  patch.update(RandomChange(chance_, *made));
  if (!chance_.Percent(30)) {
    const auto patched = w_.Patch(made->name, patch);
    if (!patched) Say("not changed: " + patched.error().ToString());
    return;
  }
  w_.engine->Patch(made->name, patch.dump(), [](const auto&) {});
  w_.sim.RunFor(static_cast<MonoNanos>(chance_.Pick(30)) * kMs);
  Crash();
  const json now = json::parse(*w_.engine->Get(made->name));
  if (made->ordered != (now["order"] == "key")) made->ordered = !made->ordered;
  const json wanted = rule.Fields();
  for (const auto& [field, value] : wanted.items()) {
    if (now[field] == value) continue;
    made->rules.pop_back();
    return;
  }
}

void World::ChangeOther() {
  Made* made = AnyAlive();
  if (made == nullptr) return;
  const auto patched = w_.Patch(made->name, RandomChange(chance_, *made));
  if (!patched) Say("not changed: " + patched.error().ToString());
}

void World::PauseOrResume() {
  const Made* made = AnyAlive();
  if (made == nullptr) return;
  const bool pause = chance_.Percent(50);
  const auto answered = w_.Answered<std::string>([&](auto done) {
    pause ? w_.engine->Pause(made->name, std::move(done))
          : w_.engine->Resume(made->name, std::move(done));
  });
  if (!answered) Say("neither paused nor resumed: " + answered.error().ToString());
}

void World::DeleteDestination() {
  if (Alive().size() < 2) return;
  Made& made = *AnyAlive();
  if (chance_.Percent(25)) {
    w_.engine->Delete(made.name, [](const auto&) {});
    w_.sim.RunFor(static_cast<MonoNanos>(chance_.Pick(30)) * kMs);
    Crash();
    made.alive = w_.engine->Get(made.name).has_value();
    return;
  }
  made.alive = false;
  if (const auto deleted = w_.Delete(made.name); !deleted) {
    Say("not deleted: " + deleted.error().ToString());
  }
}

void World::MakeReplay() {
  const auto alive = Alive();
  if (alive.empty() || history_.replays.size() >= kReplaysActiveMax) return;
  MadeReplay replay{.destination = alive[chance_.Pick(alive.size())]};
  const Made& made = history_.made[replay.destination];
  replay.rule = made.rules.back();
  replay.rule.enabled = true;  // it selects by the rule, whether that sends at the moment or not
  replay.ordered = made.ordered;
  const UnixMicros now = w_.sim.Now();
  UnixMicros from =
      chance_.Percent(40) ? 0 : now - static_cast<UnixMicros>(chance_.Pick(2'000'000));
  UnixMicros to =
      chance_.Percent(50) ? now : from + static_cast<UnixMicros>(chance_.Pick(1'000'000));
  to = std::min(to, now);
  from = std::min(from, to) / 1000 * 1000;  // as far as its text goes
  to = to / 1000 * 1000;
  json ask{{"destination", made.name}, {"from", FormatIso8601(from)}};
  const bool until_now = chance_.Percent(40);
  if (!until_now) ask["to"] = FormatIso8601(to);
  if (!made.sink && chance_.Percent(30)) ask["rate"] = 20 + chance_.Pick(200);
  if (chance_.Percent(30)) ask["filter"] = replay.own_filter = "has " + std::string(kOther);
  if (chance_.Percent(30)) ask["pattern"] = replay.own_pattern = kNative;
  for (log::Partition p = 0; p < w_.log.partitions(); ++p) {
    const log::Offset first = w_.log.first(p);
    replay.from.push_back(std::max(first, *w_.log.OffsetAtTime(p, from)));
    const log::Offset end = until_now ? w_.log.committed(p) : *w_.log.OffsetAtTime(p, to);
    replay.to.push_back(std::max(end, replay.from.back()));
  }
  replay.id = w_.Replay(ask).value("id", "");
  history_.replays.push_back(std::move(replay));
}

void World::SteerReplay() {
  if (history_.replays.empty()) return;
  MadeReplay& replay = history_.replays[chance_.Pick(history_.replays.size())];
  if (replay.deleted) return;
  Replays& door = w_.engine->replays();
  const auto what = chance_.Pick(4);
  if (what == 3) {
    replay.deleted =
        w_.Answered<void>([&](auto done) { door.Delete(replay.id, std::move(done)); }).has_value();
    return;
  }
  // What it cannot do any more is refused; that is its right.
  IgnoreError(w_.Answered<std::string>([&](auto done) {
    if (what == 0) door.Pause(replay.id, std::move(done));
    if (what == 1) door.Resume(replay.id, std::move(done));
    if (what == 2) door.Cancel(replay.id, std::move(done));
  }),
              "it may have ended");
}

// ---- Dead letters ----

std::vector<DeadLetter> World::DeadLettersOf(const DeadSelection& selection) {
  bool stored = false;
  w_.engine->dead_letters().WhenStored([&stored] { stored = true; });
  w_.sim.RunUntil([&] { return stored; });
  std::vector<DeadLetter> letters;
  DeadLetterQuery query{.selection = selection, .limit = 50};
  for (;;) {
    auto page = w_.engine->dead_letters().List(query);
    if (!page) Say("dead letters not listed: " + page.error().ToString());
    if (!page) return letters;
    std::ranges::move(page->data, std::back_inserter(letters));
    if (!page->next_cursor) return letters;
    query.cursor = *page->next_cursor;
  }
}

void World::NoteMoved(DeadAction action, const std::vector<DeadLetter>& letters) {
  for (const DeadLetter& letter : letters) {
    if (letter.message_id.empty()) {
      Say("the event of a dead letter of " + letter.pair.destination + " is lost");
      continue;
    }
    for (const std::size_t i : Alive()) {
      Made& made = history_.made[i];
      if (made.name != letter.pair.destination) continue;
      const Position at = history_.by_serial.at(std::stoull(letter.message_id.substr(1)));
      (action == DeadAction::kRedrive ? made.redriven : made.deleted).insert(at);
    }
  }
}

void World::MoveDeadLetters() {
  const DeadAction action = chance_.Percent(75) ? DeadAction::kRedrive : DeadAction::kDelete;
  DeadSelection selection{.until = w_.sim.Now()};
  const Made* made = AnyAlive();
  if (made != nullptr && chance_.Percent(50)) selection.destination = made->name;
  std::vector<DeadLetter> letters = DeadLettersOf(selection);
  if (chance_.Percent(50)) {
    std::erase_if(letters, [this](const DeadLetter&) { return chance_.Percent(50); });
    selection.ids.emplace();
    for (const DeadLetter& letter : letters) selection.ids->push_back(letter.pair.delivery_id);
  }
  NoteMoved(action, letters);
  DeadLetters& door = w_.engine->dead_letters();
  if (chance_.Percent(30)) {
    door.Move(action, std::move(selection), [](const auto&) {});
    w_.sim.RunFor(static_cast<MonoNanos>(chance_.Pick(30)) * kMs);
    return Crash();
  }
  const auto moved = w_.Answered<DeadMoving>(
      [&](auto done) { door.Move(action, std::move(selection), std::move(done)); });
  if (!moved) Say("dead letters not moved: " + moved.error().ToString());
}

// Everything is well by now: what can be delivered is.
void World::RedriveAll() {
  const std::vector<DeadLetter> letters = DeadLettersOf({});
  NoteMoved(DeadAction::kRedrive, letters);
  const auto moved = w_.Answered<DeadMoving>([&](auto done) {
    w_.engine->dead_letters().Move(DeadAction::kRedrive, {}, std::move(done));
  });
  if (!moved) return Say("not redriven: " + moved.error().ToString());
  // It waits while a destination has its limit of waiting rows, and is answered meanwhile.
  const bool over = w_.sim.RunUntil(
      [&] { return !w_.engine->dead_letters().Moving(DeadAction::kRedrive, moved->id)->running; });
  if (!over) Say("the redrive does not end");
  if (!ComesToRest()) return;
  for (const DeadLetter& letter : DeadLettersOf({})) {
    const std::string_view reason = letter.reason;
    if (reason.starts_with("filter: ") || reason.starts_with("mapping: ")) continue;
    if (reason.starts_with("retry.total")) continue;  // the rate limit may have kept it for so long
    Say(letter.pair.destination + " gave up " + letter.message_id +
        " again, though its receiver is well: " + letter.reason);
  }
}

}  // namespace tributary::deliver::conserve
