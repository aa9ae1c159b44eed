// A stretch of the log together with its verdicts, decoded once and shared by all lanes of a loop.
//
// Lanes at the tail ask for the same offsets one after another and get the same window; a lane that
// lags reads windows of its own, which the others do not need and which soon leave the cache.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "deliver/header_classes.h"
#include "log/log.h"
#include "log/verdicts.h"

namespace tributary::deliver {

// Records [first, end) of one partition, all of them decided. Immutable.
class Window {
 public:
  Window(log::Partition partition, std::shared_ptr<const log::Chunk> chunk, log::Offset first,
         log::Offset end, std::vector<bool> duplicates);
  log::Partition partition() const { return partition_; }
  log::Offset first() const { return first_; }
  log::Offset end() const { return end_; }
  // The records at or after `from`; offsets in between may be lost to damage.
  std::span<const log::RecordView> From(log::Offset from) const;
  bool IsDuplicate(log::Offset offset) const { return duplicates_[offset - first_]; }
  std::size_t bytes() const { return chunk_->bytes(); }  // of the memory that it keeps alive

 private:
  log::Partition partition_;
  std::shared_ptr<const log::Chunk> chunk_;
  log::Offset first_;
  log::Offset end_;
  std::vector<bool> duplicates_;
};

// What is in a window, for those that want nothing of it.
struct WindowSummary {
  std::vector<std::uint32_t> classes;  // of its records but the duplicates, each once
  // How many records of each kind, without duplicates.
  std::array<std::uint64_t, log::kKindsMax> of_kind = {};
};

// Belongs to one loop; its thread only. Reading may read a file: what a lane that lags needs.
class WindowCache {
 public:
  WindowCache(log::Log& log, const log::Verdicts& verdicts) : log_(log), verdicts_(verdicts) {}
  // The window that begins at or covers `from`, nullptr when nothing there is decided yet.
  Result<std::shared_ptr<const Window>> Get(log::Partition partition, log::Offset from);
  // Of a window that Get() just gave. nullptr the first time it was given: who reads a window alone
  // needs no summary.
  const WindowSummary* SummaryOf(const Window& window);
  const HeaderClasses& classes() const { return classes_; }

  // What is kept: so many windows, and so many bytes of them (or one window, if that has more). A
  // window at the tail is a whole commit of the log, megabytes under a flood, and is kept alive
  // here after the log has let go of it.
  static constexpr std::size_t kWindowsMax = 16;
  static constexpr std::size_t kBytesMax = 16 << 20;
  // Lanes that read no more than this in a turn meet each other's windows in the cache.
  static constexpr std::size_t kWindowsPerTurn = kWindowsMax / 2;
  static constexpr std::size_t kBytesPerTurn = kBytesMax / 2;

  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kBytesWanted = 256 * 1024;
  log::Log& log_;
  const log::Verdicts& verdicts_;
  struct Recent {
    std::shared_ptr<const Window> window;
    std::size_t given = 0;
    std::uint64_t generation = 0;  // of the classes in `summary`; 0: not made
    WindowSummary summary;
  };
  void Keep(std::shared_ptr<const Window> window);
  void Summarise(Recent& recent);

  HeaderClasses classes_;
  std::deque<Recent> recent_;
  std::size_t bytes_ = 0;  // of the windows in it
};

}  // namespace tributary::deliver
