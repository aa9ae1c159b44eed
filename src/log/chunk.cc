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
  // A chunk is larger than the near caches: the headers ahead are asked for while one is read.
  constexpr std::size_t kAhead = 8;
  for (const FrameRun& run : runs_) {
    for (std::size_t i = 0; i < run.starts.size(); ++i) {
      if (i + kAhead < run.starts.size()) {
        __builtin_prefetch(run.bytes.data() + run.starts[i + kAhead]);
      }
      views_.push_back(ViewRecord(run.bytes.data() + run.starts[i], partition_));
    }
  }
}

std::span<const RecordView> FrameChunk::From(Offset from) const {
  std::call_once(views_made_, [this] { MakeViews(); });
  const auto at = std::ranges::lower_bound(views_, from, {}, &RecordView::offset);
  return {at, views_.end()};
}

}  // namespace tributary::log
