// Faults on the seams: what a disk does when it is full or failing, seen through the doors of log
// and store. One at a time; some of them only a restart ends, as in the real ones.
#pragma once

#include <optional>

#include "deliver/sim_kit_test.h"
#include "sim/conservation_events.h"

namespace tributary::deliver::conserve {

enum class Fault : std::uint8_t {
  kNone,
  kStoreWrites,  // every write to the store fails from the next one on, until a restart
  kLogSync,      // what waits in the log fails, and it takes no append, until a restart
  kLogFull,      // the log refuses appends for a while
  kLogReads,     // the log cannot be read for a while
};

class Faults {
 public:
  Faults(Chance& chance, DeliverWorld& world) : chance_(chance), world_(world) {}

  // Perhaps begins one. `reads`: also those of reads, which a log that forgets must not have: what
  // it is about to forget has to be read first.
  Fault Begin(bool reads);
  // The time of the fault is over; true when only a restart ends it.
  bool NeedsRestart() const;
  // After a restart, or when it passes by itself.
  void End();
  // From when on nothing became durable, of a fault that has that effect.
  std::optional<MonoNanos> nothing_durable_since() const { return since_; }

 private:
  Chance& chance_;
  DeliverWorld& world_;
  Fault now_ = Fault::kNone;
  std::optional<MonoNanos> since_;
};

}  // namespace tributary::deliver::conserve
