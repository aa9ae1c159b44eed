// Conservation: whatever topology, faults, restarts, changes and replays a seed makes, every pair
// ends in exactly one state, the counts say how many are in each, and every event that a healthy
// receiver was owed has arrived. The oracle is outside: it knows what was appended and which rules
// were answered, and asks the engine for nothing but its answers.
//
// A failing seed prints the command that runs it alone; TRIBUTARY_SIM_SEED=N does that.
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include "base/hash.h"
#include "deliver/audit.h"
#include "deliver/sim_kit_test.h"
#include "support/scaled.h"

namespace tributary::deliver {
namespace {

using nlohmann::json;

const DestinationRegistration kSim = Register<SimDestination>("sim", "A simulated receiver.");
const DestinationRegistration kSink = Register<SinkDestination>("sink", "Takes all at once.");

constexpr MonoNanos kMs = kNanosPerMilli;
constexpr MonoNanos kS = kNanosPerSecond;
// An outcome is durable so long after it: the commit interval, the sync of verdicts under way and
// the next one, and the committer's own turns.
constexpr MonoNanos kCommittedWithin = 15 * kMs + 2 * 50 * kMs + 50 * kMs;

struct Event {
  std::string name;
  bool duplicate = false;
  bool notice = false;  // a record of the program's own: no pair with anybody here
  bool pairs() const { return !duplicate && !notice; }
};

// What the oracle knows of one destination that was made (a name made again is another one).
struct Made {
  struct Rule {
    std::vector<log::Offset> from;
    std::set<std::string> names;
    bool enabled = true;
  };
  std::string name;
  bool sink = false;
  bool alive = true;
  json fields;
  std::vector<log::Offset> start;
  std::vector<Rule> rules;

  const Rule& At(Position at) const {
    const Rule* found = &rules.front();
    for (const Rule& rule : rules) {
      if (rule.from[at.partition] <= at.offset) found = &rule;
    }
    return *found;
  }
  static bool Wants(const Rule& rule, const Event& event) {
    return rule.names.empty() || rule.names.contains(event.name);
  }
};

struct MadeReplay {
  std::string id;
  std::size_t destination = 0;  // index of Made
  std::vector<log::Offset> from, to;
  Made::Rule rule;
  bool deleted = false;
};

// What a receiver does at the moment.
enum class Mood { kHealthy, kFlaky, kBroken, kOverloaded, kHanging };

class World {
 public:
  explicit World(std::uint64_t seed)
      : chance_(seed), w_(seed, 1 + seed % 3, test::CommitMode::kManual) {
    events_.resize(w_.log.partitions());
    w_.receivers.answer = [this](const std::string& name, const Delivery&) { return Answer(name); };
    w_.Open();
  }

  // The hash of everything that receivers saw and of the final counts.
  std::uint64_t Run() {
    for (std::uint64_t n = 2 + Pick(3); n > 0; --n) MakeDestination();
    for (std::uint64_t rounds = 5 + Pick(6); rounds > 0 && !Failed(); --rounds) Round();
    if (!Failed()) Heal();
    if (!Failed()) Check();
    return Trace();
  }

 private:
  std::uint64_t Pick(std::uint64_t below) { return chance_() % below; }
  bool Chance(std::uint64_t percent) { return Pick(100) < percent; }
  static bool Failed() { return ::testing::Test::HasFailure(); }

  // ---- Receivers ----
  Receivers::Answer Answer(const std::string& name) {
    Receivers::Answer answer{.outcome = {}, .after = static_cast<MonoNanos>(1 + Pick(20)) * kMs};
    switch (moods_[name]) {
      case Mood::kHealthy:
        break;
      case Mood::kFlaky:
        if (Chance(25)) answer.outcome = Outcome::Retry("HTTP 500");
        if (Chance(5)) answer.outcome = Outcome::Reject("HTTP 400");
        if (Chance(1)) answer.outcome = {.verdict = Verdict::kDisable, .error = "HTTP 410"};
        break;
      case Mood::kBroken:
        answer.outcome = Outcome::Retry("HTTP 500");
        break;
      case Mood::kOverloaded:
        answer.outcome = Outcome::Retry("HTTP 429");
        answer.outcome.status = 429;
        answer.outcome.retry_after_ns = static_cast<MonoNanos>(Pick(300)) * kMs;
        break;
      case Mood::kHanging:
        answer.outcome = Outcome::Retry("timeout");
        answer.after = 2 * kS;
        break;
    }
    return answer;
  }

