#include "log/chunk.h"

#include <algorithm>

#include "base/check.h"
#include "log/frame.h"

namespace tributary::log {

FrameChunk::FrameChunk(Partition partition, Offset first, Offset end, std::vector<FrameRun> runs)
    : partition_(partition), first_(first), end_(end), runs_(std::move(runs)) {
  CHECK_OP(first_, <=, end_);
  bytes_ = sizeof(FrameChunk) + runs_.capacity() * sizeof(FrameRun);
  for (const FrameRun& run : runs_) {
    // The views count from the start: whoever bounds chunks by bytes must not be surprised later.
    bytes_ += run.bytes.capacity() + run.starts.capacity() * sizeof(run.starts[0]) +
              run.starts.size() * sizeof(RecordView);
  }
}

void FrameChunk::MakeViews() const {
  std::size_t records = 0;
  for (const FrameRun& run : runs_) records += run.starts.size();
  views_.reserve(records);
  for (const FrameRun& run : runs_) {
    for (const std::uint32_t start : run.starts) {
      views_.push_back(ViewRecord(run.bytes.data() + start, partition_));
    }
  }
}

std::span<const RecordView> FrameChunk::From(Offset from) const {
  std::call_once(views_made_, [this] { MakeViews(); });
  const auto at = std::ranges::lower_bound(views_, from, {}, &RecordView::offset);
  return {at, views_.end()};
}

}  // namespace tributary::log
