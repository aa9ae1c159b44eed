// The delivery log: every attempt of every delivery, kept as long as its limits of age and bytes
// allow. It says how a delivery came to its state; the state itself is in the ledger (ledger.h).
// The bytes are in docs/specs/delivery-log.md.
//
// Durability. Attempts are written within kDeliveryLogFlush of being appended and synced when they
// are merged, and by Close(). A crash of the process loses the last moments, a power cut also what
// was not merged; never more than the details of attempts. A torn end is cut when opened. A damaged
// block before whole ones is named in the log line `delivery_log_damaged`, counted and passed over.
//
// Failure. When the disk fails, or attempts come faster than they can be written, they are counted
// as lost and deliveries go on.
//
// Threads. Append from any thread: one short lock, nothing allocated for a success. Find from any
// thread, may block. All writing happens on `executor`, whose thread may block; Close() after it
// has ended.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "deliver/stored.h"
#include "metrics/registry.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/fs.h"

namespace tributary::deliver {

inline constexpr MonoNanos kDeliveryLogFlush = 25 * kNanosPerMilli;
inline constexpr std::size_t kDeliveryLogQueueMax = 262'144;   // attempts not yet written
inline constexpr std::size_t kDeliveryLogMergeRows = 131'072;  // kept in memory until merged
inline constexpr std::size_t kDeliveryLogMergeTextBytes = 4 << 20;
// Of a merged block: what one trace unpacks per destination.
inline constexpr std::size_t kDeliveryLogBlockRows = 1'024;

struct DeliveryLogWorld {
  os::FileSystem* fs = nullptr;
  os::Clock* clock = nullptr;
  os::Executor* executor = nullptr;
  metrics::Registry* metrics = nullptr;  // may be nullptr
};

struct DeliveryLogOptions {
  std::string dir;  // DATA/delivery_log
  std::uint64_t size_bytes_max = 10ULL << 30;
  std::int64_t age_us = 7LL * 86'400 * kMicrosPerSecond;
  std::size_t merge_rows = kDeliveryLogMergeRows;
  std::size_t block_rows = kDeliveryLogBlockRows;
};

struct DeliveryLogStats {
  std::uint64_t bytes = 0;     // on disk
  std::uint64_t attempts = 0;  // on disk and in memory
  std::uint64_t dropped = 0;   // attempts that a limit took, since start
  std::uint64_t lost = 0;      // attempts that could not be written, since start
  std::uint64_t damaged = 0;   // times that damage was met and passed over, since start
};

class DeliveryLog {
 public:
  // Makes the directory, cuts torn ends, reads what was not merged. kCorrupt or kIo with the file.
  static Result<std::unique_ptr<DeliveryLog>> Open(DeliveryLogWorld world,
                                                   DeliveryLogOptions options);
  virtual ~DeliveryLog() = default;

  virtual void Append(LaneId lane, Position at, const StoredAttempt& attempt) = 0;
  // The attempts of one pair, by number, also those that are not written yet.
  virtual Result<std::vector<StoredAttempt>> Find(LaneId lane, Position at) const = 0;
  virtual DeliveryLogStats stats() const = 0;
  // Writes and syncs what there is.
  virtual Status Close() = 0;
};

}  // namespace tributary::deliver
