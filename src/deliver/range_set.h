// A set of offsets kept as disjoint, non-adjacent ranges. Memory follows the number of holes, not
// the number of offsets. Not thread-safe.
#pragma once

#include <map>
#include <optional>

#include "log/record.h"

namespace tributary::deliver {

class RangeSet {
 public:
  void Add(log::Offset first, log::Offset end);  // an empty range is fine
  void RemoveBelow(log::Offset end);
  void Remove(log::Offset offset);
  bool Contains(log::Offset offset) const;
  // The lowest member at or after `from`.
  std::optional<log::Offset> FirstFrom(log::Offset from) const;
  bool empty() const { return ranges_.empty(); }
  const std::map<log::Offset, log::Offset>& ranges() const { return ranges_; }  // first → end

 private:
  std::map<log::Offset, log::Offset> ranges_;
};

// How far a lane has come in one partition: everything below cursor() is settled (it has an outcome
// or a row), and of what is above, exactly above().
class Progress {
 public:
  Progress() = default;
  explicit Progress(log::Offset cursor) : cursor_(cursor) {}
  void Settle(log::Offset first, log::Offset end);
  bool Settled(log::Offset offset) const { return offset < cursor_ || above_.Contains(offset); }
  log::Offset cursor() const { return cursor_; }
  const RangeSet& above() const { return above_; }

 private:
  log::Offset cursor_ = 0;
  RangeSet above_;
};

}  // namespace tributary::deliver
