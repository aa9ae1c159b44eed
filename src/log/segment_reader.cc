#include "log/segment_reader.h"

#include <algorithm>

#include "log/block.h"

namespace tributary::log {
namespace {

// As against a disk or a process that cannot be read at all.
bool SaysDamaged(const Error& error) {
  return error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kTooLarge;
}

void AppendFrame(FrameRun& run, std::string_view frame) {
  run.starts.push_back(static_cast<std::uint32_t>(run.bytes.size()));
  run.bytes.append(frame);
}

// What a scan found damaged, in terms of the segment, whose end is known.
Damage DamageOf(const Segment& segment, Partition partition, const ScanItem& item) {
  const Offset end = item.at_end ? segment.end : item.end;
  return DamageAt(segment, partition, item.position, item.first, end, item.what);
}

Result<SegmentPart> ReadRaw(const os::File& file, const Segment& segment, Partition partition,
                            const SparseIndex::Entry& start, Offset from, std::uint64_t enough) {
  SegmentPart part;
  part.first = start.offset;
  const ScanRange range{start.position, segment.data_bytes, start.offset};
  SegmentScan scan(file, range, segment.header.seed(), partition);
  for (;;) {
    TRY_ASSIGN(const ScanItem item, scan.Next());
    if (item.kind == ScanItem::Kind::kRecord) AppendFrame(part.run, item.frame);
    if (item.kind == ScanItem::Kind::kDamage) {
      part.damage.push_back(DamageOf(segment, partition, item));
    }
    const bool over =
        item.kind == ScanItem::Kind::kEnd || (item.kind == ScanItem::Kind::kDamage && item.at_end);
    if (over && !item.at_end && scan.expected() < segment.end) {
      part.damage.push_back(DamageAt(segment, partition, item.position, scan.expected(),
                                     segment.end, "the segment ends too early"));
    }
    part.end = over ? segment.end : scan.expected();
    if (over || (item.position + item.bytes >= enough && part.end > from)) return part;
  }
}

CoveredRecord ParseOwn(std::string_view data, FrameSeed seed, Partition partition) {
  const Frame frame = ParseFrame(data, seed, partition);
  if (frame.kind != Frame::Kind::kRecord) return {};
  return {frame.bytes, frame.record.offset};
}

// Takes the frames of a block, which are what the run has from `begin` on, as far as they check;
// the rest is damage.
void TakeBlock(const Segment& segment, Partition partition, std::uint64_t position,
               const BlockHeader& header, std::size_t begin, RecordCheck check, SegmentPart& part) {
  Offset expected = header.first;
  std::size_t at = begin;
  while (at < part.run.bytes.size()) {
    const std::string_view rest = std::string_view(part.run.bytes).substr(at);
    const CoveredRecord frame = check == RecordCheck::kCovered
                                    ? ParseCoveredRecord(rest)
                                    : ParseOwn(rest, segment.header.seed(), partition);
    if (frame.bytes == 0 || frame.offset != expected) break;
    part.run.starts.push_back(static_cast<std::uint32_t>(at));
    at += frame.bytes;
    ++expected;
  }
  part.run.bytes.resize(at);
  if (expected == header.end) return;
  part.damage.push_back(DamageAt(segment, partition, position, expected, header.end,
                                 "a record in a block does not match its checksum"));
}

// Making one takes longer than reading a block with it.
codec::ZstdDecompressor& DecompressorOfThread() {
  thread_local codec::ZstdDecompressor decompressor;
  return decompressor;
}

Result<SegmentPart> ReadCompressed(const os::File& file, const Segment& segment,
                                   Partition partition, const SparseIndex& index, Offset from,
                                   std::size_t bytes_wanted, RecordCheck check) {
  const std::vector<SparseIndex::Entry> entries = index.entries();
  SegmentPart part;
  auto at = std::ranges::upper_bound(entries, from, {}, &SparseIndex::Entry::offset);
  if (at != entries.begin()) --at;
  part.first = part.end = at == entries.begin() ? segment.header.base : at->offset;
  // Whoever wants one record gets one block; whoever wants many has no second copy made of them.
  if (bytes_wanted > kBlockBytesMax) part.run.bytes.reserve(bytes_wanted + kBlockBytesMax);
  for (; at != entries.end(); ++at) {
    const bool last = std::next(at) == entries.end();
    const Offset block_end = last ? segment.end : std::next(at)->offset;
    const std::size_t begin = part.run.bytes.size();
    const auto header = ReadBlock(file, at->position, segment.header.seed(), DecompressorOfThread(),
                                  part.run.bytes);
    if (!header && !SaysDamaged(header.error())) return Fail(header.error());
    if (at->offset > part.end) {
      part.damage.push_back(DamageAt(segment, partition, at->position - 1, part.end, at->offset,
                                     "a block is missing"));
    }
    if (header) {
      TakeBlock(segment, partition, at->position, *header, begin, check, part);
    } else {
      part.damage.push_back(DamageAt(segment, partition, at->position, at->offset, block_end,
                                     header.error().message()));
    }
    part.end = header && !last ? header->end : block_end;
    if (header && last && header->end < segment.end) {
      part.damage.push_back(DamageAt(segment, partition, at->position + header->bytes(),
                                     header->end, segment.end, "a block is missing"));
    }
    if (part.run.bytes.size() >= bytes_wanted && part.end > from) return part;
  }
  if (part.end < segment.end) {
    part.damage.push_back(DamageAt(segment, partition, kSegmentHeaderBytes, part.end, segment.end,
                                   "not one block can be read"));
  }
  part.end = segment.end;
  return part;
}

Result<LoadedIndex> IndexRaw(const os::File& file, const Segment& segment, Partition partition) {
  LoadedIndex loaded{std::make_shared<SparseIndex>(), {}};
  const ScanRange range{kSegmentHeaderBytes, segment.data_bytes, segment.header.base};
  SegmentScan scan(file, range, segment.header.seed(), partition);
  for (;;) {
    TRY_ASSIGN(const ScanItem item, scan.Next());
    if (item.kind == ScanItem::Kind::kRecord) {
      loaded.index->AddSparse(
          {item.record.offset, item.record.fields.received_at_us, item.position});
    }
    if (item.kind == ScanItem::Kind::kDamage) {
      loaded.damage.push_back(DamageOf(segment, partition, item));
    }
    if (item.kind == ScanItem::Kind::kEnd || item.at_end) return loaded;
  }
}

Result<LoadedIndex> IndexCompressed(const os::File& file, const Segment& segment,
                                    Partition partition) {
  LoadedIndex loaded{std::make_shared<SparseIndex>(), {}};
  auto blocks = ReadBlockIndex(file, segment.header.seed());
  if (!blocks) {
    if (blocks.error().code() != ErrorCode::kCorrupt) return Fail(blocks.error());
    TRY_ASSIGN(const std::uint64_t size, file.Size());
    loaded.damage.push_back(
        DamageAt(segment, partition, size, segment.end, segment.end, blocks.error().message()));
    blocks = ScanBlocks(file, segment.header.seed());
    if (!blocks) return Fail(blocks.error());
  }
  for (const SparseIndex::Entry& entry : blocks->entries) loaded.index->Add(entry);
  return loaded;
}

}  // namespace

Damage DamageAt(const Segment& segment, Partition partition, std::uint64_t position, Offset first,
                Offset end, std::string what) {
  Damage damage;
  damage.partition = partition;
  damage.segment = segment.name();
  damage.position = position;
  damage.first = first;
  damage.end = std::max(first, end);
  damage.what = std::move(what);
  return damage;
}

Result<SegmentPart> ReadPart(const os::File& file, const Segment& segment, Partition partition,
                             const SparseIndex& index, Offset from, std::size_t bytes_wanted,
                             RecordCheck check) {
  if (segment.header.compressed) {
    return ReadCompressed(file, segment, partition, index, from, bytes_wanted, check);
  }
  const SparseIndex::Entry begin{segment.header.base, 0, kSegmentHeaderBytes};
  // At least to the next entry, which a great commit puts far away: whoever reads on, if only
  // record by record, finds the rest in the cache, and nobody reads the beginning of an interval
  // twice.
  const SparseIndex::Entry start = index.AtOrBefore(from, begin);
  const auto next = index.After(from);
  return ReadRaw(
      file, segment, partition, start, from,
      std::max(start.position + bytes_wanted, next ? next->position : segment.data_bytes));
}

Result<LoadedIndex> LoadIndex(const os::File& file, const Segment& segment, Partition partition) {
  return segment.header.compressed ? IndexCompressed(file, segment, partition)
                                   : IndexRaw(file, segment, partition);
}

}  // namespace tributary::log
