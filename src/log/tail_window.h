// The newest chunks in memory, shared by every reader at the tail. Bounded in bytes: the oldest go
// first, readers that hold one keep it alive. Thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "log/chunk.h"

namespace tributary::log {

class TailWindow {
 public:
  explicit TailWindow(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  void Add(std::shared_ptr<const FrameChunk> chunk);
  // The chunk with `from`; null when it is older than the window (or not there yet).
  std::shared_ptr<const Chunk> Find(Offset from) const;

 private:
  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<const FrameChunk>> chunks_;  // by offset, without gaps but leaps
  std::uint64_t bytes_ = 0;
};

}  // namespace tributary::log
