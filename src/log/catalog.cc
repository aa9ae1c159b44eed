#include "log/catalog.h"

#include <algorithm>
#include <map>

#include "log/oldest_mark.h"
#include "log/segment_reader.h"

namespace tributary::log {
namespace {

class CatalogReader {
 public:
  CatalogReader(os::FileSystem& fs, const std::string& dir, Partition partition)
      : fs_(fs), dir_(dir), partition_(partition) {}

  Result<Catalog> Read() {
    TRY(ReadOldest());
    TRY_ASSIGN(const std::vector<std::string> names, fs_.List(dir_));
    for (const std::string& name : names) TRY(Sort(name));
    for (const auto& [name, claim] : claims_) catalog_.claimed = std::max(catalog_.claimed, claim);
    for (const auto& [base, segment] : found_) catalog_.segments.push_back(segment);
    DropStrangers();
    DropOverlaps();
    TRY(FillEnds());
    NameMissing();
    return std::move(catalog_);
  }

 private:
  void Note(const std::string& name, Offset first, Offset end, std::string what) {
    Damage damage;
    damage.partition = partition_;
    damage.segment = name;
    damage.first = first;
    damage.end = std::max(first, end);
    damage.what = std::move(what);
    catalog_.damage.push_back(std::move(damage));
  }

  Status ReadOldest() {
    const auto oldest = ReadOldestMark(fs_, dir_);
    if (oldest) {
      catalog_.oldest = *oldest;
      return {};
    }
    if (oldest.error().code() != ErrorCode::kCorrupt) return Fail(oldest.error());
    Note(kOldestMarkName, 0, 0, oldest.error().message());
    oldest_known_ = false;
    return {};
  }

  Status Sort(const std::string& name) {
    if (name.ends_with(kTemporarySuffix) || name.ends_with(kDeletedSuffix)) {
      catalog_.left_over.push_back(name);
      return {};
    }
    const auto parsed = ParseSegmentName(name);
    if (!parsed || parsed->base > kOffsetMax) return {};  // somebody else's, beside a segment
    TRY_ASSIGN(const auto file, fs_.Open(dir_ + "/" + name, os::OpenMode::kRead));
    const auto read = ReadSegmentHeader(*file);
    if (!read && !SaysDamaged(read.error())) return Fail(read.error().With(name));
    claims_[name] = parsed->base;
    // Sorted by name, a compressed file comes after its raw form: it wins, being complete since
    // before it got its name.
    if (parsed->compressed && read && Fits(read->header, *parsed)) DropRaw(parsed->base);
    if (!read) {
      Note(name, parsed->base, parsed->base, read.error().message());
      return {};
    }
    return Take(name, *parsed, *read, *file);
  }

  // A header in a sector that cannot be read is as good as a damaged one.
  static bool SaysDamaged(const Error& error) {
    return error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kIo;
  }

  bool Fits(const SegmentHeader& header, const SegmentName& name) const {
    return header.base == name.base && header.compressed == name.compressed &&
           header.partition == partition_;
  }

  void DropRaw(Offset base) {
    const std::string raw = SegmentStem(base) + std::string(kRawSuffix);
    if (!fs_.Exists(dir_ + "/" + raw)) return;
    // Whatever it says of itself: it may have been reused already when the power went.
    catalog_.left_over.push_back(raw);
    std::erase(catalog_.expired, raw);  // it is removed once
    found_.erase(base);
    claims_.erase(raw);
    std::erase_if(catalog_.damage, [&](const Damage& damage) { return damage.segment == raw; });
  }

  Status Take(const std::string& name, const SegmentName& parsed, const ReadHeader& read,
              const os::File& file) {
    const SegmentHeader& header = read.header;
    claims_[name] = std::max({parsed.base, header.base, header.end});
    if (!Fits(header, parsed)) {
      Note(name, parsed.base, parsed.base,
           "the file is segment " + SegmentStem(header.base) + " of partition " +
               std::to_string(header.partition) + ", not what its name says");
      return {};
    }
    if (oldest_known_ && header.base < catalog_.oldest) {
      catalog_.expired.push_back(name);
      return {};
    }
    if (read.copy_damaged) {
      Note(name, header.base, header.base,
           "one of the two copies of the segment header is damaged");
    }
    Segment segment;
    segment.header = header;
    segment.stem = dir_ + "/" + SegmentStem(header.base);
    segment.sealed = true;
    segment.damaged = read.copy_damaged;
    TRY_ASSIGN(segment.file_bytes, file.Size());
    found_[header.base] = std::move(segment);
    return {};
  }

