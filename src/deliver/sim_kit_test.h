// A world for delivery in which time, threads, crashes and receivers are simulated from one seed:
// executors and the committer take turns in an order that the seed chooses, time moves only when
// nobody has anything to do.
#pragma once

#include <gtest/gtest.h>
#include <atomic>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "deliver/engine.h"
#include "deliver/stored.h"
#include "support/memory_log.h"
#include "support/memory_store.h"

namespace tributary::deliver {

class SeededRandom final : public os::Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void Fill(std::span<unsigned char> out) override {
    for (unsigned char& byte : out) byte = static_cast<unsigned char>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

// Executors that share one thread and one clock.
class Sim final : public os::Clock {
 public:
  explicit Sim(std::uint64_t seed) : random_(seed) {}

  class Exec final : public os::Executor {
   public:
    explicit Exec(Sim& sim) : sim_(sim) {}
    void Post(os::Task task) override { queue_.push_back(std::move(task)); }
    TimerId At(MonoNanos when, os::Task task) override {
      return sim_.AddTimer(*this, when, std::move(task));
    }
    void Cancel(TimerId id) override { sim_.CancelTimer(id); }
    MonoNanos Now() const override { return sim_.now_; }

   private:
    friend class Sim;
    Sim& sim_;
    std::deque<os::Task> queue_;
  };

  Exec& NewExecutor() { return *execs_.emplace_back(std::make_unique<Exec>(*this)); }
  // The committer: `step` is called while it says that it worked; each work takes `took`.
  void SetActor(std::function<bool()> step, MonoNanos took = 2 * kNanosPerMilli) {
    actor_ = std::move(step);
    actor_took_ = took;
    actor_free_at_ = now_;
  }
  // Runs for so long. Everything that falls due is done in between.
  void RunFor(MonoNanos span) {
    const MonoNanos until = now_ + span;
    while (RunOne(until)) {
    }
    now_ = until;
  }
  template <class Predicate>
  bool RunUntil(Predicate predicate, MonoNanos at_most = 3600 * kNanosPerSecond) {
    const MonoNanos until = now_ + at_most;
    while (!predicate()) {
      if (!RunOne(until)) return predicate();
    }
    return true;
  }
  // Power loss: nothing that waited will ever run.
  void Forget() {
    for (const auto& exec : execs_) exec->queue_.clear();
    timers_.clear();
    when_of_.clear();
    actor_ = nullptr;
    for (const auto& exec : execs_) exec->queue_.clear();  // what the cleared tasks posted
  }
  UnixMicros Now() const override { return 1'700'000'000'000'000 + now_ / 1000 + wall_jump_us_; }
  MonoNanos Monotonic() const override { return now_; }
  void JumpWallClock(std::int64_t by_us) { wall_jump_us_ += by_us; }
  std::mt19937_64& random() { return random_; }

 private:
  using When = std::pair<MonoNanos, os::Executor::TimerId>;
  struct Timer {
    Exec* exec;
    os::Task task;
  };
  os::Executor::TimerId AddTimer(Exec& exec, MonoNanos when, os::Task task) {
    const os::Executor::TimerId id = ++last_timer_;
    when_of_[id] = {when, id};
    timers_.emplace(When{when, id}, Timer{&exec, std::move(task)});
    return id;
  }
  // Also one that is due and waits for its turn.
  void CancelTimer(os::Executor::TimerId id) {
    const auto found = when_of_.find(id);
    if (found == when_of_.end()) return;
    timers_.erase(found->second);
    when_of_.erase(found);
  }
  bool AnyReady() const {
    return std::ranges::any_of(execs_, [](const auto& exec) { return !exec->queue_.empty(); });
  }
  bool RunOne(MonoNanos until) {
    while (!timers_.empty() && timers_.begin()->first.first <= now_) {
      auto node = timers_.extract(timers_.begin());
      Timer& due = node.mapped();
      due.exec->Post([this, id = node.key().second, task = std::move(due.task)]() mutable {
        if (when_of_.erase(id) != 0) task();
      });
    }
    std::vector<Exec*> ready;
    for (const auto& exec : execs_) {
      if (!exec->queue_.empty()) ready.push_back(exec.get());
    }
    const bool actor_may = actor_ && actor_free_at_ <= now_;
    if (actor_may && (ready.empty() || random_() % 4 == 0)) {
      if (actor_()) {
        actor_free_at_ = now_ + actor_took_;
        return true;
      }
      // It may have asked others for something all the same: nobody is idle while that waits.
      if (ready.empty() && AnyReady()) return true;
    }
    if (!ready.empty()) {
      Exec& exec = *ready[random_() % ready.size()];
      os::Task task = std::move(exec.queue_.front());
      exec.queue_.pop_front();
      task();
      return true;
    }
    MonoNanos next = timers_.empty() ? until + 1 : timers_.begin()->first.first;
    if (actor_ && actor_free_at_ > now_) next = std::min(next, actor_free_at_);
    if (next > until) return false;
    now_ = next;
    return true;
  }

  std::mt19937_64 random_;
  MonoNanos now_ = kNanosPerSecond;
  std::int64_t wall_jump_us_ = 0;
  std::vector<std::unique_ptr<Exec>> execs_;
  std::map<When, Timer> timers_;
  std::map<os::Executor::TimerId, When> when_of_;
  os::Executor::TimerId last_timer_ = 0;
  std::function<bool()> actor_;
  MonoNanos actor_took_ = 0;
  MonoNanos actor_free_at_ = 0;
};

// Verdicts that the test decides. Decided at once; synced when asked for, some time later.
class FakeVerdicts final : public log::Verdicts {
 public:
  FakeVerdicts(Sim& sim, std::uint32_t partitions)
      : thread_(sim.NewExecutor()), decided_(partitions), synced_(partitions) {}

