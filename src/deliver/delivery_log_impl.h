// The delivery log at work: a queue, the rows not yet merged (in memory, and in a live file that a
// restart reads again), and archives of merged blocks, oldest first.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "deliver/delivery_log.h"
#include "deliver/delivery_log_file.h"

namespace tributary::deliver {

class DeliveryLogImpl final : public DeliveryLog {
 public:
  DeliveryLogImpl(DeliveryLogWorld world, DeliveryLogOptions options);
  ~DeliveryLogImpl() override;
  Status Load();

  void Append(LaneId lane, Position at, const StoredAttempt& attempt) override;
  Result<std::vector<StoredAttempt>> Find(LaneId lane, Position at) const override;
  DeliveryLogStats stats() const override;
  Status Close() override;

 private:
  struct Archive {
    std::uint64_t number = 0;
    std::shared_ptr<DeliveryLogFile> file;
    std::vector<DeliveryLogFile::Block> blocks;
    std::uint64_t rows = 0;
    std::int64_t newest_ms = 0;
    bool writable = true;  // false: opened to be read only
  };
  struct Place {
    std::shared_ptr<DeliveryLogFile> file;
    DeliveryLogFile::Block block;
  };

  Status LoadArchive(std::uint64_t number, bool newest);
  Status LoadLive(const std::string& name, bool newest);
  void NameDamage(const DeliveryLogFile::Opened& opened, bool tail_too) const;
  void Damaged(const std::string& file, std::uint64_t position, const std::string& what) const;
  Status SetAside(const Status& loaded, const std::string& name);
  std::string PathOf(const std::string& name) const { return options_.dir + "/" + name; }

  // Executor thread (or Close).
  void Flush();
  Status WriteLive(const AttemptRows& rows);
  Status MergeLive();
  Status NextArchive();
  void Maintain();
  void DropOldest();
  void Failed(const Status& status, std::size_t rows);
  std::vector<Place> PlacesOf(LaneId lane, Position at) const;

  const DeliveryLogWorld world_;
  const DeliveryLogOptions options_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::vector<std::uint64_t> gauges_;

  // The queue. Appended to by lanes; taken whole by Flush().
  mutable std::mutex queue_mutex_;
  AttemptRows queue_;
  bool scheduled_ = false;
  std::uint64_t lost_ = 0;

  // What Find reads; written by the executor's thread only.
  mutable std::shared_mutex mutex_;
  AttemptRows writing_;  // taken from the queue, on its way to the live file
  AttemptRows live_;
  std::int64_t live_since_us_ = 0;
  std::deque<Archive> archives_;
  std::uint64_t dropped_ = 0;
  mutable std::atomic<std::uint64_t> damaged_ = 0;

  // Executor thread only.
  codec::ZstdCompressor compressor_;
  std::unique_ptr<DeliveryLogFile> live_file_;
  std::uint64_t next_number_ = 0;
  bool failed_ = false;
};

}  // namespace tributary::deliver
