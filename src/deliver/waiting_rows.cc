#include "deliver/waiting_rows.h"

#include <algorithm>

namespace tributary::deliver {

void WaitingRows::Count(const Row& row, bool more) {
  std::size_t* counter = nullptr;
  if (row.kind == Kind::kFollower) counter = &followers_;
  if (row.kind == Kind::kMember) counter = &members_;
  if (counter != nullptr) *counter = more ? *counter + 1 : *counter - 1;
}

void WaitingRows::Renew(Position at, const Row& row) {
  Row& place = rows_[at];
  Count(place, false);
  Count(row, true);
  place = row;
}

void WaitingRows::Put(Position at, const StoredWaiting& stored, Times times) {
  Renew(at, {.stored = stored, .times = times});
  due_.push_back({times.due, at});
  std::ranges::push_heap(due_, std::greater<>());
}

void WaitingRows::PutFollower(Position at, const StoredWaiting& stored, MonoNanos due) {
  Renew(at, {.stored = stored, .times = {.due = due}, .kind = Kind::kFollower});
}

void WaitingRows::PutMember(Position at, std::uint64_t key, BatchId batch) {
  Renew(at, {.stored = {.key = key}, .batch = batch, .kind = Kind::kMember});
}

void WaitingRows::Erase(Position at) {
  const auto found = rows_.find(at);
  if (found == rows_.end()) return;
  Count(found->second, false);
  rows_.erase(found);
}

const WaitingRows::Row* WaitingRows::Find(Position at) const {
  const auto found = rows_.find(at);
  return found == rows_.end() ? nullptr : &found->second;
}

void WaitingRows::DropStale() {
  while (!due_.empty()) {
    const Row* row = Find(due_.front().at);
    const bool waits = row != nullptr && row->kind == Kind::kRetry && !row->in_flight;
    if (waits && row->times.due == due_.front().when) return;
    std::ranges::pop_heap(due_, std::greater<>());
    due_.pop_back();
  }
}

std::optional<Position> WaitingRows::TakeDue(MonoNanos now) {
  DropStale();
  if (due_.empty() || due_.front().when > now) return std::nullopt;
  std::ranges::pop_heap(due_, std::greater<>());
  const Position at = due_.back().at;
  due_.pop_back();
  rows_.at(at).in_flight = true;
  return at;
}

std::optional<MonoNanos> WaitingRows::NextDue() {
  DropStale();
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
