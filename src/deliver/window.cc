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
  for (Recent& recent : recent_) {
    const Window& window = *recent.window;
    if (window.partition() == partition && window.first() <= from && from < window.end()) {
      ++recent.given;
      return recent.window;
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
  Keep(window);
  return window;
}

void WindowCache::Keep(std::shared_ptr<const Window> window) {
  bytes_ += window->bytes();
  recent_.push_front({.window = std::move(window), .given = 1, .summary = {}});
  while (recent_.size() > kWindowsMax || (bytes_ > kBytesMax && recent_.size() > 1)) {
    bytes_ -= recent_.back().window->bytes();
    recent_.pop_back();
  }
}

const WindowSummary* WindowCache::SummaryOf(const Window& window) {
  const auto same = [&](const Recent& recent) { return recent.window.get() == &window; };
  const auto found = std::ranges::find_if(recent_, same);
  if (found == recent_.end() || found->given < 2) return nullptr;
  if (found->generation != classes_.generation()) Summarise(*found);
  return &found->summary;
}

void WindowCache::Summarise(Recent& recent) {
  if (classes_.full()) classes_.Clear();
  WindowSummary& summary = recent.summary;
  summary = {};
  for (const log::RecordView& record : recent.window->From(recent.window->first())) {
    if (recent.window->IsDuplicate(record.offset)) continue;
    const auto kind = static_cast<std::size_t>(record.fields.kind);
    if (kind < summary.of_kind.size()) ++summary.of_kind[kind];
    summary.classes.push_back(classes_.NumberOf(record.fields));
  }
  std::ranges::sort(summary.classes);
  const auto repeated = std::ranges::unique(summary.classes);
  summary.classes.erase(repeated.begin(), repeated.end());
  recent.generation = classes_.generation();
}

}  // namespace tributary::deliver