  // ---- What happens in a round ----
  void Round() {
    for (std::uint64_t n = Pick(25); n > 0; --n) AppendEvent();
    if (Chance(80)) Commit();
    for (std::uint64_t n = Pick(3); n > 0 && !Failed(); --n) Act();
    if (Chance(70)) Commit();
    w_.verdicts.sync_takes = static_cast<MonoNanos>(1 + Pick(50)) * kMs;
    w_.sim.RunFor(static_cast<MonoNanos>(Pick(300)) * kMs);
    if (Chance(35)) Crash();
  }

  void Act() {
    switch (Pick(12)) {
      case 0:
        return MakeDestination();
      case 1:
      case 2:
        return ChangeRule();
      case 3:
        return PauseOrResume();
      case 4:
        return DeleteDestination();
      case 5:
      case 6:
      case 7:
        return MakeReplay();
      case 8:
        return SteerReplay();
      case 9:
        return w_.sim.JumpWallClock(static_cast<std::int64_t>(Pick(3)) * kMicrosPerSecond);
      default:
        for (auto& [name, mood] : moods_) {
          if (Chance(50)) mood = static_cast<Mood>(Pick(5));
        }
    }
  }

  void AppendEvent() {
    static const char* const kNames[] = {"A", "B", "C"};
    const auto p = static_cast<log::Partition>(Pick(w_.log.partitions()));
    const Event event{.name = kNames[Pick(3)], .duplicate = Chance(12)};
    const Position at = w_.Append(event.name, p);
    if (event.duplicate) w_.verdicts.duplicates.insert({at.partition, at.offset});
    PadTo(p, at.offset);
    events_[p].push_back(event);
  }

  // What the oracle did not append was a notice.
  void PadTo(log::Partition p, log::Offset end) {
    ASSERT_LE(events_[p].size(), end);
    events_[p].resize(end, Event{.notice = true});
  }

  void Commit() {
    w_.log.Commit();
    w_.verdicts.Decide(w_.log);
  }

  std::vector<log::Offset> Assigned() const {
    std::vector<log::Offset> out;
    for (log::Partition p = 0; p < w_.log.partitions(); ++p) out.push_back(w_.log.assigned(p));
    return out;
  }

  std::set<std::string> SomeNames() {
    std::set<std::string> names;
    for (const char* name : {"A", "B", "C"}) {
      if (Chance(45)) names.insert(name);
    }
    return names;
  }

  // ---- Destinations ----
  std::vector<std::size_t> Alive() const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < made_.size(); ++i) {
      if (made_[i].alive) out.push_back(i);
    }
    return out;
  }

  void MakeDestination() {
    static const char* const kNames[] = {"d0", "d1", "d2", "d3", "d4"};
    const std::string name = kNames[Pick(5)];
    for (const std::size_t i : Alive()) {
      if (made_[i].name == name) return;
    }
    Made made{.name = name, .sink = Chance(20)};
    const std::set<std::string> names = SomeNames();
    json schedule = json::array({"0s"});
    for (std::uint64_t n = Pick(5); n > 0; --n)
      schedule.push_back(std::to_string(10 + Pick(400)) + "ms");
    json fields{{"name", name},
                {"type", made.sink ? "sink" : "sim"},
                {"names", names},
                {"concurrency", 1 + Pick(8)},
                {"retry", {{"schedule", schedule}}}};
    if (!made.sink && Chance(20)) fields["rate_limit"] = 50 + Pick(200);
    made.fields = fields;
    made.start = Assigned();
    made.rules.push_back({.from = made.start, .names = names});
    const auto created = w_.Create(fields);
    ASSERT_TRUE(created.has_value()) << created.error().ToString();
    moods_[name] = static_cast<Mood>(Pick(5));
    made_.push_back(std::move(made));
  }

