#include "sim/conservation_oracle.h"

#include <algorithm>

#include "deliver/audit.h"
#include "deliver/dropped_pairs.h"
#include "deliver/replay_record.h"

namespace tributary::deliver::conserve {
namespace {

using nlohmann::json;
using store::Family;
namespace keys = store::keys;

// An outcome is durable so long after it: the commit interval, the sync of verdicts under way and
// the next one, and the committer's own turns.
constexpr MonoNanos kCommittedWithin =
    15 * kNanosPerMilli + 2 * 50 * kNanosPerMilli + 50 * kNanosPerMilli;

LaneStats StatsIn(const json& shown) {
  const auto count = [&](const char* name) { return shown[name].get<std::uint64_t>(); };
  return {.delivered = count("delivered"),
          .filtered = count("filtered"),
          .dead_lettered = count("dead_lettered"),
          .dropped = count("dropped"),
          .retrying = count("retrying"),
          .in_flight = count("in_flight"),
          .lag = count("lag")};
}

}  // namespace

// ---- What was done ----

void History::PadTo(log::Partition p, log::Offset end) {
  if (events[p].size() < end) events[p].resize(end, Event{.notice = true});
}

void History::CutTo(const test::MemoryLog& log, const Cut& cut) {
  for (log::Partition p = 0; p < events.size(); ++p) {
    const log::Offset end = log.committed(p);
    events[p].resize(end, Event{.notice = true});
    // What counted from an offset that is lost counts from the end.
    for (Made& one : made) {
      one.start[p] = std::min(one.start[p], end);
      for (Rule& rule : one.rules) rule.from[p] = std::min(rule.from[p], end);
    }
  }
  cuts.push_back(cut);
}

bool History::WasDurable(const Seen& seen, MonoNanos until) const {
  return std::ranges::none_of(cuts, [&](const Cut& cut) {
    const bool late = !seen.answered || seen.answered_at + kCommittedWithin >= cut.durable_until;
    const bool before = seen.answered && seen.answered_at > cut.at;
    return cut.at >= seen.when && cut.at <= until && late && !before;
  });
}

bool History::MayBeLost(MonoNanos settled, MonoNanos until) const {
  return std::ranges::any_of(cuts, [&](const Cut& cut) {
    return cut.at >= settled && cut.at <= until && settled + kCommittedWithin >= cut.durable_until;
  });
}

// ---- What became of it ----

std::string Oracle::Name(const Lane& lane, Position at) {
  return lane.name + " " + std::to_string(at.partition) + ":" + std::to_string(at.offset);
}

bool Oracle::Concerns(const Request& request, const Lane& lane) const {
  return &history_.made[request.destination] == lane.made &&
         request.replay == (lane.replay == nullptr ? std::string() : lane.replay->id);
}

Oracle::Facts Oracle::FactsOf(const Lane& lane) const {
  Facts facts;
  const MonoNanos now = world_.sim.Monotonic();
  for (const Request& request : receivers_.requests()) {
    if (!Concerns(request, lane)) continue;
    const Seen& seen = receivers_.SeenOf(request);
    for (const std::uint64_t serial : request.serials) {
      PairFacts& pair = facts[history_.by_serial.at(serial)];
      pair.sent.push_back(&request);
      if (request.Took(serial) && !std::exchange(pair.taken, true)) pair.first_taken = seen.when;
      pair.failed_durably = pair.failed_durably || (!request.Took(serial) && seen.answered &&
                                                    history_.WasDurable(seen, now));
    }
  }
  return facts;
}

// From the store's rows, the rules, and what was seen; never from the engine's own conclusions.
PairState Oracle::StateOf(const Lane& lane, Position at, const PairFacts* facts) {
  const Event& event = history_.EventAt(at);
  const bool native = lane.replay != nullptr ? lane.replay->WantsNatively(event)
                                             : lane.made->At(at).WantsNatively(event);
  const std::optional<bool> wants =
      lane.replay != nullptr ? lane.replay->Wants(event) : lane.made->At(at).Wants(event);
  const bool dead = world_.store.Get(Family::kOwned, keys::DeadLetter(lane.id, at))->has_value();
  const auto dropped = *DroppedBy(world_.store, lane.id, at);
  if (dead && dropped) Say(Name(lane, at) + " is a dead letter and dropped");
  if (dropped) {
    if (!native) Say(Name(lane, at) + " was dropped, but its rule did not want it");
    CheckDropped(lane, at, *dropped, facts);
    return PairState::kDropped;
  }
  if (dead && wants == false) Say(Name(lane, at) + " is dead, but its rule did not want it");
  if (dead) return PairState::kDeadLettered;
  if (wants == false) {
    if (facts != nullptr) Say(Name(lane, at) + " was sent, but its rule did not want it");
    return PairState::kFiltered;
  }
  if (!wants) Say(Name(lane, at) + " is no dead letter, though its condition fails");
  const bool arrived = lane.made->sink || (facts != nullptr && facts->taken);
  if (!arrived) Say(Name(lane, at) + " was delivered to nobody");
  return PairState::kDelivered;
}

void Oracle::CheckDropped(const Lane& lane, Position at, DropRule rule, const PairFacts* facts) {
  bool right = false;
  switch (rule) {
    case DropRule::kRetention:
      // What had a row keeps its event beside it.
      right = at.offset < retention_.asked(at.partition) &&
              (facts == nullptr || !facts->failed_durably);
      break;
    case DropRule::kDeleted:
      right = lane.made->deleted.contains(at);
      break;
    case DropRule::kDeadLetterAge:
    case DropRule::kDeadLetterSize:
      right = history_.dead_letters_limited;
      break;
    case DropRule::kReplayCancelled:
      right = lane.replay != nullptr;
      break;
    case DropRule::kDestinationDeleted:
      right = !lane.made->alive;
      break;
  }
  if (!right) Say(Name(lane, at) + " was dropped by " + std::string(DropRuleName(rule)));
}

LaneStats Oracle::Tally(const Lane& lane, const std::vector<log::Offset>& from,
                        const std::vector<log::Offset>& to, const Facts& facts) {
  LaneStats tally;
  for (log::Partition p = 0; p < history_.events.size(); ++p) {
    const log::Offset end = std::min<log::Offset>(to[p], history_.events[p].size());
    for (log::Offset o = from[p]; o < end; ++o) {
      if (!history_.events[p][o].pairs()) continue;
      const auto found = facts.find({p, o});
      const PairState state =
          StateOf(lane, {p, o}, found == facts.end() ? nullptr : &found->second);
      tally.delivered += state == PairState::kDelivered ? 1 : 0;
      tally.filtered += state == PairState::kFiltered ? 1 : 0;
      tally.dead_lettered += state == PairState::kDeadLettered ? 1 : 0;
      tally.dropped += state == PairState::kDropped ? 1 : 0;
      if (lane.replay != nullptr || o < world_.log.first(p)) continue;
      const PairState said = world_.Trace(lane.made->name, {p, o}).state;
      if (said != state) {
        Say(Name(lane, {p, o}) + " is " + std::string(PairStateName(state)) + ", its trace says " +
            std::string(PairStateName(said)));
      }
    }
  }
  return tally;
}

void Oracle::Compare(const Lane& lane, const LaneStats& said, const LaneStats& tally) {
  const auto same = [&](const char* what, std::uint64_t a, std::uint64_t b) {
    if (a == b) return;
    Say(lane.name + " says " + what + " " + std::to_string(a) + ", it is " + std::to_string(b));
  };
  same("delivered", said.delivered, tally.delivered);
  same("filtered", said.filtered, tally.filtered);
  same("dead-lettered", said.dead_lettered, tally.dead_lettered);
  same("dropped", said.dropped, tally.dropped);
  same("retrying", said.retrying, 0);
  same("followers", said.followers, 0);
  same("in flight", said.in_flight, 0);
  same("lag", said.lag, 0);
}

void Oracle::CheckDestination(const Made& made) {
  const Lane lane{.id = made.lane, .made = &made, .replay = nullptr, .name = made.name};
  std::vector<log::Offset> ends;
  for (const auto& events : history_.events) ends.push_back(events.size());
  const Facts facts = FactsOf(lane);
  Compare(lane, world_.Stats(made.name), Tally(lane, made.start, ends, facts));
  if (made.order_kept) CheckOrder(lane, facts);
}

void Oracle::CheckReplay(const MadeReplay& replay) {
  const Made& made = history_.made[replay.destination];
  const Lane lane{.id = ParseReplayId(replay.id).value_or(0),
                  .made = &made,
                  .replay = &replay,
                  .name = made.name + " " + replay.id};
  const Facts facts = FactsOf(lane);
  for (const auto& [at, pair] : facts) {
    if (at.offset < replay.from[at.partition] || at.offset >= replay.to[at.partition]) {
      Say(Name(lane, at) + " is outside the selection");
    }
  }
  if (replay.ordered && made.order_kept) CheckOrder(lane, facts);
  if (replay.deleted || !made.alive) return;
  Compare(lane, StatsIn(world_.ShowReplay(replay.id)), Tally(lane, replay.from, replay.to, facts));
}

// At rest nothing waits, and a kept body belongs to a dead letter.
void Oracle::CheckLeftovers() {
  const auto any = [&](const std::string& prefix) {
    bool found = false;
    IgnoreError(world_.store.ScanPrefix(Family::kOwned, prefix,
                                        [&](auto, auto) {
                                          found = true;
                                          return store::Visit::kStop;
                                        }),
                "the memory store has no read errors");
    return found;
  };
  constexpr LaneId kLanes = 100;  // more than are ever made
  for (LaneId lane = 1; lane < kLanes; ++lane) {
    const std::string name = "lane " + std::to_string(lane);
    if (any(keys::WaitingOf(lane))) Say(name + " left waiting rows behind");
    if (any(keys::AllFollowersOf(lane))) Say(name + " left followers behind");
    if (any(keys::DeliveryBatchesOf(lane))) Say(name + " left batches behind");
    std::set<Position> dead;
    const auto rows = [&](const std::string& prefix, keys::Prefix kind, const auto& each) {
      IgnoreError(world_.store.ScanPrefix(Family::kOwned, prefix,
                                          [&](std::string_view key, auto) {
                                            each(keys::ParseLaneKey(kind, key)->at);
                                            return store::Visit::kContinue;
                                          }),
                  "the memory store has no read errors");
    };
    rows(keys::DeadLettersOf(lane), keys::Prefix::kDeadLetter,
         [&](Position at) { dead.insert(at); });
    rows(keys::KeptBodiesOf(lane), keys::Prefix::kKeptBody, [&](Position at) {
      if (!dead.contains(at)) Say(name + " left a body behind: " + std::to_string(at.offset));
    });
  }
}

std::vector<std::string> Oracle::Audited(DeliverWorld& world) {
  std::vector<std::string> problems;
  const auto report = world.Answered<AuditReport>(
      [&](auto done) { world.engine->audit().Run({}, std::move(done)); });
  if (!report) return {"the audit failed: " + report.error().ToString()};
  for (const AuditLine& line : report->destinations) {
    for (const AuditProblem& problem : line.problems) {
      problems.push_back("audit of " + line.destination + ": " + std::to_string(problem.partition) +
                         ":" + std::to_string(problem.offset) + " " + problem.what);
    }
  }
  return problems;
}

// Of deleted destinations too, whose backlog nobody looked at.
void Oracle::CheckAuditAtRest() {
  const auto report = world_.Answered<AuditReport>(
      [&](auto done) { world_.engine->audit().Run({}, std::move(done)); });
  if (!report) return Say("the audit failed: " + report.error().ToString());
  for (const AuditLine& line : report->destinations) {
    const std::uint64_t sum = line.delivered + line.filtered + line.dead_lettered + line.dropped;
    if (line.pending + line.undecided != 0) Say("audit of " + line.destination + ": not at rest");
    if (line.events != sum) Say("audit of " + line.destination + ": the sum is not the whole");
  }
}

std::vector<std::string> Oracle::Check() {
  for (const Made& made : history_.made) {
    if (made.alive) CheckDestination(made);
  }
  for (const MadeReplay& replay : history_.replays) CheckReplay(replay);
  CheckRepeats();
  CheckIds();
  CheckLeftovers();
  CheckAuditAtRest();
  std::ranges::move(Audited(world_), std::back_inserter(problems_));
  return problems_;
}

}  // namespace tributary::deliver::conserve
