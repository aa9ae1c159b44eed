// Reads every byte of a log that no process uses, and says what is wrong with it.
#include <algorithm>
#include <charconv>

#include "log/block.h"
#include "log/catalog.h"
#include "log/damage_log.h"
#include "log/oldest_mark.h"
#include "log/recovery.h"
#include "log/segment_reader.h"

namespace tributary::log {
namespace {

std::optional<Partition> ParsePartition(std::string_view name) {
  Partition partition = 0;
  if (!name.starts_with('p')) return std::nullopt;
  const char* end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + 1, end, partition);
  if (error != std::errc() || at != end) return std::nullopt;
  return partition;
}

class Verifier {
 public:
  Verifier(os::FileSystem& fs, std::string dir, Partition partition, VerifyReport& report)
      : fs_(fs), dir_(std::move(dir)), partition_(partition), report_(report) {}

  Status Run() {
    TRY_ASSIGN(const Catalog catalog, ReadCatalog(fs_, dir_, partition_));
    for (const Damage& found : catalog.damage) Note(found);
    for (const std::string& name : catalog.expired) {
      Note(name, "the segment was retained away, yet it is here");
    }
    for (std::size_t i = 0; i < catalog.segments.size(); ++i) {
      const Segment& segment = catalog.segments[i];
      TRY_ASSIGN(const auto file, fs_.Open(segment.path(), os::OpenMode::kRead));
      ++report_.segments;
      report_.bytes += segment.file_bytes;
      const bool last = i + 1 == catalog.segments.size();
      TRY(segment.header.compressed ? Compressed(*file, segment)
          : last                    ? Active(*file, segment)
                                    : Sealed(*file, segment));
    }
    return NewestMissing(catalog);
  }

 private:
  void Note(const Damage& found) {
    if (report_.damage.size() < kDamageListMax) report_.damage.push_back(found);
  }
  void Note(const std::string& name, std::string what) {
    Damage found;
    found.partition = partition_;
    found.segment = name;
    found.what = std::move(what);
    Note(found);
  }
  void Note(const Segment& segment, std::uint64_t position, std::string what) {
    Note(DamageAt(segment, partition_, position, segment.end, segment.end, std::move(what)));
  }

  // Every block, in pieces that fit into memory.
  Status Compressed(const os::File& file, const Segment& segment) {
    constexpr std::size_t kPieceBytes = 1 << 20;
    TRY_ASSIGN(const LoadedIndex loaded, LoadIndex(file, segment, partition_));
    for (const Damage& found : loaded.damage) Note(found);
    for (Offset from = segment.header.base; from < segment.end;) {
      TRY_ASSIGN(const SegmentPart part, ReadPart(file, segment, partition_, *loaded.index, from,
                                                  kPieceBytes, RecordCheck::kOwn));
      report_.records += part.run.starts.size();
      for (const Damage& found : part.damage) Note(found);
      from = part.end;
    }
    return {};
  }

  Status Sealed(const os::File& file, const Segment& segment) {
    TRY(Frames(file, segment));
    return Behind(file, segment);
  }

  Status Frames(const os::File& file, const Segment& segment) {
    const ScanRange range{kSegmentHeaderBytes, segment.data_bytes, segment.header.base};
    SegmentScan scan(file, range, segment.header.seed(), partition_);
    for (;;) {
      TRY_ASSIGN(const ScanItem item, scan.Next());
      if (item.kind == ScanItem::Kind::kRecord) ++report_.records;
      if (item.kind == ScanItem::Kind::kDamage) {
        Note(DamageAt(segment, partition_, item.position, item.first,
                      item.at_end ? segment.end : item.end, item.what));
      }
      if (item.at_end) return {};
      if (item.kind != ScanItem::Kind::kEnd) continue;
      if (scan.expected() < segment.end) {
        Note(DamageAt(segment, partition_, item.position, scan.expected(), segment.end,
                      "the segment ends too early"));
      }
      return {};
    }
  }

  // Behind the frames of a sealed segment stand its seal and zeros.
  Status Behind(const os::File& file, const Segment& segment) {
    const ScanRange range{segment.data_bytes, segment.file_bytes, segment.end};
    SegmentScan scan(file, range, segment.header.seed(), partition_);
    TRY_ASSIGN(ScanItem item, scan.Next());
    if (item.kind == ScanItem::Kind::kCommit) {
      // A recycled file has the bytes of its earlier life from here on.
      if (segment.header.recycled) return {};
      TRY_ASSIGN(item, scan.Next());
    }
    if (item.kind == ScanItem::Kind::kEnd) return {};
    Note(segment, item.position, "bytes behind the last frame are neither a seal nor zero");
    return {};
  }

  Status Active(const os::File& file, Segment segment) {
    TRY_ASSIGN(const Tail tail, ScanTail(file, segment, partition_));
    segment.end = tail.end;
    for (const Damage& found : tail.damage) Note(found);
    report_.records += tail.records;
    if (tail.torn && !segment.header.recycled) {
      Note(segment, tail.position, "bytes behind the last whole record: the next start cuts them");
    }
    sealed_last_ = tail.sealed;
    return {};
  }

  Status NewestMissing(const Catalog& catalog) {
    if (catalog.segments.empty()) return {};
    const Segment& last = catalog.segments.back();
    if (sealed_last_ || last.header.compressed) {
      Note(last.name(), "the segment is sealed, but the one after it is missing");
    }
    return {};
  }

  os::FileSystem& fs_;
  const std::string dir_;
  const Partition partition_;
  VerifyReport& report_;
  bool sealed_last_ = false;
};

}  // namespace

Result<Offset> OldestKept(os::FileSystem& fs, const std::string& dir) {
  return ReadOldestMark(fs, dir);
}

Result<VerifyReport> VerifyLog(os::FileSystem& fs, const std::string& dir) {
  VerifyReport report;
  TRY_ASSIGN(const std::vector<std::string> names, fs.List(dir));
  for (const std::string& name : names) {
    const auto partition = ParsePartition(name);
    if (partition) TRY(Verifier(fs, dir + "/" + name, *partition, report).Run());
  }
  return report;
}

}  // namespace tributary::log
