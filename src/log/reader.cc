#include "log/reader.h"

#include <algorithm>

namespace tributary::log {

void ChunkCache::Add(SegmentId segment, std::shared_ptr<const Chunk> chunk) {
  const std::lock_guard lock(mutex_);
  bytes_ += chunk->bytes();
  entries_.push_front({segment, std::move(chunk)});
  while (bytes_ > kBytesMax && entries_.size() > 1) {
    bytes_ -= entries_.back().chunk->bytes();
    entries_.pop_back();
  }
}

std::shared_ptr<const Chunk> ChunkCache::Find(SegmentId segment, Offset from) {
  const std::lock_guard lock(mutex_);
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    const Chunk& chunk = *at->chunk;
    if (at->segment != segment || from < chunk.first() || from >= chunk.end()) continue;
    entries_.splice(entries_.begin(), entries_, at);
    return entries_.front().chunk;
  }
  return nullptr;
}

Result<std::shared_ptr<const Chunk>> Reader::Read(Offset from, Offset committed,
                                                  std::size_t bytes_wanted) {
  const Offset asked = from;
  from = std::max(from, segments_.first_offset());  // the window may still hold what has gone
  while (from < committed) {
    if (ChunkPtr chunk = window_.Find(from)) return chunk;
    const auto segment = segments_.Find(from);
    if (!segment) break;
    const Offset start = std::max(from, segment->header.base);
    if (start >= committed) break;
    if (start > from) {  // retained away, or a leap
      from = start;
      continue;
    }
    ChunkPtr chunk = cache_.Find(segment->header.id, start);
    if (chunk == nullptr) {
      TRY_ASSIGN(chunk, Load(*segment, start, bytes_wanted));
      if (chunk == nullptr) continue;
    }
    if (!chunk->From(start).empty()) return chunk;
    from = chunk->end();  // all of it was lost
  }
  return Fail(ErrorCode::kNotFound, "nothing at or after offset " + std::to_string(asked) + " yet");
}

Result<Reader::ChunkPtr> Reader::Load(const Segment& segment, Offset from,
                                      std::size_t bytes_wanted) {
  const auto file = Open(segment);
  if (!file) {
    if (file.error().code() != ErrorCode::kNotFound) return Fail(file.error());
    return segments_.Has(segment) ? Missing(segment) : nullptr;
  }
  TRY_ASSIGN(const auto index, IndexOf(segment, **file));
  if (index == nullptr) return ChunkPtr();
  TRY_ASSIGN(SegmentPart part, ReadPart(**file, segment, partition_, *index, from, bytes_wanted));
  if (!Report(segment, part.damage)) return ChunkPtr();
  std::vector<FrameRun> runs;
  runs.push_back(std::move(part.run));
  auto chunk = std::make_shared<FrameChunk>(partition_, part.first, part.end, std::move(runs));
  cache_.Add(segment.header.id, chunk);
  return chunk;
}

Result<std::shared_ptr<const os::File>> Reader::Open(const Segment& segment) {
  if (segment.file != nullptr) return segment.file;
  TRY_ASSIGN(auto opened, fs_.Open(segment.path(), os::OpenMode::kRead));
  return std::shared_ptr<const os::File>(std::move(opened));
}

Result<std::shared_ptr<SparseIndex>> Reader::IndexOf(const Segment& segment, const os::File& file) {
  if (segment.index != nullptr) return segment.index;
  TRY_ASSIGN(LoadedIndex loaded, LoadIndex(file, segment, partition_));
  if (!Report(segment, loaded.damage)) return std::shared_ptr<SparseIndex>();
  segments_.SetIndex(segment, loaded.index);
  return loaded.index;
}

bool Reader::Report(const Segment& segment, const std::vector<Damage>& damage) {
  if (damage.empty()) return true;
  if (!segments_.Has(segment)) return false;
  segments_.MarkDamaged(segment);
  for (const Damage& found : damage) damage_.Report(found);
  return true;
}

Reader::ChunkPtr Reader::Missing(const Segment& segment) {
  damage_.Report(DamageAt(segment, partition_, 0, segment.header.base, segment.end,
                          "the file of the segment is missing"));
  return std::make_shared<FrameChunk>(partition_, segment.header.base, segment.end,
                                      std::vector<FrameRun>());
}

Result<Offset> Reader::OffsetAtTime(UnixMicros at, Offset committed) {
  const auto segment = segments_.FindTime(at);
  if (!segment) return committed;
  Offset from = segment->header.base;
  if (segment->index != nullptr) {
    from = segment->index->Before(at, {from, 0, 0}).offset;
  } else if (const auto file = Open(*segment); file) {
    TRY_ASSIGN(const auto index, IndexOf(*segment, **file));
    if (index != nullptr) from = index->Before(at, {from, 0, 0}).offset;
  }
  while (from < committed) {
    const auto chunk = Read(from, committed, SparseIndex::kSpacingBytes);
    if (!chunk && chunk.error().code() == ErrorCode::kNotFound) break;
    if (!chunk) return Fail(chunk.error());
    for (const RecordView& record : (*chunk)->From(from)) {
      if (record.fields.received_at_us >= at) return record.offset;
    }
    from = (*chunk)->end();
  }
  return committed;
}

}  // namespace tributary::log