  // Everything the log has is decided now.
  void Decide(const log::Log& log) {
    for (log::Partition p = 0; p < decided_.size(); ++p) decided_[p] = log.committed(p);
    if (sync_by_itself) synced_ = decided_;
    Tell();
  }
  void Sync() {
    synced_ = decided_;
    Tell();
  }
  // What was only in memory is gone; listeners belonged to the old process.
  void Crash() {
    decided_ = synced_;
    listeners_.clear();
    sync_posted_ = false;
  }
  std::set<std::pair<log::Partition, log::Offset>> duplicates;
  bool sync_by_itself = false;  // synced the moment it is decided
  bool sync_never = false;
  MonoNanos sync_takes = 5 * kNanosPerMilli;
  bool claims_synced = false;  // the planted bug: says durable what is not

  log::Offset decided(log::Partition p) const override { return decided_[p]; }
  log::Offset synced(log::Partition p) const override {
    return claims_synced ? decided_[p] : synced_[p];
  }
  log::Offset truly_synced(log::Partition p) const { return synced_[p]; }
  bool IsDuplicate(log::Partition p, log::Offset o) const override {
    return duplicates.contains({p, o});
  }
  std::vector<bool> Duplicates(log::Partition p, log::Offset first,
                               log::Offset end) const override {
    std::vector<bool> out;
    for (log::Offset o = first; o < end; ++o) out.push_back(IsDuplicate(p, o));
    return out;
  }
  void RequestSync() override {
    if (sync_never || std::exchange(sync_posted_, true)) return;
    thread_.Post([this] {
      thread_.At(thread_.Now() + sync_takes, [this] {
        sync_posted_ = false;
        Sync();
      });
    });
  }
  void OnProgress(Listener listener) override { listeners_.push_back(std::move(listener)); }

 private:
  void Tell() {
    for (const Listener& listener : listeners_) listener();
  }
  Sim::Exec& thread_;
  std::vector<log::Offset> decided_;
  std::vector<log::Offset> synced_;
  std::vector<Listener> listeners_;
  bool sync_posted_ = false;
};

// One request as a receiver saw it.
struct Seen {
  std::string destination;
  Position at;
  std::string webhook_id;
  std::string replay;  // its id; empty: live
  std::string key;     // of the record
  std::uint32_t attempt = 0;
  MonoNanos when = 0;
  bool batch = false;
  std::string body;       // of a batch
  bool accepted = false;  // by the receiver; its answer may still be under way
  bool answered = false;
  MonoNanos answered_at = 0;
};

// All receivers of a simulation, by the destination's name.
struct Receivers {
  struct Answer {
    Outcome outcome;
    MonoNanos after = kNanosPerMilli;
    bool never = false;
  };
  std::function<Answer(const std::string& destination, const Delivery& delivery)> answer =
      [](const std::string&, const Delivery&) { return Answer{}; };
  std::vector<Seen> seen;
  bool keep_seen = true;  // false: `answer` keeps what it needs, and a million are no memory
  std::size_t canceled = 0;
  static inline Receivers* current = nullptr;

