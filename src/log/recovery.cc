#include "log/recovery.h"

#include <algorithm>

#include "base/check.h"
#include "base/logging.h"
#include "log/catalog.h"
#include "log/segment_reader.h"

namespace tributary::log {
namespace {

class TailScanner {
 public:
  TailScanner(const os::File& file, const Segment& segment, Partition partition)
      : segment_(segment),
        partition_(partition),
        scan_(file, {kSegmentHeaderBytes, segment.file_bytes, segment.header.base},
              segment.header.seed(), partition) {
    tail_.end = segment.header.base;
    tail_.newest_us = segment.header.previous_newest_us;
    tail_.index = std::make_shared<SparseIndex>();
    synced_below_ = segment.header.base;
  }

  Result<Tail> Run() {
    for (;;) {
      TRY_ASSIGN(const ScanItem item, scan_.Next());
      Take(item);
      if (item.kind == ScanItem::Kind::kEnd || item.at_end) break;
    }
    Judge();
    return std::move(tail_);
  }

 private:
  // A place where the scan stumbled, and how things stood just before it.
  struct Stumble {
    ScanItem item;
    UnixMicros newest_us;
    std::uint64_t records;
  };

  void Take(const ScanItem& item) {
    switch (item.kind) {
      case ScanItem::Kind::kRecord:
        ++tail_.records;
        tail_.newest_us = item.record.fields.received_at_us;
        tail_.index->AddSparse({item.record.offset, tail_.newest_us, item.position});
        break;
      case ScanItem::Kind::kCommit:
        synced_below_ = std::max(synced_below_, item.commit.synced_below);
        tail_.sealed = (item.commit.flags & kCommitSeal) != 0;
        tail_.unsynced = (item.commit.flags & kCommitUnsynced) != 0;
        break;
      case ScanItem::Kind::kDamage:
        stumbles_.push_back({item, tail_.newest_us, tail_.records});
        return;
      case ScanItem::Kind::kEnd:
        break;
    }
    tail_.end = scan_.expected();
    tail_.position = item.position + item.bytes;
  }

  void Judge() {
    for (const Stumble& stumble : stumbles_) {
      const ScanItem& item = stumble.item;
      // Nothing is lost when only a mark is damaged; then the record behind it decides.
      const bool all_synced =
          item.first < item.end ? item.end <= synced_below_ : item.first < synced_below_;
      if (item.at_end || !all_synced) return Cut(stumble);
      tail_.damage.push_back(
          DamageAt(segment_, partition_, item.position, item.first, item.end, item.what));
    }
  }

  void Cut(const Stumble& stumble) {
    const ScanItem& item = stumble.item;
    if (item.first < synced_below_) {
      tail_.damage.push_back(
          DamageAt(segment_, partition_, item.position, item.first, synced_below_, item.what));
    }
    tail_.end = std::max(item.first, synced_below_);
    tail_.position = item.position;
    tail_.newest_us = stumble.newest_us;
    tail_.records = stumble.records;
    tail_.torn = true;
    tail_.sealed = false;
    tail_.index->CutAt(item.position);
  }

  const Segment& segment_;
  const Partition partition_;
  SegmentScan scan_;
  Tail tail_;
  Offset synced_below_ = 0;
  std::vector<Stumble> stumbles_;
};

class Recovery {
 public:
  Recovery(os::FileSystem& fs, const std::string& dir, Partition partition, SegmentSet& segments,
           DamageLog& damage)
      : fs_(fs), dir_(dir), partition_(partition), segments_(segments), damage_(damage) {}

  Result<WritePoint> Run() {
    TRY(fs_.SyncDir(dir_));
    TRY_ASSIGN(catalog_, ReadCatalog(fs_, dir_, partition_));
    TRY(CleanUp());
    for (Damage& found : catalog_.damage) damage_.Report(std::move(found));
    if (!catalog_.segments.empty() && !catalog_.segments.back().header.compressed) {
      TRY(OpenTail(catalog_.segments.back()));
    }
    for (Segment& segment : catalog_.segments) {
      point_.next = std::max(point_.next, segment.end);
      point_.newest_us = std::max(point_.newest_us, segment.newest_us);
      segments_.Add(std::move(segment));
    }
    LeapIfUncertain();
    return point_;
  }

