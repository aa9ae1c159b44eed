// Which revision's rule was in force at a place, asked of the store: for those who have no lane at
// hand (rule_history.h has it for lanes). May block. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "deliver/stored.h"
#include "store/store.h"

namespace tributary::deliver {

// Reads the rules of a lane once, at the first question.
class RuleRevisions {
 public:
  explicit RuleRevisions(const store::Store& store) : store_(store) {}
  // 0: the rule is no longer kept, or the lane has none of its own (a replay). kCorrupt.
  Result<std::uint32_t> At(LaneId lane, Position at);

 private:
  struct Rule {
    std::uint32_t revision = 0;
    std::vector<log::Offset> from;  // per partition
  };
  Result<std::vector<Rule>> Read(LaneId lane) const;

  const store::Store& store_;
  std::map<LaneId, std::vector<Rule>> known_;
};

}  // namespace tributary::deliver
