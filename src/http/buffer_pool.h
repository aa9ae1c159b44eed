// The memory that requests are read into, shared by the connections of one server. A connection
// holds a buffer only while a request is on its way, so idle connections cost nothing, and the last
// buffer given back, still in the processor's cache, is the next one taken.
//
// One thread. The bytes lent out are bounded; so are those kept for later.
#pragma once

#include <bit>
#include <cstddef>
#include <memory>
#include <vector>

namespace tributary::http {

struct Buffer {
  std::unique_ptr<char[]> data;
  std::size_t capacity = 0;
};

class BufferPool {
 public:
  static constexpr std::size_t kBufferBytesMin = 16 * 1024;
  static constexpr std::size_t kKeptBytesMax = 8 * 1024 * 1024;

  explicit BufferPool(std::size_t lent_bytes_max) : lent_bytes_max_(lent_bytes_max) {}

  // A buffer of at least `bytes_min`, or an empty one when the pool's limit does not allow it.
  Buffer Take(std::size_t bytes_min) {
    const std::size_t capacity = std::bit_ceil(std::max(bytes_min, kBufferBytesMin));
    if (lent_bytes_ + capacity > lent_bytes_max_) return {};
    lent_bytes_ += capacity;
    auto& kept = ClassOf(capacity);
    if (kept.empty()) return {std::make_unique_for_overwrite<char[]>(capacity), capacity};
    Buffer buffer{std::move(kept.back()), capacity};
    kept.pop_back();
    kept_bytes_ -= capacity;
    return buffer;
  }

  void Give(Buffer buffer) {
    if (!buffer.data) return;
    lent_bytes_ -= buffer.capacity;
    if (kept_bytes_ + buffer.capacity > kKeptBytesMax) return;
    kept_bytes_ += buffer.capacity;
    ClassOf(buffer.capacity).push_back(std::move(buffer.data));
  }

  std::size_t lent_bytes() const { return lent_bytes_; }

 private:
  std::vector<std::unique_ptr<char[]>>& ClassOf(std::size_t capacity) {
    return kept_[static_cast<std::size_t>(std::countr_zero(capacity))];
  }

  std::vector<std::unique_ptr<char[]>> kept_[64];  // by power of two
  std::size_t lent_bytes_max_;
  std::size_t lent_bytes_ = 0;
  std::size_t kept_bytes_ = 0;
};

}  // namespace tributary::http
