#include "deliver/batch_rows.h"

#include <algorithm>
#include <utility>

namespace tributary::deliver {

void BatchRows::Count(const Batch& batch, bool more) {
  if (batch.stored.attempts == 0) return;
  const std::size_t members = batch.stored.members.size();
  retrying_ = more ? retrying_ + members : retrying_ - members;
}

void BatchRows::Put(Batch batch) {
  const BatchId id = batch.stored.key();
  Erase(id);
  if (batch.stored.after != 0) next_after_[batch.stored.after] = id;
  Count(batch, true);
  batches_.emplace(id, std::move(batch));
}

void BatchRows::Arm(BatchId id) {
  const Batch* batch = Find(id);
  if (batch == nullptr || batches_.contains(batch->stored.after)) return;
  if (batch->fresh()) {
    fresh_.push_back(id);
  } else {
    due_.push_back({batch->times.due, id});
    std::ranges::push_heap(due_, std::greater<>());
  }
}

void BatchRows::PutBack(BatchId id, const StoredBatch& stored, WaitingRows::Times times) {
  Batch& batch = batches_.at(id);
  Count(batch, false);
  batch = {.stored = stored, .times = times, .body = {}};
  Count(batch, true);
  Arm(id);
}

void BatchRows::Erase(BatchId id) {
  const auto found = batches_.find(id);
  if (found == batches_.end()) return;
  Count(found->second, false);
  next_after_.erase(found->second.stored.after);
  batches_.erase(found);
  if (const BatchId next = NextAfter(id); next != 0) {
    next_after_.erase(id);
    Arm(next);
  }
}

BatchRows::Batch* BatchRows::Find(BatchId id) {
  const auto found = batches_.find(id);
  return found == batches_.end() ? nullptr : &found->second;
}

const BatchRows::Batch* BatchRows::Find(BatchId id) const {
  const auto found = batches_.find(id);
  return found == batches_.end() ? nullptr : &found->second;
}

std::optional<BatchId> BatchRows::TakeFresh() {
  while (!fresh_.empty()) {
    const BatchId id = fresh_.front();
    fresh_.pop_front();
    Batch* batch = Find(id);
    if (batch == nullptr || batch->in_flight || !batch->fresh()) continue;
    batch->in_flight = true;
    return id;
  }
  return std::nullopt;
}

void BatchRows::DropStale() {
  while (!due_.empty()) {
    const Batch* batch = Find(due_.front().id);
    if (batch != nullptr && !batch->in_flight && batch->times.due == due_.front().when) return;
    std::ranges::pop_heap(due_, std::greater<>());
    due_.pop_back();
  }
}

std::optional<BatchId> BatchRows::TakeDue(MonoNanos now) {
  DropStale();
  if (due_.empty() || due_.front().when > now) return std::nullopt;
  std::ranges::pop_heap(due_, std::greater<>());
  const BatchId id = due_.back().id;
  due_.pop_back();
  batches_.at(id).in_flight = true;
  return id;
}

std::optional<MonoNanos> BatchRows::NextDue() {
  DropStale();
  if (due_.empty()) return std::nullopt;
  return due_.front().when;
}

BatchId BatchRows::NextAfter(BatchId id) const {
  const auto found = next_after_.find(id);
  return found == next_after_.end() ? 0 : found->second;
}

void BatchRows::ForgetBodies() {
  for (auto& [id, batch] : batches_) batch.body.clear();
}

void BatchRows::SetAfter(BatchId id, BatchId after) {
  Batch& batch = batches_.at(id);
  next_after_.erase(batch.stored.after);
  batch.stored.after = after;
  next_after_[after] = id;
}

}  // namespace tributary::deliver
