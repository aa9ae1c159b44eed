// A whole control API on a real router, with an executor that the test turns by hand and an engine
// that remembers what it was asked. For control's own tests.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "config/option_list.h"
#include "control/control.h"
#include "deliver/audit.h"
#include "deliver/dead_letters.h"
#include "deliver/deliveries.h"
#include "deliver/dry_run.h"
#include "ingest/authenticate.h"
#include "support/memory_log.h"
#include "support/memory_store.h"

namespace tributary::control {

inline nlohmann::json BodyOf(const http::Response& response) {
  return nlohmann::json::parse(response.body);
}

class HandExecutor final : public os::Executor {
 public:
  void Post(os::Task task) override { tasks_.push_back(std::move(task)); }
  TimerId At(MonoNanos when, os::Task task) override {
    timers_.emplace(when, std::move(task));
    return ++last_id_;
  }
  void Cancel(TimerId) override {}
  MonoNanos Now() const override { return now_; }

  bool RunOne() {
    if (tasks_.empty()) return false;
    os::Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  // Jumps to the next timer, if there is one.
  bool NextTimer() {
    if (timers_.empty()) return false;
    now_ = std::max(now_, timers_.begin()->first);
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
    return true;
  }

 private:
  std::deque<os::Task> tasks_;
  std::multimap<MonoNanos, os::Task> timers_;
  MonoNanos now_ = 0;
  TimerId last_id_ = 0;
};

class FakeRevisions final : public deliver::Revisions {
 public:
  std::vector<std::string> calls;
  Result<Page> List(std::string_view, std::string_view, std::size_t) const override {
    return Page{.data = {R"({"revision":1})"}, .next_cursor = std::nullopt};
  }
  Result<std::string> Get(std::string_view, std::uint32_t revision) const override {
    if (revision != 1) return Fail(ErrorCode::kNotFound, "revision", "no such revision");
    return std::string(R"({"revision":1})");
  }
  void Revert(std::string destination, std::uint32_t revision, std::string who,
              std::move_only_function<void(Result<std::string>)> done) override {
    calls.push_back("Revert " + destination + " " + std::to_string(revision) + " " + who);
    done(std::string("{}"));
  }
};

class FakeReplays final : public deliver::Replays {
 public:
  std::vector<std::string> calls;  // "Create {…}"
  std::optional<Error> refuse;     // what every call answers

  void Create(std::string json, Done<std::string> done) override { Answer("Create " + json, done); }
  void Pause(std::string id, Done<std::string> done) override { Answer("Pause " + id, done); }
  void Resume(std::string id, Done<std::string> done) override { Answer("Resume " + id, done); }
  void Cancel(std::string id, Done<std::string> done) override { Answer("Cancel " + id, done); }
  void Delete(std::string id, Done<void> done) override {
    calls.push_back("Delete " + id);
    if (refuse) return done(Fail(*refuse));
    done({});
  }
  Result<std::string> Get(std::string_view id) const override {
    if (id != "rpl_1") return Fail(ErrorCode::kNotFound, "id", "there is no such replay");
    return std::string(R"({"id":"rpl_1"})");
  }
  Result<Page> List(std::string_view destination, std::string_view cursor,
                    std::size_t limit) const override {
    if (cursor == "bad") return Fail(ErrorCode::kInvalid, "cursor", "cursor is no cursor");
    Page page;
    if (destination != "none") page.data.emplace_back(R"({"id":"rpl_1"})");
    if (limit == 1) page.next_cursor = "rpl_1";
    return page;
  }

