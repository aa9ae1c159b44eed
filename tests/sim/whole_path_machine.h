// One machine with the whole way of an event on it: the real log and the real dedupe stage on a
// simulated disk, the real delivery engine reading both, cursors and rows in a store with the crash
// rules of a write-ahead log. Its threads take turns as a seed decides; when the power goes all of
// it stops at once, and disk and store go back together.
#pragma once

#include <functional>
#include <memory>

#include "dedupe/dedupe.h"
#include "deliver/sim_kit_test.h"
#include "log/open.h"
#include "sim/sim_fs.h"
#include "sim/sim_random.h"

namespace tributary::deliver::whole {

// Mistakes, to show that they are found.
struct Planted {
  bool no_sync = false;       // fdatasync does nothing
  bool cursor_first = false;  // cursors pass what is still on its way
};

class Machine {
 public:
  Machine(std::uint64_t seed, Planted planted);
  ~Machine();

  log::LogOptions log_options;         // before the first Start()
  std::function<void()> on_committed;  // the log may have more than before: look at it now
  Receivers receivers;

  // The program starts on what disk and store have. Fails when the power goes meanwhile.
  Status Start();
  // The power goes, if it had not, and comes back.
  void Crash();
  bool powered() const { return fs_.powered(); }
  sim::SimFs& fs() { return fs_; }

  // Runs for so long, or until the power goes.
  void RunFor(MonoNanos span);
  // False: not within `at_most`.
  bool RunUntil(const std::function<bool()>& reached, MonoNanos at_most);
  UnixMicros now() const { return time_.Now(); }

  log::SegmentedLog& log() { return *log_; }
  dedupe::Dedupe& dedupe() { return *dedupe_; }
  Engine& engine() { return *engine_; }

 private:
  Result<std::unique_ptr<Engine>> OpenEngine();
  void Stop();
  void Tick();
  bool WorkSomewhere();
  bool WorkOf(std::uint64_t worker);

  sim::SimRandom chance_;
  Sim time_;
  Sim::Exec& loop_;
  Sim::Exec& second_loop_;
  Sim::Exec& blocking_;
  sim::SimFs fs_;
  test::MemoryStore store_;
  std::unique_ptr<store::Store> planted_store_;
  NameMatchers matchers_;
  FakePrograms programs_;
  std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<log::SegmentedLog> log_;
  std::shared_ptr<dedupe::Dedupe> dedupe_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace tributary::deliver::whole