 private:
  Status CleanUp() {
    bool removed = false;
    for (const auto* names : {&catalog_.left_over, &catalog_.expired}) {
      for (const std::string& name : *names) {
        LogInfo("segment_left_over_removed", {{"partition", partition_}, {"name", name}});
        TRY(fs_.Remove(dir_ + "/" + name));
        removed = true;
      }
    }
    return removed ? fs_.SyncDir(dir_) : Status();
  }

  Status OpenTail(Segment& segment) {
    TRY_ASSIGN(std::shared_ptr<os::File> file, fs_.Open(segment.path(), os::OpenMode::kReadWrite));
    TRY(file->SyncData());
    TRY_ASSIGN(Tail tail, ScanTail(*file, segment, partition_));
    for (Damage& found : tail.damage) {
      segment.damaged = true;
      damage_.Report(std::move(found));
    }
    segment.end = tail.end;
    segment.newest_us = tail.newest_us;
    segment.data_bytes = tail.position;
    segment.index = std::move(tail.index);
    segment.file = file;
    segment.sealed = false;
    uncertain_ = tail.sealed || tail.unsynced;
    if (tail.torn) TRY(CutTail(*file, segment));
    if (tail.end == segment.header.base) TRY(SealPrevious());
    point_.position = tail.position;
    // A file that was cut before ends in the middle of a sector.
    point_.room = !tail.torn && !tail.sealed && tail.position % kSectorBytes == 0;
    return {};
  }

  Status CutTail(os::File& file, Segment& segment) {
    LogInfo("log_tail_cut", {{"partition", partition_},
                             {"segment", segment.name()},
                             {"position", segment.data_bytes},
                             {"end", segment.end},
                             {"bytes", segment.file_bytes - segment.data_bytes}});
    TRY(file.Truncate(segment.data_bytes));
    TRY(file.SyncData());
    segment.file_bytes = segment.data_bytes;
    return {};
  }

  // The tail has no record yet: perhaps the crash came before the seal of the one before it.
  Status SealPrevious() {
    const std::size_t count = catalog_.segments.size();
    if (count < 2) return {};
    const Segment& before = catalog_.segments[count - 2];
    const bool fits = before.data_bytes + kSectorBytes <= before.file_bytes;
    if (before.header.compressed || !fits || before.data_bytes < kSegmentHeaderBytes) return {};
    TRY_ASSIGN(const auto file, fs_.Open(before.path(), os::OpenMode::kReadWrite));
    return WriteSeal(*file, before.data_bytes, before.header.seed(), before.end, before.newest_us);
  }

  void LeapIfUncertain() {
    const auto last = segments_.last();
    const bool newest_missing =
        last ? last->header.compressed || catalog_.claimed > last->header.base
             : catalog_.claimed > 0 || !catalog_.damage.empty();
    point_.next = std::max(point_.next, catalog_.oldest);
    if (!uncertain_ && !newest_missing) return;
    Damage lost;
    lost.partition = partition_;
    lost.segment = SegmentStem(point_.next) + std::string(kRawSuffix);
    lost.first = lost.end = point_.next;
    lost.what = "the newest records may be missing: how many is not known";
    point_.next = std::max(point_.next, catalog_.claimed) + kOffsetLeap;
    point_.room = false;
    damage_.Report(std::move(lost));
  }

  os::FileSystem& fs_;
  const std::string dir_;
  const Partition partition_;
  SegmentSet& segments_;
  DamageLog& damage_;
  Catalog catalog_;
  WritePoint point_;
  bool uncertain_ = false;
};

}  // namespace

Result<Tail> ScanTail(const os::File& file, const Segment& segment, Partition partition) {
  return TailScanner(file, segment, partition).Run();
}

Result<WritePoint> RecoverPartition(os::FileSystem& fs, const std::string& dir, Partition partition,
                                    SegmentSet& segments, DamageLog& damage) {
  return Recovery(fs, dir, partition, segments, damage).Run();
}

}  // namespace tributary::log