  std::size_t Accepted(const std::string& destination) const {
    std::size_t n = 0;
    for (const Seen& s : seen) n += s.accepted && s.destination == destination ? 1 : 0;
    return n;
  }
};

// Destination type "sim": asks Receivers::current.
class SimDestination : public Destination {
 public:
  static constexpr bool kBatches = true;
  struct OptionsType {
    std::string url = "sim:";
    config::Secret token;
    std::map<std::string, config::Secret> headers;
    static void Describe(config::OptionList<OptionsType>& o) {
      o.Optional("url", &OptionsType::url, "Where to.");
      o.Optional("token", &OptionsType::token, "A secret.");
      o.Optional("headers", &OptionsType::headers, "Headers.");
    }
  };
  SimDestination(const OptionsType&, const DestinationContext& context)
      : loop_(context.loop), name_(context.name) {}
  ~SimDestination() override {
    if (Receivers::current != nullptr) Receivers::current->canceled += pending_;
  }
  void Deliver(const Delivery& delivery, Done done) override {
    Receivers& all = *Receivers::current;
    Receivers::Answer answer = all.answer(name_, delivery);
    const bool kept = all.keep_seen;
    if (kept) Note(all, delivery, answer);
    ++pending_;
    if (answer.never) return;
    loop_->At(loop_->Now() + answer.after,
              [this, alive = std::weak_ptr<char>(alive_), kept, i = all.seen.size() - 1,
               outcome = std::move(answer.outcome), done = std::move(done)]() mutable {
                if (alive.expired()) return;
                --pending_;
                if (kept) {
                  Seen& seen = Receivers::current->seen.at(i);
                  seen.answered = true;
                  seen.answered_at = loop_->Now();
                }
                done(std::move(outcome));
              });
  }

 private:
  void Note(Receivers& all, const Delivery& delivery, const Receivers::Answer& answer) const {
    all.seen.push_back(
        {.destination = name_,
         .at = {delivery.record->partition, delivery.record->offset},
         .webhook_id = std::string(delivery.webhook_id),
         .replay = std::string(delivery.replay),
         .key = std::string(delivery.record->fields.key),
         .attempt = delivery.attempt,
         .when = loop_->Now(),
         .batch = delivery.batch,
         .body = delivery.batch ? std::string(delivery.body) : std::string(),
         .accepted = !answer.never && answer.outcome.verdict == Verdict::kDelivered});
  }

  os::Executor* loop_;
  std::string name_;
  std::size_t pending_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// Destination type "sink": as `null` is.
class SinkDestination final : public Destination {
 public:
  struct OptionsType {
    static void Describe(config::OptionList<OptionsType>&) {}
  };
  SinkDestination(const OptionsType&, const DestinationContext&) {}
  bool instant() const override { return true; }
  void Deliver(const Delivery&, Done) override { FAIL() << "an instant destination was called"; }
};

// Programs that a test decides. Texts "bad…" do not compile.
class FakePrograms final : public Programs {
 public:
  class Text final : public Program {
   public:
    Text(ProgramUse use, std::string_view text) : use_(use), text_(text) {}
    ProgramUse use() const override { return use_; }
    const std::string& text() const override { return text_; }

   private:
    ProgramUse use_;
    std::string text_;
  };
  explicit FakePrograms(Sim& sim) : sim_(sim) {}

  std::function<Result<std::string>(const std::string& text, const std::string& event)> answer =
      [](const std::string&, const std::string&) -> Result<std::string> { return "true"; };
  MonoNanos takes = kNanosPerMilli;
  std::vector<std::string> asked;  // texts
  std::size_t running = 0;

  Result<std::shared_ptr<const Program>> Compile(ProgramUse use, std::string_view text) override {
    if (text.starts_with("bad")) return Fail(ErrorCode::kInvalid, "does not compile");
    return Stored(use, text);
  }
  std::shared_ptr<const Program> Stored(ProgramUse use, std::string_view text) override {
    return std::make_shared<const Text>(use, text);
  }
  void Run(std::shared_ptr<const Program> program, std::string event, os::Executor& loop,
           Done done) override {
    asked.push_back(program->text());
    ++running;
    loop.Post([this, &loop, program, event, done = std::move(done)]() mutable {
      loop.At(sim_.Monotonic() + takes, [this, program, event, done = std::move(done)]() mutable {
        --running;
        done(answer(program->text(), event));
      });
    });
  }

