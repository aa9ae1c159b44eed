#include "deliver/rule_history.h"

#include <algorithm>

#include "base/check.h"

namespace tributary::deliver {

void RuleHistory::Add(RuleEntry entry) {
  if (!entries_.empty()) {
    for (std::size_t p = 0; p < entry.from.size(); ++p) {
      CHECK_OP(entry.from[p], >=, entries_.back().from[p]);
    }
  }
  entry.asks_program = entry.matcher != nullptr && entry.matcher->program() != nullptr;
  entries_.push_back(std::move(entry));
}

void RuleHistory::Forget(const log::Log& log) {
  std::size_t over = 0;
  while (over + 1 < entries_.size()) {
    const std::vector<log::Offset>& next = entries_[over + 1].from;
    bool ended = true;
    for (log::Partition p = 0; p < next.size(); ++p) ended = ended && next[p] <= log.first(p);
    if (!ended) break;
    ++over;
  }
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(over));
}

RuleHistory::InForce RuleHistory::At(log::Partition partition, log::Offset offset) const {
  InForce in_force;
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    if (it->from[partition] <= offset) {
      in_force.matcher = it->matcher.get();
      in_force.asks_program = it->asks_program;
      in_force.revision = it->revision;
      return in_force;
    }
    in_force.end = it->from[partition];
  }
  return in_force;
}

std::shared_ptr<const Matcher> RuleHistory::Shared(log::Partition partition,
                                                   log::Offset offset) const {
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    if (it->from[partition] <= offset) return it->matcher;
  }
  return nullptr;
}

}  // namespace tributary::deliver
