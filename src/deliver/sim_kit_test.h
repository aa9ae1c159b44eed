// A world for delivery in which time, threads, crashes and receivers are simulated from one seed.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deliver/engine.h"
#include "deliver/sim_clock_kit_test.h"
#include "deliver/sim_receivers_kit_test.h"
#include "deliver/sim_rules_kit_test.h"
#include "deliver/sim_verdicts_kit_test.h"
#include "deliver/stored.h"
#include "support/memory_log.h"
#include "support/memory_store.h"

namespace tributary::deliver {

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
                    std::string_view payload = R"({"event":1})", log::Partition partition = 0,
                    std::uint8_t flags = 0) {
    const log::Offset at = log.assigned(partition);
    auto batch = std::make_unique<log::Batch>();
    const std::string id = "m" + std::to_string(partition) + "-" + std::to_string(at);
    const log::RecordFields fields{.received_at_us = sim.Now(),
                                   .source = 1,
                                   .type = log::EventType::kTrack,
                                   .flags = flags,
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
  void Make(const std::string& name, const nlohmann::json& more = nlohmann::json::object()) {
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
