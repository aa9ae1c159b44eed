// One thread's queue of work and timers. Everything that waits, waits here: real programs use
// os/asio_loop.h, simulations a seeded one (tests/sim).
//
// Tasks run one after another on one thread, never inside Post() or At().
#pragma once

#include <cstdint>
#include <functional>

#include "base/time.h"

namespace tributary::os {

using Task = std::move_only_function<void()>;

class Executor {
 public:
  using TimerId = std::uint64_t;  // never 0
  virtual ~Executor() = default;

  // Thread-safe. Runs the task soon, in the order posted by one thread.
  virtual void Post(Task task) = 0;

  // Only on the executor's own thread. Runs the task at or after `when` (monotonic clock).
  virtual TimerId At(MonoNanos when, Task task) = 0;
  // Only on the executor's own thread. An unknown or past timer is fine.
  virtual void Cancel(TimerId id) = 0;

  virtual MonoNanos Now() const = 0;
};

}  // namespace tributary::os
