// A lane with a `null` destination behind the dedupe stage: its outcome of a record is the state of
// the pair, "no pair" for a repeat.
#include <gtest/gtest.h>

#include "contract/reader_contract.h"
#include "dedupe/dedupe.h"
#include "deliver/engine.h"
#include "destinations/route_matcher.h"

namespace tributary::contract {
namespace {

constexpr const char* kSink = R"({"name":"sink","type":"null"})";

class LaneReader final : public Reader {
 public:
  void Open(World& world) override {
    log_ = &world.log;
    auto stage =
        dedupe::Dedupe::Open({&world.fs, &world.clock, &world.random, &world.log, &world.registry},
                             {.dir = "data/dedupe"});
    ASSERT_TRUE(stage) << stage.error().ToString();
    stage_ = *stage;
    // Its own, and gone with it: when a process dies its loops never run again.
    scheduler_ = std::make_unique<sim::SimScheduler>(world.clock, 7);
    auto& executor = scheduler_->NewExecutor();
    auto engine = deliver::Engine::Open({.log = &world.log,
                                         .verdicts = stage_.get(),
                                         .store = &world.store,
                                         .fs = &world.fs,
                                         .clock = &world.clock,
                                         .random = &world.random,
                                         .metrics = &world.registry,
                                         .matchers = matchers_.get(),
                                         .loops = {{&executor, nullptr}},
                                         .blocking = &executor},
                                        {.files_root = "data/files", .declared = {kSink}});
    ASSERT_TRUE(engine) << engine.error().ToString();
    engine_ = std::move(*engine);
    engine_->Start();
  }
  ~LaneReader() override {
    if (stage_ != nullptr) log_->RemoveHolder(stage_.get());
  }
  // Everybody takes turns until a second has passed in which a commit of each had its time.
  void Settle(World& world) override {
    for (int turn = 0; turn < 100; ++turn) {
      while (stage_->Step()) {
      }
      scheduler_->RunUntil(world.clock.Monotonic() + 10 * kNanosPerMilli);
      while (engine_->committer().Step()) {
      }
      scheduler_->RunReady();
    }
  }
  std::string Outcome(World& world, log::Partition partition) override {
    std::string out;
    for (log::Offset at = 0; at < world.log.committed(partition); ++at) {
      const bool repeat = stage_->IsDuplicate(partition, at);
      out += std::to_string(at) + " " + (repeat ? "no pair" : StateOf(partition, at)) + "\n";
    }
    return out;
  }

 private:
  std::string StateOf(log::Partition partition, log::Offset at) {
    std::string state = "unanswered";
    engine_->Trace(partition, at, [&](Result<std::vector<deliver::PairTrace>> pairs) {
      if (!pairs) {
        state = CodeName(pairs.error().code());
      } else {
        state = "pairs";
        for (const deliver::PairTrace& pair : *pairs) {
          state += " " + pair.destination + " " + std::to_string(static_cast<int>(pair.state));
        }
      }
    });
    for (int turn = 0; turn < 10 && state == "unanswered"; ++turn) {
      scheduler_->RunReady();
      engine_->committer().Step();
    }
    return state;
  }

  test::MemoryLog* log_ = nullptr;
  std::unique_ptr<deliver::MatcherFactory> matchers_ = destinations::MakeRouteMatchers(
      [](std::string_view) { return std::optional<log::SourceId>(1); });
  std::shared_ptr<dedupe::Dedupe> stage_;
  std::unique_ptr<sim::SimScheduler> scheduler_;
  std::unique_ptr<deliver::Engine> engine_;
};

const ReaderRegistration kLane("lane", [] { return std::make_unique<LaneReader>(); });

}  // namespace
}  // namespace tributary::contract
