#include "log/sparse_index.h"

#include <algorithm>

namespace tributary::log {

void SparseIndex::AddSparse(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  if (!entries_.empty() && entry.position - entries_.back().position < kSpacingBytes) return;
  entries_.push_back(entry);
}

void SparseIndex::Add(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  entries_.push_back(entry);
}

void SparseIndex::CutAt(std::uint64_t position) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [position](const Entry& e) { return e.position >= position; });
}

SparseIndex::Entry SparseIndex::AtOrBefore(Offset offset, const Entry& otherwise) const {
  const std::lock_guard lock(mutex_);
  const auto after = std::ranges::upper_bound(entries_, offset, {}, &Entry::offset);
  return after == entries_.begin() ? otherwise : *std::prev(after);
}

std::optional<SparseIndex::Entry> SparseIndex::After(Offset offset) const {
  const std::lock_guard lock(mutex_);
  const auto after = std::ranges::upper_bound(entries_, offset, {}, &Entry::offset);
  return after == entries_.end() ? std::nullopt : std::optional(*after);
}

SparseIndex::Entry SparseIndex::Before(UnixMicros at, const Entry& otherwise) const {
  const std::lock_guard lock(mutex_);
  const auto not_before = std::ranges::lower_bound(entries_, at, {}, &Entry::at_us);
  return not_before == entries_.begin() ? otherwise : *std::prev(not_before);
}

std::vector<SparseIndex::Entry> SparseIndex::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

}  // namespace tributary::log