 private:
  Sim& sim_;
};

// Rules of four fields: the names that are wanted, the kind, a text the payload must have, a
// condition.
class NameMatchers final : public MatcherFactory {
 public:
  struct Fields {
    std::vector<std::string> names;
    std::string kind = "event";
    std::string inside;
    std::string filter;
    static void Describe(config::OptionList<Fields>& o) {
      o.Optional("kind", &Fields::kind, "event or system.");
      o.Optional("names", &Fields::names, "Names.");
      o.Optional("pattern", &Fields::inside, "A text.");
      o.Optional("filter", &Fields::filter, "A condition.");
    }
  };
  static inline std::atomic<std::size_t> asked = 0;  // how often any rule was, on whatever thread
  class ByName final : public Matcher {
   public:
    ByName(std::set<std::string, std::less<>> names, bool system, std::string inside,
           std::shared_ptr<const Program> filter)
        : names_(std::move(names)),
          system_(system),
          inside_(std::move(inside)),
          filter_(std::move(filter)) {}
    log::Kind kind() const override { return system_ ? log::Kind::kSystem : log::Kind::kEvent; }
    bool Matches(const log::RecordFields& fields) const override {
      ++asked;
      return fields.kind == kind() && (names_.empty() || names_.contains(fields.name));
    }

    bool looks_inside() const override { return !inside_.empty(); }
    bool MatchesInside(const log::RecordView& record) const override {
      return record.payload.find(inside_) != std::string_view::npos;
    }
    std::shared_ptr<const Program> program() const override { return filter_; }

   private:
    std::set<std::string, std::less<>> names_;
    bool system_;
    std::string inside_;
    std::shared_ptr<const Program> filter_;
  };
  const std::vector<config::OptionSpec>& specs() const override {
    return config::OptionList<Fields>::Specs();
  }
  Result<Compiled> Compile(const nlohmann::json& fields, const Owner&) const override {
    Fields read;
    TRY(config::ReadObject(specs(), fields, &read));
    const std::string text = config::OptionsText(read, false);
    return Compiled{.fields = text, .stored = text};
  }
  Result<std::shared_ptr<const Matcher>> Load(std::string_view compiled) const override {
    const auto object = nlohmann::json::parse(compiled);
    const auto names = object["names"].get<std::vector<std::string>>();
    const std::string filter = object.value("filter", "");
    return std::make_shared<const ByName>(
        std::set<std::string, std::less<>>(names.begin(), names.end()),
        object.value("kind", "") == "system", object.value("pattern", ""),
        filter.empty() ? nullptr
                       : std::make_shared<const FakePrograms::Text>(ProgramUse::kFilter, filter));
  }
};

class DeliverWorld {
 public:
  explicit DeliverWorld(std::uint64_t seed, std::uint32_t partitions = 1,
                        test::CommitMode mode = test::CommitMode::kAutomatic)
      : sim(seed),
        log(partitions, mode),
        verdicts(sim, partitions),
        random(seed),
        programs(sim),
        loop(sim.NewExecutor()),
        second_loop(sim.NewExecutor()),
        blocking(sim.NewExecutor()) {
    Receivers::current = &receivers;
  }
  ~DeliverWorld() {
    sim.Forget();
    engine.reset();
    Receivers::current = nullptr;
  }

  Result<std::unique_ptr<Engine>> TryOpen(store::Store& on) {
    return Engine::Open({.log = &log,
                         .verdicts = &verdicts,
                         .store = &on,
                         .fs = nullptr,
                         .clock = &sim,
                         .random = &random,
                         .egress = nullptr,
                         .metrics = nullptr,
                         .matchers = &matchers,
                         .programs = &programs,
                         .loops = {{&loop, nullptr}, {&second_loop, nullptr}},
                         .blocking = &blocking},
                        options);
  }
  void Open() { OpenOn(store); }
  void OpenOn(store::Store& on) {
    auto opened = TryOpen(on);
    ASSERT_TRUE(opened.has_value()) << opened.error().ToString();
    engine = std::move(*opened);
    engine->Start();
    sim.SetActor([this] { return engine->committer().Step(); });
    verdicts.Decide(log);
  }
  // Power loss: what was not synced is gone, as the seed says; nothing runs on.
  void Crash(std::uint64_t seed) {
    sim.Forget();
    Receivers::current = nullptr;
    engine.reset();
    sim.Forget();
    Receivers::current = &receivers;
    store.Crash(seed);
    verdicts.Crash();
  }

