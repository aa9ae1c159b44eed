// Time, threads and chance that one seed decides: executors and the committer take turns in an
// order that the seed chooses, time moves only when nobody has anything to do.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "os/clock.h"
#include "os/executor.h"
#include "os/random.h"

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

}  // namespace tributary::deliver