 private:
  void Answer(std::string call, Done<std::string>& done) {
    calls.push_back(std::move(call));
    if (refuse) return done(Fail(*refuse));
    done(std::string(R"({"id":"rpl_1"})"));
  }
};

class SettableClock final : public os::Clock {
 public:
  UnixMicros now_us = 1'700'000'000'000'000;
  UnixMicros Now() const override { return now_us; }
  MonoNanos Monotonic() const override { return now_us * 1000; }
};

class FakeDeadLetters final : public deliver::DeadLetters {
 public:
  Page page;
  mutable deliver::DeadLetterQuery asked;
  deliver::DeadSelection selected;
  deliver::DeadMoving moving{.id = "rdv_1"};
  void WhenStored(std::move_only_function<void()> then) override { then(); }
  Result<Page> List(const deliver::DeadLetterQuery& query) const override {
    asked = query;
    return page;
  }
  Result<deliver::DeadLetter> Get(std::string_view) const override {
    if (page.data.empty()) return Fail(ErrorCode::kNotFound, "id", "no such dead letter");
    return page.data.front();
  }
  void Move(deliver::DeadAction, deliver::DeadSelection selection, MoveDone done) override {
    selected = std::move(selection);
    done(moving);
  }
  Result<deliver::DeadMoving> Moving(deliver::DeadAction, std::string_view) const override {
    return moving;
  }
};

class FakeDeliveries final : public deliver::Deliveries {
 public:
  Page page;
  deliver::DeliveryQuery asked;
  void List(deliver::DeliveryQuery query, deliver::Engine::Done<Page> done) override {
    asked = std::move(query);
    done(page);
  }
  void Get(std::string, deliver::Engine::Done<deliver::DeliveryEntry> done) override {
    if (page.data.empty()) return done(Fail(ErrorCode::kNotFound, "id", "no such delivery"));
    done(page.data.front());
  }
};

class FakeDryRuns final : public deliver::DryRuns {
 public:
  void DryRun(const std::string& name, const log::RecordView&,
              std::move_only_function<void(Result<std::string>)> done) override {
    done(Result<std::string>(R"({"destination":")" + name + R"("})"));
  }
};

class FakeAudit final : public deliver::Audit {
 public:
  deliver::AuditReport report;
  deliver::AuditQuery asked;
  void Run(deliver::AuditQuery query, deliver::Engine::Done<deliver::AuditReport> done) override {
    asked = std::move(query);
    done(report);
  }
};

struct FakeOptions {
  std::string name;
  std::string type;
  static void Describe(config::OptionList<FakeOptions>& o) {
    o.Required("name", &FakeOptions::name, "Its name.");
    o.Required("type", &FakeOptions::type, "Its type.");
  }
};

class FakeEngine final : public deliver::Engine,
                         public deliver::SecretRotation,
                         public deliver::Trials {
 public:
  std::vector<std::string> calls;                   // "Create {…}"
  std::map<std::string, std::string> destinations;  // name to JSON
  std::optional<Error> refuse;                      // what every change answers
  std::vector<deliver::PairTrace> pairs;
  FakeDeadLetters letters;

  FakeReplays fake_replays;

  FakeDeliveries fake_deliveries;
  FakeAudit fake_audit;

  deliver::DeadLetters& dead_letters() override { return letters; }
  deliver::Deliveries& deliveries() override { return fake_deliveries; }
  deliver::Audit& audit() override { return fake_audit; }
  void Start() override {}
  deliver::Replays& replays() override { return fake_replays; }
  std::vector<config::OptionSpec> options() const override {
    return config::OptionList<FakeOptions>::Specs();
  }
  FakeRevisions fake_revisions;
  deliver::Revisions& revisions() override { return fake_revisions; }
  FakeDryRuns fake_dry_runs;
  deliver::DryRuns& dry_runs() override { return fake_dry_runs; }
  deliver::Committer& committer() override {
    CheckFailed("no committer in a fake", __FILE__, __LINE__);
  }
  deliver::Declared& declared() override {
    CheckFailed("no declared destinations in a fake", __FILE__, __LINE__);
  }
  void Close(MonoNanos, std::move_only_function<void()>) override {}
  void Create(std::string json, Done<std::string> done, std::string) override {
    Answer("Create " + json, std::move(done));
  }
  void Replace(std::string name, std::string json, bool create, Done<Replaced> done,
               std::string) override {
    calls.push_back("Replace " + name + " " + json + (create ? " create" : ""));
    if (refuse) return done(Fail(*refuse));
    const bool is_new = destinations.emplace(name, json).second;
    done(Replaced{.json = "{}", .created = is_new});
  }
  void Patch(std::string name, std::string json, Done<std::string> done, std::string) override {
    Answer("Patch " + name + " " + json, std::move(done));
  }
  void Delete(std::string name, Done<void> done) override {
    calls.push_back("Delete " + name);
    if (refuse) return done(Fail(*refuse));
    done({});
  }
  void Pause(std::string name, Done<std::string> done) override {
    Answer("Pause " + name, std::move(done));
  }
  void Resume(std::string name, Done<std::string> done) override {
    Answer("Resume " + name, std::move(done));
  }
  deliver::SecretRotation& secret_rotation() override { return *this; }
  deliver::Trials& trials() override { return *this; }
  void Try(std::string name, deliver::TrialEvent event, Done<std::string> done) override {
    Answer("Try " + name + " " + event.payload, std::move(done));
  }
  void RotateSecret(std::string name, std::string request, Done<std::string> done,
                    std::string) override {
    Answer("RotateSecret " + name + " " + request, std::move(done));
  }
  Result<std::string> Get(std::string_view name) const override {
    const auto found = destinations.find(std::string(name));
    if (found == destinations.end()) return Fail(ErrorCode::kNotFound, "no such destination");
    return found->second;
  }
  Result<Page> List(std::string_view cursor, std::size_t limit) const override {
    if (cursor == "bad") return Fail(ErrorCode::kInvalid, "cursor", "cursor is no cursor");
    Page page;
    for (const auto& [name, json] : destinations) page.data.push_back(json);
    if (page.data.size() > limit) page.next_cursor = "next";
    page.data.resize(std::min(page.data.size(), limit));
    return page;
  }
  Result<deliver::LaneStats> Stats(std::string_view name) const override {
    if (!destinations.contains(std::string(name))) {
      return Fail(ErrorCode::kNotFound, "no such destination");
    }
    return deliver::LaneStats{};
  }
  void Trace(log::Partition, log::Offset, Done<std::vector<deliver::PairTrace>> done) override {
    done(pairs);
  }

 private:
  void Answer(std::string call, Done<std::string> done) {
    calls.push_back(std::move(call));
    if (refuse) return done(Fail(*refuse));
    done(std::string(R"({"name":"x"})"));
  }
};

class FakeIndex final : public EventIndex {
 public:
  std::map<std::string, EventPlace, std::less<>> places;
  std::optional<log::SourceId> asked_source;
  Result<EventPlace> Find(std::optional<log::SourceId> source, std::string_view id) override {
    asked_source = source;
    const auto found = places.find(id);
    if (found == places.end()) return Fail(ErrorCode::kNotFound, "no event has this message id");
    return found->second;
  }
  // Of any source: events that have the id too.
  std::multimap<std::string, std::pair<log::Partition, log::Offset>, std::less<>> more;
  std::vector<log::SourceId> asked_sources;
  Result<Places> FindAll(const std::vector<log::SourceId>& sources, std::string_view id) override {
    asked_sources = sources;
    Places found;
    const auto place = places.find(id);
    if (place != places.end()) {
      found.places.emplace_back(place->second.partition, place->second.offset);
    }
    const auto [first, last] = more.equal_range(id);
    for (auto it = first; it != last; ++it) found.places.push_back(it->second);
    return found;
  }
  std::string failed;
  std::string failure() const override { return failed; }
  bool ready = true;
  std::vector<Wake> waiting;
  Status WhenIndexed(log::Partition, log::Offset, MonoNanos, Wake wake) override {
    if (refuse) return Fail(ErrorCode::kExhausted, "too many wait");
    if (ready) {
      wake(true);
    } else {
      waiting.push_back(std::move(wake));
    }
    return {};
  }
  bool refuse = false;
};

class FakeBackups final : public Backups {
 public:
  std::vector<std::string> calls;
  Result<std::string> Start(const std::string& dir) override {
    calls.push_back("Start " + dir);
    return std::string(R"({"id":"bak_1"})");
  }
  Result<std::string> Get(const std::string&) const override {
    return Fail(ErrorCode::kNotFound, "no such backup");
  }
  std::vector<std::string> List() const override { return {}; }
};

class FakeConfiguration final : public Configuration {
 public:
  std::vector<std::string> calls;
  void Reload(Done done) override {
    calls.emplace_back("Reload");
    done({.json = "{}"});
  }
  void Plan(std::optional<File>, Done done) override {
    calls.emplace_back("Plan");
    done({.json = "{}"});
  }
};

// Everything committed is decided, unless the test says otherwise.
class FakeVerdicts final : public log::Verdicts {
 public:
  explicit FakeVerdicts(const log::Log& log) : log_(log) {}
  std::set<std::pair<log::Partition, log::Offset>> repeats;
  std::optional<log::Offset> decided_to;
  std::vector<Listener> listeners;
  void Tell() {
    for (const Listener& listener : listeners) listener();
  }
  log::Offset decided(log::Partition p) const override {
    return std::min(decided_to.value_or(log_.committed(p)), log_.committed(p));
  }
  log::Offset synced(log::Partition p) const override { return decided(p); }
  bool IsDuplicate(log::Partition p, log::Offset offset) const override {
    return repeats.contains({p, offset});
  }
  std::vector<bool> Duplicates(log::Partition p, log::Offset first,
                               log::Offset end) const override {
    CHECK(end <= decided(p));
    std::vector<bool> out(end - first);
    for (log::Offset at = first; at < end; ++at) out[at - first] = IsDuplicate(p, at);
    return out;
  }
  void RequestSync() override {}
  void OnProgress(Listener listener) override { listeners.push_back(std::move(listener)); }