  // ---- Events ----
  Position Append(std::string_view name = "Event", log::Partition partition = 0,
                  std::string_view payload = R"({"event":1})") {
    return AppendAs({}, name, payload, partition);
  }
  // With a record key; an empty one is the message id.
  Position AppendAs(std::string_view key, std::string_view name = "Event",
                    std::string_view payload = R"({"event":1})", log::Partition partition = 0) {
    const log::Offset at = log.assigned(partition);
    auto batch = std::make_unique<log::Batch>();
    const std::string id = "m" + std::to_string(partition) + "-" + std::to_string(at);
    const log::RecordFields fields{.received_at_us = sim.Now(),
                                   .source = 1,
                                   .type = log::EventType::kTrack,
                                   .key = key.empty() ? std::string_view(id) : key,
                                   .name = name,
                                   .message_id = id};
    EXPECT_TRUE(batch->Add(fields, payload).has_value());
    EXPECT_TRUE(log.Append(partition, batch, [](const auto&) {}).has_value());
    verdicts.Decide(log);
    return {partition, at};
  }
  void AppendMany(std::size_t n, std::string_view name = "Event") {
    for (std::size_t i = 0; i < n; ++i) {
      Append(name, static_cast<log::Partition>(i % log.partitions()));
    }
  }

  // ---- Control, answered ----
  template <class T, class Call>
  Result<T> Answered(Call call) {
    std::optional<Result<T>> answer;
    call([&answer](Result<T> result) { answer = std::move(result); });
    sim.RunUntil([&] { return answer.has_value(); });
    if (!answer) return Fail(ErrorCode::kDeadline, "never answered");
    return std::move(*answer);
  }
  Result<std::string> Create(const nlohmann::json& object) {
    return Answered<std::string>(
        [&](auto done) { engine->Create(object.dump(), std::move(done)); });
  }
  void Make(const std::string& name, nlohmann::json more = nlohmann::json::object()) {
    nlohmann::json object{
        {"name", name}, {"type", "sim"}, {"retry", {{"schedule", {"0s", "1s", "1s"}}}}};
    object.update(more);
    const auto made = Create(object);
    ASSERT_TRUE(made.has_value()) << made.error().ToString();
  }
  Result<std::string> Patch(const std::string& name, const nlohmann::json& object) {
    return Answered<std::string>(
        [&](auto done) { engine->Patch(name, object.dump(), std::move(done)); });
  }
  Result<Engine::Replaced> Put(const std::string& name, const nlohmann::json& object,
                               bool create = true) {
    return Answered<Engine::Replaced>(
        [&](auto done) { engine->Replace(name, object.dump(), create, std::move(done)); });
  }
  Status Delete(const std::string& name) {
    return Answered<void>([&](auto done) { engine->Delete(name, std::move(done)); });
  }
  LaneStats Stats(const std::string& name) {
    const auto stats = engine->Stats(name);
    EXPECT_TRUE(stats.has_value());
    return stats.value_or(LaneStats{});
  }
  PairTrace Trace(const std::string& name, Position at) {
    const auto pairs = Answered<std::vector<PairTrace>>(
        [&](auto done) { engine->Trace(at.partition, at.offset, std::move(done)); });
    EXPECT_TRUE(pairs.has_value()) << pairs.error().ToString();
    for (const PairTrace& pair : pairs.value_or(std::vector<PairTrace>{})) {
      if (pair.destination == name && !pair.deleted_at_us) return pair;
    }
    return {.destination = "(no pair)"};
  }
  // ---- Replays ----
  nlohmann::json Replay(nlohmann::json object) {
    const auto made = Answered<std::string>(
        [&](auto done) { engine->replays().Create(object.dump(), std::move(done)); });
    EXPECT_TRUE(made.has_value()) << made.error().ToString();
    return made ? nlohmann::json::parse(*made) : nlohmann::json::object();
  }
  nlohmann::json ShowReplay(const std::string& id) const {
    const auto shown = engine->replays().Get(id);
    EXPECT_TRUE(shown.has_value()) << id;
    return shown ? nlohmann::json::parse(*shown) : nlohmann::json::object();
  }
  bool ReplayEnds(const std::string& id) {
    return sim.RunUntil([&] { return !ShowReplay(id)["finished_at"].is_null(); });
  }
  std::size_t Replayed(const std::string& id) const {
    std::size_t n = 0;
    for (const Seen& s : receivers.seen) n += s.accepted && s.replay == id ? 1 : 0;
    return n;
  }

  // How often a pair's request was accepted.
  std::size_t Times(const std::string& name, Position at) const {
    std::size_t n = 0;
    for (const Seen& s : receivers.seen) {
      n += s.accepted && s.destination == name && s.at == at ? 1 : 0;
    }
    return n;
  }

  Sim sim;
  test::MemoryLog log;
  test::MemoryStore store;
  FakeVerdicts verdicts;
  SeededRandom random;
  NameMatchers matchers;
  FakePrograms programs;
  Receivers receivers;
  Sim::Exec& loop;
  Sim::Exec& second_loop;
  Sim::Exec& blocking;
  EngineOptions options;
  std::unique_ptr<Engine> engine;
};

}  // namespace tributary::deliver
