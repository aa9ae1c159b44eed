// Which rule a destination had at which offset. A record is judged by the rule in force at its own
// offset, whenever it is looked at, so that a lane that lags, a restart and an audit all agree.
// Immutable except for Add(); belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "deliver/matcher.h"
#include "deliver/stored.h"
#include "log/log.h"

namespace tributary::deliver {

inline constexpr std::size_t kRulesKeptMax = 1'000;  // in force since different offsets

struct RuleEntry {
  std::uint32_t revision = 0;
  std::vector<log::Offset> from;           // per partition
  std::shared_ptr<const Matcher> matcher;  // nullptr: matches nothing (`enabled: false`)
  bool asks_program = false;               // Add() finds out
};

class RuleHistory {
 public:
  // Entries in the order made; an entry's `from` is nowhere below its predecessor's.
  void Add(RuleEntry entry);
  std::size_t size() const { return entries_.size(); }
  // Forgets entries that ended at or before the first readable offset of every partition.
  void Forget(const log::Log& log);

  // The rule for records from `offset` until `end` (exclusive; ~0 for the last one).
  struct InForce {
    // nullptr: nothing matches. Lives as long as the history, or as long as it is shared (Shared).
    const Matcher* matcher = nullptr;
    bool asks_program = false;  // the matcher has one
    std::uint32_t revision = 0;
    log::Offset end = ~log::Offset{0};
  };
  InForce At(log::Partition partition, log::Offset offset) const;
  // The same rule for whoever keeps it, or asks it on another thread.
  std::shared_ptr<const Matcher> Shared(log::Partition partition, log::Offset offset) const;

 private:
  std::vector<RuleEntry> entries_;
};

}  // namespace tributary::deliver