 private:
  const log::Log& log_;
};

struct Call {
  http::Method method = http::Method::kGet;
  std::string target;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // over the usual ones
  std::string peer = "127.0.0.1";
};

// One answer, kept, and the request that it answers, as long as a real connection keeps it.
class Catch final : public http::Responder::Target {
 public:
  Call call;
  std::map<std::string, std::string> headers;
  http::Request request;
  std::optional<http::Response> response;
  bool dropped = false;
  void Send(http::Response r) override {
    CHECK(!response.has_value());
    response = std::move(r);
  }
  void SendRaw(std::string_view) override {}
  void Dropped() override { dropped = true; }
  // A stream: its head is the response; `room` says how many more pieces it takes.
  std::string streamed;
  int room = 1'000'000;
  bool ended = false;
  std::function<void()> watcher;
  void StartStream(http::Response head) override { response = std::move(head); }
  bool WriteStream(std::string_view bytes) override {
    if (ended || room == 0) return false;
    --room;
    streamed += bytes;
    return true;
  }
  void EndStream() override { ended = true; }
  bool gone() const override { return ended; }
  void Watch(std::function<void()> changed) override { watcher = std::move(changed); }
};

struct ControlKit {
  HandExecutor loop;
  FakeEngine engine;
  FakeBackups backups;
  FakeConfiguration configuration;
  test::MemoryLog log;
  test::MemoryStore store;
  FakeIndex index;
  FakeVerdicts verdicts{log};
  metrics::Registry metrics;
  SettableClock clock;
  codec::Sealer sealer{codec::SealKey{}, os::SystemRandom()};
  AuditLog audit{store, clock, 20};
  Idempotency idempotency{{.store = &store, .clock = &clock, .sealer = &sealer}};
  std::unique_ptr<SourceRegistry> registry;
  ingest::SourceDirectory sources{os::SystemRandom()};
  std::atomic<bool> accepting{true};
  std::atomic<std::size_t> tails{0};
  http::Router router;
  std::unique_ptr<ControlApi> api;
  std::unique_ptr<Access> access;

