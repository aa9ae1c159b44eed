// The contract of every reader of the log (DESIGN.md, "Engines"): it works by (partition, offset),
// on four partitions as on one, on a store that applies each batch twice and refuses derived
// batches that span slot ranges, and what comes of the records does not depend on how they arrived.
//
// A reader joins with one line in a file of its own in this folder:
//   const ReaderRegistration kLane("lane", [] { return std::make_unique<LaneReader>(); });
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/registry.h"
#include "sim/sim_clock.h"
#include "sim/sim_executor.h"
#include "sim/sim_fs.h"
#include "sim/sim_random.h"
#include "support/memory_log.h"
#include "support/memory_store.h"

namespace tributary::contract {

// The machine that a reader runs on. Log, store and files outlive the reader.
struct World {
  explicit World(test::MemoryStoreOptions store_options = {});

  static constexpr const char* kLogDir = "data/log";
  static constexpr std::uint64_t kSegmentRecords = 50;

  sim::SimFs fs;
  sim::SimClock clock;
  sim::SimRandom random{1};
  sim::SimScheduler scheduler{clock, 1};
  test::MemoryLog log;  // four partitions
  test::MemoryStore store;
  metrics::Registry registry;
};

class Reader {
 public:
  virtual ~Reader() = default;  // the process dies: nothing more is written
  // Begins, or goes on after a restart or crash.
  virtual void Open(World& world) = 0;
  // Runs until everything committed has been dealt with, durably.
  virtual void Settle(World& world) = 0;
  // What came of each record of the partition, as text that is equal when the outcome is.
  virtual std::string Outcome(World& world, log::Partition partition) = 0;
};

using MakeReader = std::function<std::unique_ptr<Reader>()>;
struct ReaderEntry {
  std::string name;
  MakeReader make;
};
std::vector<ReaderEntry>& Readers();

struct ReaderRegistration {
  ReaderRegistration(std::string name, MakeReader make) {
    Readers().push_back({std::move(name), std::move(make)});
  }
};

}  // namespace tributary::contract
