#include "sim/conservation_retention.h"

#include <algorithm>

namespace tributary::deliver::conserve {

RetentionModel::RetentionModel(Chance& chance, test::MemoryLog& log)
    : log_(log),
      on_(chance.Percent(50)),
      drop_oldest_(chance.Percent(50)),
      records_max_(16 + chance.Pick(40)),
      age_max_us_(static_cast<UnixMicros>(100'000 + chance.Pick(2'000'000))),
      hold_us_(static_cast<UnixMicros>(300'000 + chance.Pick(2'000'000))),
      asked_(log.partitions()) {}

void RetentionModel::Look(log::Partition p, log::Offset end, UnixMicros age_us) {
  const bool over = log_.committed(p) - log_.first(p) > records_max_;
  if (!over && age_us < age_max_us_) return;
  if (log_.HeldFrom(p) >= end) {
    log_.RetainTo(p, end);
  } else if ((over && drop_oldest_) || age_us >= std::max(age_max_us_, hold_us_)) {
    asked_[p] = std::max(asked_[p], end);
    log_.AskRelease(p, end);
  }
}

bool RetentionModel::Full(log::Partition p) const {
  return on_ && !drop_oldest_ && log_.assigned(p) - log_.first(p) > records_max_ + kSegment;
}

}  // namespace tributary::deliver::conserve
