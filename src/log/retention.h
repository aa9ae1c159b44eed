// Decides which segments go: those whose age is over, and the oldest when the size limit needs the
// room, once every holder's durable cursor has passed them.
//
// A holder keeps what it has not passed for `hold_us`, and no more than `hold_bytes_max`; then it
// is told to let go (ReleaseBelow), and the segment goes when its cursor has moved. With
// OnFull::kDropOldest the size limit, and a full disk, tell it the same at once; with kReject
// appends fail instead.
//
// Order of a deletion: holders' cursors durable past it, the `oldest` mark synced, renamed to
// `.deleted`, unlinked, directory synced. A crash anywhere is finished by recovery.
// Thread: maintenance, except Add and Remove of holders (any).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/open.h"
#include "log/segment_set.h"

namespace tributary::log {

class Holders {
 public:
  void Add(std::shared_ptr<Holder> holder);
  void Remove(const Holder* holder);
  std::vector<std::shared_ptr<Holder>> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Holder>> holders_;
};

class Retention {
 public:
  Retention(const LogWorld& world, const LogOptions& options, Partition partition, std::string dir,
            SegmentSet& segments, const Holders& holders)
      : world_(world),
        policy_(options.retention),
        partition_(partition),
        dir_(std::move(dir)),
        segments_(segments),
        holders_(holders) {}

  // Looks at the oldest segment. `room_needed`: bytes that the size limit shall leave free.
  // `disk_full`: the next segment could not be made. True when something was deleted.
  bool Step(std::uint64_t room_needed, bool disk_full);

  // The active segment has only records whose age is over: sealing it lets them go.
  bool WantsRoll() const;

 private:
  bool OverLimit(std::uint64_t room_needed, bool disk_full) const;
  bool MayRelease(const Segment& oldest, bool over_limit, Offset cursor) const;
  bool Expired(const Segment& segment, std::int64_t span_us) const;
  Status Delete(const Segment& segment, Offset oldest_after);

  const LogWorld world_;
  const RetentionPolicy& policy_;
  const Partition partition_;
  const std::string dir_;
  SegmentSet& segments_;
  const Holders& holders_;
  MonoNanos retry_at_ns_ = 0;
};

}  // namespace tributary::log
