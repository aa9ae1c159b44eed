// The log's retention in the conservation simulation, by the rules of log/retention.h: what is too
// old, or past the size limit, goes once every lane has passed it; a lane holds it for so long at
// most; a full log refuses appends, or with `drop_oldest` makes lanes let go at once.
#pragma once

#include <vector>

#include "deliver/sim_kit_test.h"
#include "sim/conservation_events.h"

namespace tributary::deliver::conserve {

class RetentionModel {
 public:
  RetentionModel(Chance& chance, test::MemoryLog& log);

  // Looks at the oldest records of each partition; `received_us` says when one came.
  template <class ReceivedUs>
  void Step(UnixMicros now_us, const ReceivedUs& received_us) {
    for (log::Partition p = 0; p < log_.partitions() && on_; ++p) {
      const log::Offset end = log_.first(p) + kSegment;
      if (end <= log_.committed(p)) Look(p, end, now_us - received_us(p, end - 1));
    }
  }
  bool on() const { return on_; }
  // The size limit is reached, and the log rather refuses than drops.
  bool Full(log::Partition partition) const;
  // Below it lanes were told to let go: what they had not come to may be lost.
  log::Offset asked(log::Partition partition) const { return asked_[partition]; }

 private:
  static constexpr log::Offset kSegment = 8;
  void Look(log::Partition partition, log::Offset end, UnixMicros age_us);

  test::MemoryLog& log_;
  bool on_;
  bool drop_oldest_;
  std::uint64_t records_max_;
  UnixMicros age_max_us_;
  UnixMicros hold_us_;
  std::vector<log::Offset> asked_;
};

}  // namespace tributary::deliver::conserve