  static bool Linked(const Segment& before, const Segment& after) {
    return after.header.previous_id == before.header.id;
  }

  // A segment that neither neighbour knows is not of this log.
  void DropStrangers() {
    std::vector<Segment>& all = catalog_.segments;
    for (std::size_t i = 1; i + 1 < all.size();) {
      const bool stranger = !Linked(all[i - 1], all[i]) && !Linked(all[i], all[i + 1]);
      if (!stranger) {
        ++i;
        continue;
      }
      Note(all[i].name(), all[i].header.base, all[i].header.base,
           "the segment belongs to another log or another time");
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  // Two compressed segments that claim the same offsets: the later one is not ours.
  void DropOverlaps() {
    std::vector<Segment>& all = catalog_.segments;
    for (std::size_t i = 1; i < all.size();) {
      const Segment& before = all[i - 1];
      if (!before.header.compressed || before.header.end <= all[i].header.base) {
        ++i;
        continue;
      }
      Note(all[i].name(), all[i].header.base, all[i].header.base,
           "the segment claims offsets of the one before it");
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  // A sealed raw segment's end stands in the header of the next one; without it, it is scanned.
  Status FillEnds() {
    std::vector<Segment>& all = catalog_.segments;
    for (std::size_t i = 0; i < all.size(); ++i) {
      Segment& segment = all[i];
      const bool last = i + 1 == all.size();
      if (segment.header.compressed) {
        segment.end = segment.header.end;
        segment.newest_us = segment.header.newest_us;
        segment.data_bytes = segment.file_bytes;
      } else if (!last && Linked(segment, all[i + 1])) {
        segment.end = all[i + 1].header.previous_end;
        segment.newest_us = all[i + 1].header.previous_newest_us;
        segment.data_bytes = all[i + 1].header.previous_data_bytes;
      } else if (!last) {
        TRY(ScanEnd(segment, all[i + 1].header.base));
      }
    }
    return {};
  }

  Status ScanEnd(Segment& segment, Offset limit) {
    TRY_ASSIGN(const auto file, fs_.Open(segment.path(), os::OpenMode::kRead));
    segment.end = segment.header.base;
    segment.data_bytes = kSegmentHeaderBytes;
    segment.newest_us = segment.header.previous_newest_us;
    const ScanRange range{kSegmentHeaderBytes, segment.file_bytes, segment.header.base};
    SegmentScan scan(*file, range, segment.header.seed(), partition_);
    for (;;) {
      TRY_ASSIGN(const ScanItem item, scan.Next());
      if (item.kind == ScanItem::Kind::kEnd || item.at_end) return {};
      if (item.kind != ScanItem::Kind::kRecord || item.record.offset >= limit) continue;
      segment.end = item.record.offset + 1;
      segment.newest_us = item.record.fields.received_at_us;
      segment.data_bytes = item.position + item.bytes;
    }
  }

  void NameMissing() {
    const std::vector<Segment>& all = catalog_.segments;
    if (all.empty()) return;
    const Offset base = all.front().header.base;
    if (oldest_known_ && catalog_.oldest < base) {
      Note(SegmentStem(catalog_.oldest) + std::string(kRawSuffix), catalog_.oldest, base,
           "the oldest segment is missing");
    }
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (Linked(all[i - 1], all[i])) continue;
      Note(SegmentStem(all[i - 1].end) + std::string(kRawSuffix), all[i - 1].end,
           all[i].header.base, "a segment is missing, or was replaced by a strange one");
    }
  }

  os::FileSystem& fs_;
  const std::string dir_;
  const Partition partition_;
  Catalog catalog_;
  std::map<Offset, Segment> found_;
  std::map<std::string, Offset> claims_;  // by file name
  bool oldest_known_ = true;
};

}  // namespace

Result<Catalog> ReadCatalog(os::FileSystem& fs, const std::string& dir, Partition partition) {
  return CatalogReader(fs, dir, partition).Read();
}

}  // namespace tributary::log
