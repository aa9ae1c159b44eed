#include "deliver/waiting_rows.h"

#include <algorithm>

namespace tributary::deliver {

void WaitingRows::Put(Position at, const StoredWaiting& stored, Times times) {
  rows_[at] = Row{.stored = stored, .since = times.since};
  due_.push_back({times.due, at});
  std::ranges::push_heap(due_, std::greater<>());
}

const WaitingRows::Row* WaitingRows::Find(Position at) const {
  const auto found = rows_.find(at);
  return found == rows_.end() ? nullptr : &found->second;
}

std::optional<Position> WaitingRows::TakeDue(MonoNanos now) {
  if (due_.empty() || due_.front().when > now) return std::nullopt;
  std::ranges::pop_heap(due_, std::greater<>());
  const Position at = due_.back().at;
  due_.pop_back();
  rows_.at(at).in_flight = true;
  return at;
}

std::optional<MonoNanos> WaitingRows::NextDue() const {
  if (due_.empty()) return std::nullopt;
  return due_.front().when;
}

std::optional<log::Offset> WaitingRows::LowestFrom(Position from) const {
  const auto row = rows_.lower_bound(from);
  if (row == rows_.end() || row->first.partition != from.partition) return std::nullopt;
  return row->first.offset;
}

std::vector<Position> WaitingRows::In(log::Partition partition) const {
  std::vector<Position> out;
  for (auto row = rows_.lower_bound(Position{partition, 0});
       row != rows_.end() && row->first.partition == partition; ++row) {
    out.push_back(row->first);
  }
  return out;
}

}  // namespace tributary::deliver
