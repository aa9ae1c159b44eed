#include "deliver/range_set.h"

#include <algorithm>
#include <iterator>

namespace tributary::deliver {

void RangeSet::Add(log::Offset first, log::Offset end) {
  if (first >= end) return;
  auto next = ranges_.lower_bound(first);
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->second >= first) {
      before->second = std::max(before->second, end);
      next = before;
    }
  }
  if (next == ranges_.end() || next->first > first) {
    next = ranges_.emplace_hint(next, first, end);
  }
  next->second = std::max(next->second, end);
  for (auto after = std::next(next); after != ranges_.end() && after->first <= next->second;) {
    next->second = std::max(next->second, after->second);
    after = ranges_.erase(after);
  }
}

void RangeSet::RemoveBelow(log::Offset end) {
  auto it = ranges_.begin();
  while (it != ranges_.end() && it->second <= end) it = ranges_.erase(it);
  if (it != ranges_.end() && it->first < end) {
    const log::Offset tail = it->second;
    ranges_.erase(it);
    ranges_.emplace(end, tail);
  }
}

void RangeSet::Remove(log::Offset offset) {
  auto it = ranges_.upper_bound(offset);
  if (it == ranges_.begin()) return;
  --it;
  if (it->second <= offset) return;
  const log::Offset end = it->second;
  it->second = offset;
  if (it->first == offset) ranges_.erase(it);
  if (offset + 1 < end) ranges_.emplace(offset + 1, end);
}

bool RangeSet::Contains(log::Offset offset) const {
  auto it = ranges_.upper_bound(offset);
  return it != ranges_.begin() && std::prev(it)->second > offset;
}

std::optional<log::Offset> RangeSet::FirstFrom(log::Offset from) const {
  if (Contains(from)) return from;
  const auto it = ranges_.lower_bound(from);
  if (it == ranges_.end()) return std::nullopt;
  return it->first;
}

void Progress::Settle(log::Offset first, log::Offset end) {
  if (first > cursor_) {
    above_.Add(first, end);
    return;
  }
  if (end <= cursor_) return;
  cursor_ = end;
  if (above_.empty()) return;
  while (!above_.empty() && above_.ranges().begin()->first <= cursor_) {
    cursor_ = std::max(cursor_, above_.ranges().begin()->second);
    above_.RemoveBelow(above_.ranges().begin()->second);
  }
}

}  // namespace tributary::deliver
