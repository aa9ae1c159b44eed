// Where in a segment an offset or a time is: one entry for about every 64 KiB of it. Reading goes
// from an entry on, frame by frame. Thread-safe: the writer adds while readers look.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "log/record.h"

namespace tributary::log {

class SparseIndex {
 public:
  static constexpr std::uint64_t kSpacingBytes = 64 * 1024;
  struct Entry {
    Offset offset = 0;           // of the first record at `position`
    UnixMicros at_us = 0;        // its received_at
    std::uint64_t position = 0;  // of a frame (raw) or a block (compressed)
  };

  // In order of position. Kept only if the last kept one is kSpacingBytes away.
  void AddSparse(const Entry& entry);
  void Add(const Entry& entry);
  void CutAt(std::uint64_t position);  // forgets entries at or after it

  // The last entry at or before `offset`; `otherwise` when there is none.
  Entry AtOrBefore(Offset offset, const Entry& otherwise) const;
  // The first entry behind `offset`; nullopt when there is none.
  std::optional<Entry> After(Offset offset) const;
  // The last entry whose time is before `at`.
  Entry Before(UnixMicros at, const Entry& otherwise) const;
  std::vector<Entry> entries() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace tributary::log
