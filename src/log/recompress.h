// Turns sealed raw segments into compressed ones, in pieces, when the log has time for it.
//
// Each block is decompressed again and compared before the raw file may go. Order: the new file
// is written under a temporary name and synced, renamed, the directory synced; only then do readers
// change over and the raw file is reused for the next segment, or removed. A crash anywhere leaves
// a temporary file, or both forms: recovery keeps the compressed one, which is complete since
// before it had its name.
//
// A segment with damage is left as it is: what is there may be worth more than space.
// While records come in fast, recompression waits, so that it does not take the writer's core,
// until so many raw bytes have gathered that the disk matters more (kRawBacklogBytesMax).
// Thread: maintenance.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/zstd.h"
#include "log/block.h"
#include "log/damage_log.h"
#include "log/open.h"
#include "log/prepare.h"
#include "log/scan.h"
#include "log/segment_set.h"

namespace tributary::log {

class Recompressor {
 public:
  static constexpr std::uint64_t kStepBytes = 1ULL << 20;  // of raw frames in one step
  static constexpr std::uint64_t kSyncEveryBytes = 4ULL << 20;
  static constexpr std::uint64_t kBusyBytesPerSecond = 8ULL << 20;
  static constexpr std::uint64_t kRawBacklogBytesMax = 8ULL << 30;

  Recompressor(const LogWorld& world, const LogOptions& options, Partition partition,
               std::string dir, SegmentSet& segments, DamageLog& damage, Preparer& preparer);
  ~Recompressor();

  // `bytes_written` so far in all tells how busy the log is; `need_space`: do not wait.
  // True when there is more to do at once.
  bool Step(std::uint64_t bytes_written, std::uint64_t next_segment_bytes, bool need_space);

 private:
  struct Job;
  bool Busy(std::uint64_t bytes_written);
  Status Begin();
  Status Continue(bool& finished);
  Status AddRecord(const ScanItem& item);
  Status FlushBlock();
  Status Finish(std::uint64_t next_segment_bytes);
  Status Install(const Segment& compressed, std::uint64_t next_segment_bytes);
  void Abandon(const Error& error);

  const LogWorld world_;
  const LogOptions& options_;
  const Partition partition_;
  const std::string dir_;
  SegmentSet& segments_;
  DamageLog& damage_;
  Preparer& preparer_;
  std::unique_ptr<Job> job_;
  MonoNanos retry_at_ns_ = 0;
  MonoNanos measured_at_ns_ = 0;
  std::uint64_t measured_bytes_ = 0;
  bool busy_ = false;
};

}  // namespace tributary::log