  static std::vector<config::SourceSettings> Declared() {
    std::vector<config::SourceSettings> declared(2);
    declared[0].name = "demo";
    declared[0].write_key = config::Secret("CANARY-KEY");
    declared[1].name = "web";
    return declared;
  }

  explicit ControlKit(const std::vector<AccessToken>& tokens = {}) {
    registry = *SourceRegistry::Open(
        {.store = &store, .clock = &clock, .random = &os::SystemRandom()}, Declared());
    registry->Subscribe(loop, sources);
    ControlWorld world;
    world.registry = registry.get();
    access = std::make_unique<Access>(tokens);
    world.access = access.get();
    world.journal = {.store = &store, .audit = &audit, .idempotency = &idempotency};
    world.loop = &loop;
    world.blocking = &loop;
    world.clock = &clock;
    world.random = &os::SystemRandom();
    world.engine = &engine;
    world.log = &log;
    world.events = &index;
    world.verdicts = &verdicts;
    world.store = &store;
    world.metrics = &metrics;
    world.sources = &sources;
    world.accepting = &accepting;
    world.tails = &tails;
    world.backups = &backups;
    world.configuration = &configuration;
    world.version = "1.2.3";
    api = std::make_unique<ControlApi>(world);
    api->AddHealthRoutes(router);
    api->AddRoutes(router);
    api->AddTrackApiRoutes(router);
    router.SetGate(access->gate());
    router.SetAround(api->around());
  }

