#include "log/retention.h"

#include "base/logging.h"
#include "log/oldest_mark.h"

namespace tributary::log {
namespace {

constexpr MonoNanos kRetryAfterNs = kNanosPerSecond;

}  // namespace

void Holders::Add(std::shared_ptr<Holder> holder) {
  const std::lock_guard lock(mutex_);
  holders_.push_back(std::move(holder));
}

void Holders::Remove(const Holder* holder) {
  const std::lock_guard lock(mutex_);
  std::erase_if(holders_, [holder](const auto& h) { return h.get() == holder; });
}

std::vector<std::shared_ptr<Holder>> Holders::all() const {
  const std::lock_guard lock(mutex_);
  return holders_;
}

bool Retention::Step(std::uint64_t room_needed, bool disk_full) {
  const auto oldest = segments_.oldest_sealed();
  if (!oldest) return false;
  const Segment& segment = oldest->segment;
  const bool over_limit = OverLimit(room_needed, disk_full);
  if (!over_limit && !Expired(segment, policy_.age_us)) return false;
  bool held = false;
  for (const auto& holder : holders_.all()) {
    const Offset cursor = holder->synced_cursor(partition_);
    if (cursor >= segment.end) continue;
    held = true;
    if (MayRelease(segment, over_limit, cursor)) holder->ReleaseBelow(partition_, segment.end);
  }
  if (held || world_.clock->Monotonic() < retry_at_ns_) return false;
  const Status deleted = Delete(segment, oldest->next_base);
  if (deleted) return true;
  retry_at_ns_ = world_.clock->Monotonic() + kRetryAfterNs;
  LogWarn("segment_not_deleted", {{"partition", partition_},
                                  {"segment", segment.name()},
                                  {"reason", deleted.error().message()}});
  return false;
}

bool Retention::OverLimit(std::uint64_t room_needed, bool disk_full) const {
  if (disk_full && policy_.on_full == OnFull::kDropOldest) return true;
  return policy_.size_bytes_max != 0 && segments_.bytes() + room_needed > policy_.size_bytes_max;
}

// Whether a holder that has not passed the oldest segment has had its time, or its share.
bool Retention::MayRelease(const Segment& oldest, bool over_limit, Offset cursor) const {
  if (Expired(oldest, policy_.hold_us)) return true;
  if (over_limit && policy_.on_full == OnFull::kDropOldest) return true;
  return policy_.hold_bytes_max != 0 && segments_.BytesFrom(cursor) > policy_.hold_bytes_max;
}

bool Retention::Expired(const Segment& segment, std::int64_t span_us) const {
  return segment.newest_us <= world_.clock->Now() - span_us;
}

bool Retention::WantsRoll() const {
  const auto active = segments_.last();
  return active && !active->sealed && active->end > active->header.base &&
         Expired(*active, policy_.age_us);
}

Status Retention::Delete(const Segment& segment, Offset oldest_after) {
  TRY(WriteOldestMark(*world_.fs, dir_, oldest_after));
  const std::string doomed = segment.path() + std::string(kDeletedSuffix);
  TRY(world_.fs->Rename(segment.path(), doomed));
  // From here on nobody finds it; a reader that has it open may finish.
  segments_.Remove(segment);
  TRY(world_.fs->Remove(doomed));
  TRY(world_.fs->SyncDir(dir_));
  LogInfo("segment_retained_away", {{"partition", partition_},
                                    {"segment", segment.name()},
                                    {"first", segment.header.base},
                                    {"end", segment.end}});
  return {};
}

}  // namespace tributary::log