  void ChangeRule() {
    const auto alive = Alive();
    if (alive.empty()) return;
    Made& made = made_[alive[Pick(alive.size())]];
    const std::set<std::string> names = SomeNames();
    const bool enabled = Chance(85);
    made.rules.push_back({.from = Assigned(), .names = names, .enabled = enabled});
    const json patch{{"names", names}, {"enabled", enabled}, {"concurrency", 1 + Pick(8)}};
    if (Chance(30)) {
      // The power goes before it is answered: it counts wholly or not at all.
      w_.engine->Patch(made.name, patch.dump(), [](const auto&) {});
      w_.sim.RunFor(static_cast<MonoNanos>(Pick(30)) * kMs);
      Crash();
      const json now = json::parse(*w_.engine->Get(made.name));
      if (now["enabled"] != enabled || now["names"] != json(names)) made.rules.pop_back();
      return;
    }
    const auto patched = w_.Patch(made.name, patch);
    ASSERT_TRUE(patched.has_value()) << patched.error().ToString();
  }

  void PauseOrResume() {
    const auto alive = Alive();
    if (alive.empty()) return;
    const std::string name = made_[alive[Pick(alive.size())]].name;
    const bool pause = Chance(50);
    ASSERT_TRUE(w_.Answered<std::string>([&](auto done) {
      pause ? w_.engine->Pause(name, std::move(done)) : w_.engine->Resume(name, std::move(done));
    }));
  }

  void DeleteDestination() {
    const auto alive = Alive();
    if (alive.size() < 2) return;
    Made& made = made_[alive[Pick(alive.size())]];
    made.alive = false;
    ASSERT_TRUE(w_.Delete(made.name).has_value());
  }

  // ---- Replays ----
  void MakeReplay() {
    const auto alive = Alive();
    if (alive.empty() || replays_.size() >= kReplaysActiveMax) return;
    MadeReplay replay{.destination = alive[Pick(alive.size())]};
    const Made& made = made_[replay.destination];
    replay.rule = made.rules.back();
    const UnixMicros now = w_.sim.Now();
    UnixMicros from = Chance(40) ? 0 : now - static_cast<UnixMicros>(Pick(2'000'000));
    UnixMicros to = Chance(50) ? now : from + static_cast<UnixMicros>(Pick(1'000'000));
    to = std::min(to, now);
    from = std::min(from, to) / 1000 * 1000;  // as far as its text goes
    to = to / 1000 * 1000;
    json ask{{"destination", made.name}, {"from", FormatIso8601(from)}};
    const bool until_now = Chance(40);
    if (!until_now) ask["to"] = FormatIso8601(to);
    if (!made.sink && Chance(30)) ask["rate"] = 20 + Pick(200);
    for (log::Partition p = 0; p < w_.log.partitions(); ++p) {
      replay.from.push_back(*w_.log.OffsetAtTime(p, from));
      replay.to.push_back(until_now ? w_.log.committed(p) : *w_.log.OffsetAtTime(p, to));
    }
    replay.id = w_.Replay(ask).value("id", "");
    replays_.push_back(std::move(replay));
  }