  // Hands the request to the router; the answer may come later.
  std::shared_ptr<Catch> Start(const Call& call) {
    auto target = std::make_shared<Catch>();
    target->call = call;
    const std::string& whole = target->call.target;
    const std::size_t question = std::min(whole.find('?'), whole.size());
    http::Request& request = target->request;
    request.method = call.method;
    request.method_text = http::MethodName(call.method);
    request.path = std::string_view(whole).substr(0, question);
    if (question < whole.size()) request.query = std::string_view(whole).substr(question + 1);
    request.body = target->call.body;
    request.peer = target->call.peer;
    request.peer_is_loopback = call.peer == "127.0.0.1" || call.peer == "::1";
    target->headers = {{"Host", "localhost:8080"}};
    if (!call.body.empty()) target->headers["Content-Type"] = "application/json";
    for (const auto& [name, value] : call.headers) target->headers[name] = value;
    for (const auto& [name, value] : target->headers) request.headers.emplace_back(name, value);
    router.Handle(request, http::Responder(target));
    return target;
  }
  // The answer of a request that needs no more than its own tasks and timers.
  http::Response Ask(const Call& call) {
    const auto target = Start(call);
    while (!target->response && (loop.RunOne() || loop.NextTimer())) {
    }
    CHECK(target->response.has_value());
    return *target->response;
  }
  http::Response Get(std::string target) { return Ask({.target = std::move(target)}); }
  http::Response Post(std::string target, std::string body) {
    return Ask(
        {.method = http::Method::kPost, .target = std::move(target), .body = std::move(body)});
  }

  // An event in the log and in the index.
  void AddEvent(std::string id, std::string payload, std::uint8_t flags = 0) {
    auto batch = std::make_unique<log::Batch>();
    const log::RecordFields fields = {.received_at_us = 1'700'000'000'000'000,
                                      .event_time_us = 1'700'000'000'000'000,
                                      .source = 1,
                                      .flags = flags,
                                      .message_id = id};
    CHECK(batch->Add(fields, payload).has_value());
    const log::Offset offset = log.assigned(0);
    CHECK(log.Append(0, batch, [](const Result<log::Appended>&) {}).has_value());
    index.places[id] = {.partition = 0,
                        .offset = offset,
                        .duplicates = 2,
                        .source = 1,
                        .received_s = 1'700'000'000,
                        .repeats = {{1, 7, 1'700'000'002}}};
  }
};

}  // namespace tributary::control
