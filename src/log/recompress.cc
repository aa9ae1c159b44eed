#include "log/recompress.h"

#include "base/check.h"
#include "base/logging.h"
#include "codec/lz4.h"
#include "log/segment_reader.h"

namespace tributary::log {
namespace {

constexpr MonoNanos kTryAgainAfterNs = 10 * kNanosPerSecond;
constexpr MonoNanos kMeasureEveryNs = 250 * kNanosPerMilli;

}  // namespace

// One segment on its way.
struct Recompressor::Job {
  Job(Segment segment, Partition partition, std::unique_ptr<os::File> in, BlockCodec how, int level)
      : raw(std::move(segment)),
        source(std::move(in)),
        scan(*source, {kSegmentHeaderBytes, raw.data_bytes, raw.header.base}, raw.header.seed(),
             partition),
        block_codec(how),
        zstd(level) {}

  void Compress() {
    if (block_codec == BlockCodec::kLz4) return codec::Lz4Compress(frames, stored);
    zstd.Compress(frames, stored);
  }

  Segment raw;
  std::unique_ptr<os::File> source;
  SegmentScan scan;
  std::unique_ptr<os::File> target;
  std::string target_path;
  const BlockCodec block_codec;
  codec::ZstdCompressor zstd;
  codec::ZstdDecompressor unzstd;

