// Executors of a simulation: any number of them on one thread, on virtual time, in an order that a
// seed decides. Between executors the order is drawn; within one executor tasks keep the order in
// which they were posted, as the contract says.
//
// Threads: all on one, except Post(), which may come from anywhere (then the run is not
// repeatable).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "os/executor.h"
#include "sim/sim_clock.h"
#include "sim/sim_random.h"

namespace tributary::sim {

class SimScheduler;

class SimExecutor final : public os::Executor {
 public:
  void Post(os::Task task) override;
  TimerId At(MonoNanos when, os::Task task) override;
  void Cancel(TimerId id) override;
  MonoNanos Now() const override;

 private:
  friend class SimScheduler;
  explicit SimExecutor(SimScheduler& scheduler) : scheduler_(scheduler) {}
  bool TakeReady(os::Task& task);

  SimScheduler& scheduler_;
  mutable std::mutex mutex_;
  std::deque<os::Task> posted_;
  std::map<std::pair<MonoNanos, TimerId>, os::Task> timers_;
  std::map<TimerId, MonoNanos> due_;
  TimerId next_id_ = 1;
};

class SimScheduler {
 public:
  SimScheduler(SimClock& clock, std::uint64_t seed) : clock_(clock), random_(seed) {}

  // Lives as long as the scheduler.
  SimExecutor& NewExecutor();
  // Runs one task of one executor; if none is ready, moves time on to the next timer. False when
  // nothing is left at all.
  bool Step();
  // Steps until nothing is left or `until` is reached; time is then `until`.
  void RunUntil(MonoNanos until);
  // Steps while anything is ready now; does not move time.
  void RunReady();
  SimClock& clock() { return clock_; }

 private:
  bool RunOne();
  MonoNanos NextTimer() const;  // negative: none

  SimClock& clock_;
  SimRandom random_;
  std::vector<std::unique_ptr<SimExecutor>> executors_;
};

}  // namespace tributary::sim
