// One partition of the log: everything of it joined together, and its two loop bodies.
// Threads as in log.h.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/open.h"
#include "log/reader.h"
#include "log/recompress.h"
#include "log/retention.h"
#include "log/writer.h"

namespace tributary::log {

class PartitionLog {
 public:
  // `dir` exists. `wake` is called on the writer thread after each commit, once its
  // waiters are answered.
  static Result<std::unique_ptr<PartitionLog>> Open(const LogWorld& world,
                                                    const LogOptions& options, Partition partition,
                                                    std::string dir, DamageLog& damage,
                                                    const Holders& holders, Writer::Committed wake);

  Status Append(std::unique_ptr<Batch>& batch, AppendDone done) {
    return queue_.Push(batch, std::move(done));
  }
  Offset first() const;
  Offset committed() const { return committed_.load(std::memory_order_acquire); }
  Offset assigned() const { return writer_->assigned(); }
  Result<std::shared_ptr<const Chunk>> Read(Offset from, std::size_t bytes_wanted) {
    return reader_.Read(from, committed(), bytes_wanted);
  }
  Result<Offset> OffsetAtTime(UnixMicros at) { return reader_.OffsetAtTime(at, committed()); }
  std::vector<Log::SegmentInfo> segments() const;
  void AddStats(Stats& stats) const;
  // Fills in what is wrong, if anything.
  void AddHealth(Health& health) const;

  bool WriterStep() { return writer_->Step(); }
  void WaitForWork();
  bool MaintainStep();
  void Close();
  bool closed() const { return writer_->closed(); }

 private:
  PartitionLog(const LogWorld& world, const LogOptions& options, Partition partition,
               std::string dir, DamageLog& damage, const Holders& holders);
  Status Start(Writer::Committed wake);
  Status MayGrow(std::uint64_t bytes) const;

  const LogWorld world_;
  const LogOptions& options_;
  const Partition partition_;
  const std::string dir_;
  DamageLog& damage_;
  SegmentSet segments_;
  TailWindow window_;
  CommitQueue queue_;
  Preparer preparer_;
  Reader reader_;
  Retention retention_;
  Recompressor recompressor_;
  std::atomic<Offset> committed_{0};
  std::unique_ptr<Writer> writer_;
};

}  // namespace tributary::log