  std::string frames;  // of the block being gathered
  BlockHeader block;
  std::string stored, check, out;
  std::uint64_t position = kSegmentHeaderBytes;
  std::uint64_t synced_to = 0;
  std::uint64_t raw_bytes = 0;
  std::vector<SparseIndex::Entry> entries;
};

Recompressor::Recompressor(const LogWorld& world, const LogOptions& options, Partition partition,
                           std::string dir, SegmentSet& segments, DamageLog& damage,
                           Preparer& preparer)
    : world_(world),
      options_(options),
      partition_(partition),
      dir_(std::move(dir)),
      segments_(segments),
      damage_(damage),
      preparer_(preparer),
      measured_at_ns_(world.clock->Monotonic()) {}

Recompressor::~Recompressor() = default;

bool Recompressor::Step(std::uint64_t bytes_written, std::uint64_t next_segment_bytes,
                        bool need_space) {
  if (!options_.recompress || world_.clock->Monotonic() < retry_at_ns_) return false;
  const bool busy = Busy(bytes_written);
  if (busy && !need_space && segments_.RawSealedBytes() < kRawBacklogBytesMax) return false;
  Status done = job_ == nullptr ? Begin() : Status();
  if (done && job_ == nullptr) return false;
  bool finished = false;
  if (done && !segments_.Has(job_->raw)) {
    done = Fail(ErrorCode::kNotFound, "the segment was retained away meanwhile");
  }
  if (done) done = Continue(finished);
  if (done && finished) done = Finish(next_segment_bytes);
  if (!done) Abandon(done.error());
  return done.has_value();
}

bool Recompressor::Busy(std::uint64_t bytes_written) {
  const MonoNanos now = world_.clock->Monotonic();
  const MonoNanos span = now - measured_at_ns_;
  if (span < kMeasureEveryNs) return busy_;
  const double rate = static_cast<double>(bytes_written - measured_bytes_) *
                      static_cast<double>(kNanosPerSecond) / static_cast<double>(span);
  busy_ = rate > static_cast<double>(kBusyBytesPerSecond);
  measured_at_ns_ = now;
  measured_bytes_ = bytes_written;
  return busy_;
}

// Opens the oldest sealed raw segment; no job when there is none.
Status Recompressor::Begin() {
  auto segment = segments_.NextToRecompress();
  if (!segment) return {};
  TRY_ASSIGN(const std::uint64_t free, world_.fs->FreeBytes(dir_));
  if (free < segment->data_bytes / 2) {
    return Fail(ErrorCode::kExhausted, "no space for the compressed form of " + segment->name());
  }
  TRY_ASSIGN(auto source, world_.fs->Open(segment->path(), os::OpenMode::kRead));
  job_ = std::make_unique<Job>(std::move(*segment), partition_, std::move(source), options_.codec,
                               options_.zstd_level);
  Job& job = *job_;
  job.target_path = job.raw.stem + std::string(kCompressedSuffix) + std::string(kTemporarySuffix);
  if (world_.fs->Exists(job.target_path)) TRY(world_.fs->Remove(job.target_path));
  TRY_ASSIGN(job.target, world_.fs->Open(job.target_path, os::OpenMode::kCreate));
  return {};
}

Status Recompressor::Continue(bool& finished) {
  const std::uint64_t before = job_->raw_bytes;
  while (job_->raw_bytes - before < kStepBytes) {
    TRY_ASSIGN(const ScanItem item, job_->scan.Next());
    switch (item.kind) {
      case ScanItem::Kind::kRecord:
        TRY(AddRecord(item));
        break;
      case ScanItem::Kind::kCommit:
        break;  // all of a sealed segment is synced
      case ScanItem::Kind::kDamage: {
        Damage found = DamageAt(job_->raw, partition_, item.position, item.first,
                                item.at_end ? job_->raw.end : item.end, item.what);
        segments_.MarkDamaged(job_->raw);
        damage_.Report(std::move(found));
        return Fail(ErrorCode::kCorrupt, "the segment is damaged and stays as it is");
      }
      case ScanItem::Kind::kEnd:
        if (job_->scan.expected() != job_->raw.end) {
          segments_.MarkDamaged(job_->raw);
          return Fail(ErrorCode::kCorrupt, "the segment ends too early");
        }
        finished = true;
        return FlushBlock();
    }
  }
  return {};
}

Status Recompressor::AddRecord(const ScanItem& item) {
  Job& job = *job_;
  if (!job.frames.empty() && job.frames.size() + item.frame.size() > kBlockBytesMax) {
    TRY(FlushBlock());
  }
  if (job.frames.empty()) {
    job.block = {};
    job.block.codec = job.block_codec;
    job.block.first = item.record.offset;
    job.block.first_at_us = item.record.fields.received_at_us;
  }
  job.raw.newest_us = item.record.fields.received_at_us;
  job.block.end = item.record.offset + 1;
  ++job.block.records;
  job.frames.append(item.frame);
  job.raw_bytes += item.frame.size();
  return {};
}

Status Recompressor::FlushBlock() {
  Job& job = *job_;
  if (job.frames.empty()) return {};
  job.Compress();
  job.block.raw_bytes = static_cast<std::uint32_t>(job.frames.size());
  job.check.clear();
  TRY(UnpackBlock(job.block, job.stored, job.unzstd, job.check));
  CHECK(job.check == job.frames);  // the raw file is going to be thrown away
  job.out.clear();
  EncodeBlock(job.block, job.stored, job.raw.header.seed(), job.out);
  TRY(job.target->WriteAt(job.position, job.out));
  job.entries.push_back({job.block.first, job.block.first_at_us, job.position});
  job.position += job.out.size();
  job.frames.clear();
  if (job.position - job.synced_to < kSyncEveryBytes) return {};
  job.synced_to = job.position;  // now and then, so that the last sync is no big one
  return job.target->SyncData();
}

Status Recompressor::Finish(std::uint64_t next_segment_bytes) {
  Job& job = *job_;
  Segment compressed = job.raw;
  compressed.header.compressed = true;
  if (job.block_codec != BlockCodec::kZstd) compressed.header.version = kCompressedSegmentVersion;
  compressed.header.recycled = false;
  compressed.header.end = job.raw.end;
  compressed.header.newest_us = job.raw.newest_us;
  Trailer trailer;
  trailer.index_position = job.position;
  trailer.id = job.raw.header.id;
  trailer.end = job.raw.end;
  trailer.newest_us = job.raw.newest_us;
  trailer.raw_bytes = job.raw_bytes;
  const std::string index = EncodeIndex(job.entries, trailer, job.raw.header.seed());
  TRY(job.target->WriteAt(job.position, index));
  TRY(job.target->WriteAt(0, EncodeSegmentHeader(compressed.header)));
  TRY(job.target->SyncData());
  compressed.file_bytes = compressed.data_bytes = job.position + index.size();
  compressed.index = std::make_shared<SparseIndex>();
  for (const SparseIndex::Entry& entry : job.entries) compressed.index->Add(entry);
  TRY(world_.fs->Rename(job.target_path, compressed.path()));
  TRY(world_.fs->SyncDir(dir_));
  return Install(compressed, next_segment_bytes);
}

Status Recompressor::Install(const Segment& compressed, std::uint64_t next_segment_bytes) {
  const Segment raw = job_->raw;
  job_.reset();
  LogInfo("segment_recompressed", {{"partition", partition_},
                                   {"segment", raw.name()},
                                   {"bytes_before", raw.data_bytes},
                                   {"bytes", compressed.file_bytes}});
  // Readers change over before the raw file may be written over or vanish.
  CHECK(segments_.Replace(raw, compressed));
  if (preparer_.Recycle(raw.path(), raw.file_bytes, next_segment_bytes)) return {};
  TRY(world_.fs->Remove(raw.path()));
  return world_.fs->SyncDir(dir_);
}

void Recompressor::Abandon(const Error& error) {
  LogWarn("segment_not_recompressed", {{"partition", partition_}, {"reason", error.message()}});
  retry_at_ns_ = world_.clock->Monotonic() + kTryAgainAfterNs;
  if (job_ == nullptr) return;
  IgnoreError(world_.fs->Remove(job_->target_path), "removed at the next start at the latest");
  job_.reset();
}

}  // namespace tributary::log
