#include "log/tail_window.h"

#include <algorithm>

namespace tributary::log {

void TailWindow::Add(std::shared_ptr<const FrameChunk> chunk) {
  std::deque<std::shared_ptr<const FrameChunk>> evicted;  // freed outside the lock
  const std::lock_guard lock(mutex_);
  bytes_ += chunk->bytes();
  chunks_.push_back(std::move(chunk));
  while (bytes_ > bytes_max_) {
    bytes_ -= chunks_.front()->bytes();
    evicted.push_back(std::move(chunks_.front()));
    chunks_.pop_front();
  }
}

std::shared_ptr<const Chunk> TailWindow::Find(Offset from) const {
  const std::lock_guard lock(mutex_);
  const auto at =
      std::ranges::upper_bound(chunks_, from, {}, [](const auto& c) { return c->end(); });
  if (at == chunks_.end() || (*at)->first() > from) return nullptr;
  return *at;
}

}  // namespace tributary::log
