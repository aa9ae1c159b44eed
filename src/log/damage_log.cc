#include "log/damage_log.h"

#include "base/logging.h"

namespace tributary::log {

void DamageLog::Report(Damage damage) {
  {
    const std::lock_guard lock(mutex_);
    // Past the limit nothing new is remembered or counted, so that a ruined disk cannot fill the
    // memory; a thousand places are reason enough to look.
    if (list_.size() >= kDamageListMax) return;
    if (!places_.emplace(damage.segment, damage.position).second) return;
    records_ += damage.end - damage.first;
    list_.push_back(damage);
  }
  LogWarn("segment_damaged", {{"partition", damage.partition},
                              {"segment", damage.segment},
                              {"position", damage.position},
                              {"first", damage.first},
                              {"end", damage.end},
                              {"what", damage.what}});
}

std::vector<Damage> DamageLog::list() const {
  const std::lock_guard lock(mutex_);
  return list_;
}

std::uint64_t DamageLog::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

}  // namespace tributary::log
