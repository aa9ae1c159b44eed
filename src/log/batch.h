// What the writer may do with a batch that nobody else may: see and move its bytes.
#pragma once

#include <string>
#include <vector>

#include "log/log.h"

namespace tributary::log {

// Whole record frames, one after the other, and where each begins.
struct FrameRun {
  std::string bytes;
  std::vector<std::uint32_t> starts;
};

class BatchAccess {
 public:
  static std::string& bytes(Batch& batch) { return batch.bytes_; }
  static const std::vector<std::uint32_t>& starts(const Batch& batch) { return batch.starts_; }
  static FrameRun Take(Batch& batch) { return {std::move(batch.bytes_), std::move(batch.starts_)}; }
};

}  // namespace tributary::log
