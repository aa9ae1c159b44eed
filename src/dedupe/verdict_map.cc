#include "dedupe/verdict_map.h"

#include <algorithm>

#include "base/check.h"
#include "base/logging.h"

namespace tributary::dedupe {

using log::Offset;

void VerdictMap::StartAt(Offset decided) {
  const std::lock_guard lock(mutex_);
  recent_base_ = decided;
  recent_.clear();
  decided_.store(decided, std::memory_order_release);
  synced_.store(decided, std::memory_order_release);
}

void VerdictMap::SetSegments(std::vector<log::Log::SegmentInfo> segments) {
  const std::lock_guard lock(mutex_);
  segments_ = std::move(segments);
}

void VerdictMap::Append(const std::vector<bool>& verdicts) {
  const std::lock_guard lock(mutex_);
  recent_.insert(recent_.end(), verdicts.begin(), verdicts.end());
  decided_.store(recent_base_ + recent_.size(), std::memory_order_release);
}

void VerdictMap::SkipTo(Offset first) {
  CHECK_OP(first, >, decided());
  CHECK_OP(synced(), ==, decided());
  StartAt(first);
}

void VerdictMap::SetSynced(Offset synced) {
  const std::lock_guard lock(mutex_);
  CHECK_OP(synced, <=, decided());
  synced_.store(synced, std::memory_order_release);
  if (recent_.size() > kRecentMax) TrimLocked();
}

void VerdictMap::TrimLocked() {
  const Offset base = std::min(synced(), recent_base_ + recent_.size() - kRecentMax / 2);
  recent_.erase(recent_.begin(),
                recent_.begin() + static_cast<std::ptrdiff_t>(base - recent_base_));
  recent_base_ = base;
}

std::vector<bool> VerdictMap::Duplicates(Offset first, Offset end) const {
  bool unknown = false;
  return Collect(first, end, &unknown);
}

std::optional<std::vector<bool>> VerdictMap::KnownDuplicates(Offset first, Offset end) const {
  bool unknown = false;
  std::vector<bool> out = Collect(first, end, &unknown);
  return unknown ? std::nullopt : std::optional(std::move(out));
}

std::vector<bool> VerdictMap::Collect(Offset first, Offset end, bool* unknown) const {
  std::vector<bool> out(end > first ? end - first : 0);
  const auto place = [&](Offset at) {
    return out.begin() + static_cast<std::ptrdiff_t>(at - first);
  };
  for (Offset at = first; at < end;) {
    Offset base;
    {
      const std::lock_guard lock(mutex_);
      base = recent_base_;
      if (at >= base) {
        const Offset until = std::min(end, base + recent_.size());
        for (; at < until; ++at) *place(at) = recent_[at - base];
        break;
      }
    }
    Offset next = base;
    const LoadedPtr loaded = SegmentAt(at, base, &next);
    if (loaded != nullptr) {
      *unknown |= loaded->unknown;
      const Offset until = std::min(end, loaded->end);
      for (; at < until; ++at) *place(at) = loaded->bits[at - loaded->first];
    } else {
      at = next;
    }
  }
  return out;
}

VerdictMap::LoadedPtr VerdictMap::SegmentAt(Offset at, Offset recent_base, Offset* next) const {
  log::Log::SegmentInfo segment;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(
        loaded_, [at](const LoadedPtr& l) { return l->first <= at && at < l->end; });
    if (found != loaded_.end()) {
      loaded_.splice(loaded_.begin(), loaded_, found);
      return loaded_.front();
    }
    const auto after = std::ranges::upper_bound(segments_, at, {}, &log::Log::SegmentInfo::first);
    if (after != segments_.end()) *next = std::min(*next, after->first);
    if (after == segments_.begin()) return nullptr;
    segment = *std::prev(after);
    if (segment.sealed && at >= segment.end) return nullptr;
  }
  const Offset until = segment.sealed ? std::min(segment.end, recent_base) : recent_base;
  LoadedPtr loaded = Load(segment, until);
  // What could not be known now may be after the stage has mended it.
  if (!loaded->unknown) Keep(loaded);
  return loaded;
}

VerdictMap::LoadedPtr VerdictMap::Load(const log::Log::SegmentInfo& segment, Offset until) const {
  auto out = std::make_shared<Loaded>();
  out->first = segment.first;
  out->end = until;
  out->bits.resize(until - segment.first);
  const VerdictSegment file{partition_, segment.first, segment.path_stem + ".dup"};
  auto pages = LoadVerdicts(fs_, file, false);
  std::string what = pages ? "a page is damaged" : pages.error().ToString();
  if (!pages) pages.emplace();
  bool damaged = false;
  for (Offset at = 0; at < out->bits.size(); at += kVerdictsPerPage) {
    const std::size_t number = at / kVerdictsPerPage;
    const auto wanted = std::min<Offset>(kVerdictsPerPage, out->bits.size() - at);
    const bool good = number < pages->size() && (*pages)[number].decided >= wanted;
    std::optional<std::vector<bool>> bits;
    if (!good) {
      damaged = true;
      bits = rescue_(segment.first + at, segment.first + at + wanted);
      out->unknown |= !bits;
    }
    for (std::uint32_t i = 0; i < wanted; ++i) {
      if (good) out->bits[at + i] = (*pages)[number].bit(i);
      if (bits) out->bits[at + i] = (*bits)[i];
    }
  }
  if (damaged) {
    LogWarn("verdicts_damaged", {{"file", file.path}, {"what", what}, {"rescued", !out->unknown}});
    const std::lock_guard lock(mutex_);
    damaged_.insert(segment.first);
  }
  return out;
}

void VerdictMap::Keep(LoadedPtr loaded) const {
  const std::lock_guard lock(mutex_);
  // Of an active segment an older, shorter load may be here.
  loaded_.remove_if([&](const LoadedPtr& other) { return other->first == loaded->first; });
  loaded_.push_front(std::move(loaded));
  if (loaded_.size() > kLoadedSegmentsMax) loaded_.pop_back();
}

std::vector<Offset> VerdictMap::TakeDamaged() {
  const std::lock_guard lock(mutex_);
  std::vector<Offset> out(damaged_.begin(), damaged_.end());
  damaged_.clear();
  return out;
}

void VerdictMap::Reload(Offset segment_first) {
  const std::lock_guard lock(mutex_);
  loaded_.remove_if([&](const LoadedPtr& other) { return other->first == segment_first; });
  damaged_.erase(segment_first);
}

}  // namespace tributary::dedupe
