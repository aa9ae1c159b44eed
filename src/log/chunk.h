// The one kind of Chunk there is: runs of frames, those of a commit group as the producers encoded
// them (nothing is copied), or those read back from the disk.
//
// The views are made when the first reader asks, so that the writer does not pay for records that
// nobody reads from memory. Thread-safe.
#pragma once

#include <mutex>
#include <vector>

#include "log/batch.h"
#include "log/log.h"

namespace tributary::log {

class FrameChunk final : public Chunk {
 public:
  // The frames are known to be good, in the order of their offsets, all in [first, end).
  FrameChunk(Partition partition, Offset first, Offset end, std::vector<FrameRun> runs);

  Offset first() const override { return first_; }
  Offset end() const override { return end_; }
  std::size_t bytes() const override { return bytes_; }
  std::span<const RecordView> From(Offset from) const override;

 private:
  void MakeViews() const;

  const Partition partition_;
  const Offset first_;
  const Offset end_;
  const std::vector<FrameRun> runs_;
  std::size_t bytes_ = 0;  // of memory, with what the runs reserve
  mutable std::once_flag views_made_;
  mutable std::vector<RecordView> views_;
};

}  // namespace tributary::log
