// The engine on real threads: what the simulation, which has one, cannot see. Meant for TSan.
#include <future>
#include <thread>

#include "deliver/sim_kit_test.h"
#include "os/asio_loop.h"

namespace tributary::deliver {
namespace {

// Decided and synced as soon as committed.
class InstantVerdicts final : public log::Verdicts {
 public:
  explicit InstantVerdicts(log::Log& log) : log_(log) {}
  log::Offset decided(log::Partition p) const override { return log_.committed(p); }
  log::Offset synced(log::Partition p) const override { return log_.committed(p); }
  bool IsDuplicate(log::Partition, log::Offset) const override { return false; }
  std::vector<bool> Duplicates(log::Partition, log::Offset first, log::Offset end) const override {
    return std::vector<bool>(end - first);
  }
  void RequestSync() override {}
  void OnProgress(Listener listener) override {
    log_.OnCommit([listener](log::Partition, log::Offset) { listener(); });
  }

 private:
  log::Log& log_;
};

// Delivers a moment later, on its loop.
class SoonDestination final : public Destination {
 public:
  struct OptionsType {
    std::string url;
    static void Describe(config::OptionList<OptionsType>& o) {
      o.Optional("url", &OptionsType::url, "Where to.");
    }
  };
  SoonDestination(const OptionsType&, const DestinationContext& context) : loop_(context.loop) {}
  void Deliver(const Delivery& delivery, Done done) override {
    Outcome outcome;
    if (delivery.record->offset % 50 == 7 && delivery.attempt == 1) outcome = Outcome::Retry("x");
    loop_->Post([done = std::move(done), outcome]() mutable { done(outcome); });
  }

 private:
  os::Executor* loop_;
};
const DestinationRegistration kSoon = Register<SoonDestination>("soon", "Delivers soon.");

class ThreadWorld {
 public:
  ThreadWorld() : log_(2), verdicts_(log_), random_(1) {
    auto engine = Engine::Open({.log = &log_,
                                .verdicts = &verdicts_,
                                .store = &store_,
                                .fs = nullptr,
                                .clock = &os::SystemClock(),
                                .random = &os::SystemRandom(),
                                .egress = nullptr,
                                .metrics = &metrics_,
                                .matchers = &matchers_,
                                .loops = {{&loops_[0], nullptr}, {&loops_[1], nullptr}},
                                .blocking = &loops_[2]},
                               {});
    EXPECT_TRUE(engine.has_value());
    engine_ = std::move(*engine);
    for (os::AsioLoop& loop : loops_) threads_.emplace_back([&loop] { loop.Run(); });
    threads_.emplace_back([this] {
      while (engine_->committer().WaitForWork()) {
        while (engine_->committer().Step()) {
        }
      }
    });
    engine_->Start();
  }
  ~ThreadWorld() {
    std::promise<void> closed;
    engine_->Close(os::SystemClock().Monotonic() + kNanosPerSecond, [&] { closed.set_value(); });
    closed.get_future().wait();
    for (os::AsioLoop& loop : loops_) loop.Stop();
    for (std::thread& thread : threads_) thread.join();
  }
  template <class T, class Call>
  Result<T> Answered(Call call) {
    std::promise<Result<T>> answer;
    call([&answer](Result<T> result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }
  void Append(log::Partition partition) {
    auto batch = std::make_unique<log::Batch>();
    EXPECT_TRUE(batch->Add({.source = 1, .key = "k", .name = "Order", .message_id = "m"}, "{}"));
    EXPECT_TRUE(log_.Append(partition, batch, [](const auto&) {}));
  }
  Engine& engine() { return *engine_; }
  metrics::Registry& metrics() { return metrics_; }

 private:
  test::MemoryLog log_;
  InstantVerdicts verdicts_;
  test::MemoryStore store_;
  SeededRandom random_;
  NameMatchers matchers_;
  metrics::Registry metrics_;
  std::array<os::AsioLoop, 3> loops_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::thread> threads_;
};

TEST(EngineThreads, EventsChangesAndQuestionsAtOnce) {
  ThreadWorld w;
  const auto create = [&](const std::string& name, const std::string& type) {
    return w.Answered<std::string>([&](auto done) {
      w.engine().Create(R"({"name":")" + name + R"(","type":")" + type +
                            R"(","retry":{"schedule":["0s","1ms"]}})",
                        std::move(done));
    });
  };
  ASSERT_TRUE(create("hook", "soon"));
  ASSERT_TRUE(create("null", "sink"));
  constexpr int kEvents = 3'000;
  std::vector<std::thread> threads;
  for (const log::Partition p : {0U, 1U}) {
    threads.emplace_back([&w, p] {
      for (int i = 0; i < kEvents / 2; ++i) w.Append(p);
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(create("brief", "soon"));
      ASSERT_TRUE(
          w.Answered<void>([&](auto done) { w.engine().Delete("brief", std::move(done)); }));
    }
  });
  threads.emplace_back([&] {
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(w.Answered<std::string>([&](auto done) {
        w.engine().Patch("hook", R"({"concurrency":)" + std::to_string(i + 1) + "}",
                         std::move(done));
      }));
    }
  });
  threads.emplace_back([&] {
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(w.engine().Get("hook"));
      EXPECT_TRUE(w.engine().List("", 10));
      EXPECT_TRUE(w.engine().Stats("null"));
      EXPECT_FALSE(w.metrics().Expose().empty());
      IgnoreError(w.Answered<std::vector<PairTrace>>(
                      [&](auto done) { w.engine().Trace(0, 0, std::move(done)); }),
                  "there may be no event yet");
    }
  });
  for (std::thread& thread : threads) thread.join();
  const auto all = [&](const char* name) {
    return w.engine().Stats(name)->delivered == static_cast<std::uint64_t>(kEvents);
  };
  for (int i = 0; i < 1'000 && !(all("hook") && all("null")); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(all("hook"));
  EXPECT_TRUE(all("null"));
}

}  // namespace
}  // namespace tributary::deliver