  void SteerReplay() {
    if (replays_.empty()) return;
    MadeReplay& replay = replays_[Pick(replays_.size())];
    if (replay.deleted) return;
    Replays& door = w_.engine->replays();
    const auto what = Pick(4);
    if (what == 3) {
      replay.deleted = w_.Answered<void>([&](auto done) {
                           door.Delete(replay.id, std::move(done));
                         }).has_value();
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

  // ---- Power ----
  void Crash() {
    w_.log.FailPending(Error(ErrorCode::kIo, "power"));
    for (log::Partition p = 0; p < events_.size(); ++p) {
      const log::Offset end = w_.log.committed(p);
      events_[p].resize(end, Event{.notice = true});
      std::erase_if(w_.verdicts.duplicates,
                    [&](const auto& at) { return at.first == p && at.second >= end; });
      // What counted from an offset that is lost counts from the end.
      for (Made& made : made_) {
        made.start[p] = std::min(made.start[p], end);
        for (Made::Rule& rule : made.rules) rule.from[p] = std::min(rule.from[p], end);
      }
    }
    crashes_.push_back(w_.sim.Monotonic());
    w_.Crash(chance_());
    w_.Open();
  }

  // ---- The end ----
  void Heal() {
    Commit();
    for (auto& [name, mood] : moods_) mood = Mood::kHealthy;
    for (const std::size_t i : Alive()) {
      ASSERT_TRUE(w_.Answered<std::string>(
          [&](auto done) { w_.engine->Resume(made_[i].name, std::move(done)); }));
      // What a destination that is not enabled sends is nothing; its rows wait for it.
      if (made_[i].rules.back().enabled) continue;
      made_[i].rules.push_back({.from = Assigned(), .names = made_[i].rules.back().names});
      ASSERT_TRUE(w_.Patch(made_[i].name, {{"enabled", true}}).has_value());
    }
    for (const MadeReplay& replay : replays_) {
      if (replay.deleted) continue;
      IgnoreError(w_.Answered<std::string>(
                      [&](auto done) { w_.engine->replays().Resume(replay.id, std::move(done)); }),
                  "it may have ended");
    }
    const auto quiet = [&] {
      for (const std::size_t i : Alive()) {
        const LaneStats stats = w_.Stats(made_[i].name);
        if (stats.lag + stats.retrying + stats.in_flight > 0) return false;
      }
      return std::ranges::all_of(replays_, [&](const MadeReplay& replay) {
        return replay.deleted || !w_.ShowReplay(replay.id)["finished_at"].is_null();
      });
    };
    ASSERT_TRUE(w_.sim.RunUntil(quiet, 600 * kS)) << "it does not come to rest";
    w_.sim.RunFor(kS);
  }

  void Check() {
    for (const std::size_t i : Alive()) CheckDestination(made_[i]);
    for (const MadeReplay& replay : replays_) CheckReplay(replay);
    CheckRepeats();
    CheckAudit();
  }

  // Of deleted destinations too, whose backlog nobody looked at.
  void CheckAudit() {
    const auto report =
        w_.Answered<AuditReport>([&](auto done) { w_.engine->audit().Run({}, std::move(done)); });
    ASSERT_TRUE(report.has_value());
    for (const AuditLine& line : report->destinations) {
      ASSERT_EQ(line.problems_total, 0U) << line.destination << ": " << line.problems[0].what;
      ASSERT_EQ(line.pending + line.undecided, 0U) << line.destination;
      ASSERT_EQ(line.events, line.delivered + line.filtered + line.dead_lettered + line.dropped);
      ASSERT_TRUE(line.counts_checked) << line.destination;
    }
  }

  void CheckDestination(const Made& made) {
    LaneStats sum;
    for (log::Partition p = 0; p < events_.size(); ++p) {
      for (log::Offset o = made.start[p]; o < events_[p].size(); ++o) {
        const Event& event = events_[p][o];
        if (!event.pairs()) continue;
        const Made::Rule& rule = made.At({p, o});
        const bool wanted = rule.enabled && Made::Wants(rule, event);
        const PairTrace pair = w_.Trace(made.name, {p, o});
        sum.delivered += pair.state == PairState::kDelivered ? 1 : 0;
        sum.filtered += pair.state == PairState::kFiltered ? 1 : 0;
        sum.dead_lettered += pair.state == PairState::kDeadLettered ? 1 : 0;
        sum.dropped += pair.state == PairState::kDropped ? 1 : 0;
        ASSERT_EQ(pair.state == PairState::kFiltered, !wanted) << made.name << " " << p << ":" << o;
        ASSERT_FALSE(pair.state == PairState::kPending || pair.state == PairState::kRetrying);
        if (made.sink || pair.state != PairState::kDelivered) continue;
        const bool came = std::ranges::any_of(w_.receivers.seen, [&](const Seen& s) {
          return s.accepted && s.webhook_id == pair.webhook_id && s.replay.empty();
        });
        ASSERT_TRUE(came) << made.name << " " << p << ":" << o << " was delivered to nobody";
      }
    }
    const LaneStats stats = w_.Stats(made.name);
    ASSERT_EQ(stats.delivered, sum.delivered) << made.name;
    ASSERT_EQ(stats.filtered, sum.filtered) << made.name;
    ASSERT_EQ(stats.dead_lettered, sum.dead_lettered) << made.name;
    ASSERT_EQ(stats.dropped, sum.dropped) << made.name;
  }

  void CheckReplay(const MadeReplay& replay) {
    const Made& made = made_[replay.destination];
    std::set<Position> wanted;
    std::uint64_t pairs = 0;
    for (log::Partition p = 0; p < events_.size(); ++p) {
      for (log::Offset o = replay.from[p]; o < replay.to[p]; ++o) {
        if (o >= events_[p].size() || !events_[p][o].pairs()) continue;
        ++pairs;
        if (Made::Wants(replay.rule, events_[p][o])) wanted.insert({p, o});
      }
    }
    std::set<Position> accepted;
    for (const Seen& s : w_.receivers.seen) {
      if (s.replay != replay.id) continue;
      ASSERT_TRUE(wanted.contains(s.at)) << replay.id << " sent what is outside its selection";
      ASSERT_EQ(s.destination, made.name);
      if (s.accepted) accepted.insert(s.at);
    }
    if (replay.deleted) return;
    const json shown = w_.ShowReplay(replay.id);
    const auto count = [&](const char* name) { return shown[name].get<std::uint64_t>(); };
    const std::uint64_t sum =
        count("delivered") + count("filtered") + count("dead_lettered") + count("dropped");
    ASSERT_EQ(count("retrying") + count("in_flight"), 0U) << shown;
    ASSERT_EQ(sum, pairs) << shown;
    ASSERT_EQ(count("filtered"), pairs - wanted.size()) << shown;
    ASSERT_EQ(count("lag"), 0U) << shown;
    if (shown["state"] != "done" || !made.alive) return;  // dead letters go with a destination
    ASSERT_EQ(count("dropped"), 0U) << shown;
    if (made.sink) return;  // what is taken by being looked at is sent to nobody
    ASSERT_GE(accepted.size(), count("delivered")) << shown;
  }

  // Something accepted comes again only when the power went before its outcome was durable.
  void CheckRepeats() {
    std::map<std::pair<std::string, std::string>, const Seen*> last;
    for (const Seen& s : w_.receivers.seen) {
      if (!s.accepted) continue;
      const Seen*& before = last[{s.webhook_id, s.replay}];
      if (before != nullptr) {
        const bool excused = std::ranges::any_of(crashes_, [&](MonoNanos crash) {
          return before->when <= crash && crash <= s.when &&
                 (!before->answered || before->answered_at + kCommittedWithin >= crash);
        });
        ASSERT_TRUE(excused) << s.destination << " got " << s.at.partition << ":" << s.at.offset
                             << " again without need: at " << before->when << ", answered "
                             << before->answered_at << ", then at " << s.when
                             << "; the power went at " << ::testing::PrintToString(crashes_);
      }
      before = &s;
    }
  }

  std::uint64_t Trace() {
    std::string text;
    for (const Seen& s : w_.receivers.seen) {
      text += s.destination + " " + s.webhook_id + " " + s.replay + " " +
              std::to_string(s.attempt) + " " + std::to_string(s.when) + "\n";
    }
    for (const std::size_t i : Alive()) text += w_.Stats(made_[i].name).ToJson() + "\n";
    return Hash64(text);
  }

  std::mt19937_64 chance_;
  DeliverWorld w_;
  std::vector<std::vector<Event>> events_;  // per partition, by offset
  std::map<std::string, Mood> moods_;
  std::vector<Made> made_;
  std::vector<MadeReplay> replays_;
  std::vector<MonoNanos> crashes_;
};

std::uint64_t RunSeed(std::uint64_t seed) {
  SCOPED_TRACE("to run this one alone: TRIBUTARY_SIM_SEED=" + std::to_string(seed) +
               " build/tests/sim_test --gtest_filter=Conservation.*");
  World world(seed);
  return world.Run();
}

TEST(Conservation, HoldsInRandomTopologiesWithFaultsRestartsChangesAndReplays) {
  if (const char* only = std::getenv("TRIBUTARY_SIM_SEED")) {
    RunSeed(std::strtoull(only, nullptr, 10));
    return;
  }
  for (std::uint64_t seed = 0; seed < test::Scaled(1'000) && !HasFailure(); ++seed) RunSeed(seed);
}

TEST(Conservation, TheSameSeedGivesTheSameTrace) {
  for (std::uint64_t seed = 0; seed < test::Scaled(40) && !HasFailure(); ++seed) {
    ASSERT_EQ(RunSeed(seed), RunSeed(seed)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tributary::deliver
