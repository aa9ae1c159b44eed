#include "log/segment_set.h"

#include <algorithm>

#include "base/check.h"

namespace tributary::log {

std::string Segment::path() const {
  return stem + std::string(header.compressed ? kCompressedSuffix : kRawSuffix);
}
std::string Segment::name() const {
  return SegmentStem(header.base) + std::string(header.compressed ? kCompressedSuffix : kRawSuffix);
}

void SegmentSet::Add(Segment segment) {
  const std::lock_guard lock(mutex_);
  if (!segments_.empty()) {
    CHECK(segments_.back().sealed);
    CHECK_OP(segments_.back().end, <=, segment.header.base);
  }
  segments_.push_back(std::move(segment));
  NoteFirst();
}

void SegmentSet::NoteFirst() {
  if (!segments_.empty()) {
    first_offset_.store(segments_.front().header.base, std::memory_order_release);
  }
}

std::optional<Segment> SegmentSet::Find(Offset from) const {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::upper_bound(segments_, from, {}, &Segment::end);
  if (at == segments_.end()) return std::nullopt;
  return *at;
}

std::optional<Segment> SegmentSet::FindTime(UnixMicros at) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::lower_bound(segments_, at, {}, &Segment::newest_us);
  if (found == segments_.end()) return std::nullopt;
  return *found;
}

std::optional<Segment> SegmentSet::first() const {
  const std::lock_guard lock(mutex_);
  if (segments_.empty()) return std::nullopt;
  return segments_.front();
}

std::optional<Segment> SegmentSet::last() const {
  const std::lock_guard lock(mutex_);
  if (segments_.empty()) return std::nullopt;
  return segments_.back();
}

std::vector<Segment> SegmentSet::all() const {
  const std::lock_guard lock(mutex_);
  return segments_;
}

std::uint64_t SegmentSet::bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.file_bytes;
  return bytes;
}

std::uint64_t SegmentSet::BytesFrom(Offset from) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) {
    if (segment.end > from) bytes += segment.file_bytes;
  }
  return bytes;
}

std::uint64_t SegmentSet::RawSealedBytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Segment& segment : segments_) {
    if (segment.sealed && !segment.header.compressed) bytes += segment.file_bytes;
  }
  return bytes;
}

std::optional<SegmentSet::Oldest> SegmentSet::oldest_sealed() const {
  const std::lock_guard lock(mutex_);
  if (segments_.size() < 2 || !segments_.front().sealed) return std::nullopt;
  return Oldest{segments_.front(), segments_[1].header.base};
}

std::optional<Segment> SegmentSet::NextToRecompress() const {
  const std::lock_guard lock(mutex_);
  for (const Segment& segment : segments_) {
    const bool empty = segment.end == segment.header.base;
    if (segment.sealed && !segment.header.compressed && !segment.damaged && !empty) return segment;
  }
  return std::nullopt;
}

std::size_t SegmentSet::count() const {
  const std::lock_guard lock(mutex_);
  return segments_.size();
}

void SegmentSet::Advance(Offset end, UnixMicros newest_us, std::uint64_t data_bytes) {
  const std::lock_guard lock(mutex_);
  Segment& active = segments_.back();
  CHECK(!active.sealed);
  CHECK_OP(active.end, <=, end);
  active.end = end;
  active.newest_us = newest_us;
  active.data_bytes = data_bytes;
}

void SegmentSet::Seal() {
  const std::lock_guard lock(mutex_);
  Segment& active = segments_.back();
  active.sealed = true;
  active.file.reset();
  if (active.index != nullptr) KeepIndex(active.header.id);
}

bool SegmentSet::Replace(const Segment& old, Segment with) {
  const std::lock_guard lock(mutex_);
  const auto at = Locate(old);
  if (at == segments_.end()) return false;
  *at = std::move(with);
  if (at->index != nullptr) KeepIndex(at->header.id);
  return true;
}

void SegmentSet::Remove(const Segment& segment) {
  const std::lock_guard lock(mutex_);
  const auto at = Locate(segment);
  if (at != segments_.end()) segments_.erase(at);
  NoteFirst();
}

bool SegmentSet::Has(const Segment& segment) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(segments_, [&](const Segment& s) { return s.Is(segment); });
}

void SegmentSet::SetIndex(const Segment& segment, std::shared_ptr<SparseIndex> index) {
  const std::lock_guard lock(mutex_);
  const auto at = Locate(segment);
  if (at == segments_.end()) return;
  at->index = std::move(index);
  KeepIndex(segment.header.id);
}

void SegmentSet::MarkDamaged(const Segment& segment) {
  const std::lock_guard lock(mutex_);
  const auto at = Locate(segment);
  if (at != segments_.end()) at->damaged = true;
}

std::vector<Segment>::iterator SegmentSet::Locate(const Segment& segment) {
  return std::ranges::find_if(segments_, [&](const Segment& s) { return s.Is(segment); });
}

void SegmentSet::KeepIndex(SegmentId id) {
  std::erase(indexed_, id);
  indexed_.push_back(id);
  if (indexed_.size() <= kIndexesKept) return;
  const SegmentId oldest = indexed_.front();
  indexed_.pop_front();
  for (Segment& segment : segments_) {
    if (segment.header.id == oldest && segment.sealed) segment.index.reset();
  }
}

}  // namespace tributary::log
