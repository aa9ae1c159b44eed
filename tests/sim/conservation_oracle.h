// The oracle of the conservation simulation. It stands outside: it knows what was appended, which
// rules were answered, what receivers saw, when the power went, and judges what the engine and its
// store say in the end.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "sim/conservation_receivers.h"
#include "sim/conservation_retention.h"
#include "sim/conservation_topology.h"

namespace tributary::deliver::conserve {

// What was done to the engine.
struct History {
  struct Cut {
    MonoNanos at = 0;             // of the power
    MonoNanos durable_until = 0;  // later outcomes had no chance: the store had failed before
    std::size_t requests = 0;     // made before
  };
  std::vector<std::vector<Event>> events;  // per partition, by offset
  std::unordered_map<std::uint64_t, Position> by_serial;
  std::vector<Made> made;
  std::vector<MadeReplay> replays;
  std::vector<Cut> cuts;
  bool dead_letters_limited = false;

  // What the oracle did not append was a notice.
  void PadTo(log::Partition partition, log::Offset end);
  // A restart: what was not durable in the log by then never was, and its offsets are given anew.
  void CutTo(const test::MemoryLog& log, const Cut& cut);
  const Event& EventAt(Position at) const { return events[at.partition][at.offset]; }
  // Between a request's answer and `until` the power did not go, or only when what the answer meant
  // had become an outcome or row in the store.
  bool WasDurable(const Seen& seen, MonoNanos until) const;
  // Between the two the power went, and what was settled by then need not have been in the store.
  bool MayBeLost(MonoNanos settled, MonoNanos until) const;
};

class Oracle {
 public:
  Oracle(const History& history, const MoodyReceivers& receivers, const RetentionModel& retention,
         DeliverWorld& world)
      : history_(history), receivers_(receivers), retention_(retention), world_(world) {}

  // Everything has come to rest. What is wrong, in sentences.
  std::vector<std::string> Check();

  // The product's own audit, at any moment.
  static std::vector<std::string> Audited(DeliverWorld& world);

 private:
  // What became of the pairs of one lane, live or of a replay.
  struct Lane {
    LaneId id = 0;
    const Made* made = nullptr;
    const MadeReplay* replay = nullptr;
    std::string name;  // for people
  };
  struct PairFacts {
    bool taken = false;           // by its receiver
    bool failed_durably = false;  // an attempt failed, and its row was in the store
    MonoNanos first_taken = 0;
    std::vector<const Request*> sent;
  };
  using Facts = std::map<Position, PairFacts>;
  // What was sent of one key since the program started.
  struct KeyRun {
    const Seen* last = nullptr;   // its newest request
    log::Offset end = 0;          // the newest that was ever sent is below
    std::set<log::Offset> again;  // of these, what may come again
  };

  void Say(const std::string& problem) { problems_.push_back(problem); }
  static std::string Name(const Lane& lane, Position at);

  // conservation_oracle.cc
  Facts FactsOf(const Lane& lane) const;
  PairState StateOf(const Lane& lane, Position at, const PairFacts* facts);
  void CheckDropped(const Lane& lane, Position at, DropRule rule, const PairFacts* facts);
  LaneStats Tally(const Lane& lane, const std::vector<log::Offset>& from,
                  const std::vector<log::Offset>& to, const Facts& facts);
  void Compare(const Lane& lane, const LaneStats& said, const LaneStats& tally);
  void CheckDestination(const Made& made);
  void CheckReplay(const MadeReplay& replay);
  void CheckLeftovers();
  void CheckAuditAtRest();

  // conservation_order.cc
  void CheckOrder(const Lane& lane, const Facts& facts);
  void CheckOrderWithinRuns(const Lane& lane);
  void CheckOrderOf(const Lane& lane, const Request& request,
                    const std::vector<std::uint64_t>& serials, KeyRun& run);
  void CheckOrderAcrossRuns(const Lane& lane, const Facts& facts);
  void CheckPassed(const Lane& lane, Position first, const PairFacts& of_first, Position at,
                   const PairFacts& pair);
  void CheckRepeats();
  void CheckIds();
  bool Concerns(const Request& request, const Lane& lane) const;

  const History& history_;
  const MoodyReceivers& receivers_;
  const RetentionModel& retention_;
  DeliverWorld& world_;
  std::vector<std::string> problems_;
};

}  // namespace tributary::deliver::conserve
