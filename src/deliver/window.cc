#include "deliver/window.h"

#include <algorithm>

namespace tributary::deliver {

Window::Window(log::Partition partition, std::shared_ptr<const log::Chunk> chunk, log::Offset first,
               log::Offset end, std::vector<bool> duplicates)
    : partition_(partition),
      chunk_(std::move(chunk)),
      first_(first),
      end_(end),
      duplicates_(std::move(duplicates)) {}

std::span<const log::RecordView> Window::From(log::Offset from) const {
  std::span<const log::RecordView> records = chunk_->From(from);
  // A chunk may reach past what is decided.
  if (!records.empty() && records.back().offset >= end_) {
    const auto past = std::ranges::lower_bound(records, end_, {}, &log::RecordView::offset);
    records = records.first(static_cast<std::size_t>(past - records.begin()));
  }
  return records;
}

Result<std::shared_ptr<const Window>> WindowCache::Get(log::Partition partition, log::Offset from) {
  for (const auto& window : recent_) {
    if (window->partition() == partition && window->first() <= from && from < window->end()) {
      return window;
    }
  }
  const log::Offset decided = verdicts_.decided(partition);
  if (from >= decided) return nullptr;
  auto chunk = log_.Read(partition, from, kBytesWanted);
  if (!chunk) {
    if (chunk.error().code() == ErrorCode::kNotFound) return nullptr;
    return std::unexpected(chunk.error());
  }
  const log::Offset first = std::max(from, (*chunk)->first());
  const log::Offset end = std::min((*chunk)->end(), decided);
  if (first >= end) return nullptr;
  auto window = std::make_shared<const Window>(partition, std::move(*chunk), first, end,
                                               verdicts_.Duplicates(partition, first, end));
  recent_.push_front(window);
  if (recent_.size() > kWindows) recent_.pop_back();
  return window;
}

}  // namespace tributary::deliver
