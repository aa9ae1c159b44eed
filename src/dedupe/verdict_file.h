// The verdicts of one segment on disk: a bitmap beside it, `<stem>.dup`, in pages of one sector
// that each say how far they are decided. FORMAT.md has the bytes.
//
// Each page has two places, written in turn, so that a torn write of one never takes what was
// synced in the other; the place with the higher sequence number counts. Space is made ahead as
// zeros, so that a sync has no file size to write down.
//
// Threads: a VerdictWriter belongs to the dedupe thread; LoadVerdicts may be called by any.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/record.h"
#include "os/fs.h"

namespace tributary::dedupe {

inline constexpr std::size_t kVerdictSectorBytes = 512;
inline constexpr std::size_t kVerdictHeadBytes = 16;
inline constexpr std::uint32_t kVerdictsPerPage =
    (kVerdictSectorBytes - kVerdictHeadBytes) * 8;  // 3,968

struct VerdictPage {
  std::uint32_t sequence = 0;  // 0: never written
  std::uint32_t decided = 0;   // how many of its bits are
  std::array<std::uint8_t, kVerdictSectorBytes - kVerdictHeadBytes> bits{};

  bool bit(std::uint32_t i) const { return (bits[i / 8] >> (i % 8) & 1) != 0; }
  void Set(std::uint32_t i, bool duplicate) {
    const auto mask = static_cast<std::uint8_t>(1U << (i % 8));
    bits[i / 8] = static_cast<std::uint8_t>(duplicate ? bits[i / 8] | mask : bits[i / 8] & ~mask);
  }
};

// Which segment a bitmap belongs to; its pages' checksums begin with this.
struct VerdictSegment {
  log::Partition partition = 0;
  log::Offset first = 0;
  std::string path;  // <stem>.dup
};

// The pages of a segment as the disk has them; a page that is damaged or was never written has
// sequence 0. kNotFound when there is no file. `sync_first`: what was only in the page cache is
// made durable before it is believed (recovery).
Result<std::vector<VerdictPage>> LoadVerdicts(os::FileSystem& fs, const VerdictSegment& segment,
                                              bool sync_first);
// How many verdicts from the segment's first offset on are decided without a gap.
std::uint64_t DecidedWithoutGap(const std::vector<VerdictPage>& pages);

class VerdictWriter {
 public:
  // Goes on where the file ends, or makes it. `pages` as LoadVerdicts gave them, cut to what
  // counts.
  VerdictWriter(os::FileSystem& fs, VerdictSegment segment, std::vector<VerdictPage> pages);

  const VerdictSegment& segment() const { return segment_; }
  // The verdict of the next offset; in memory until Sync.
  void Add(bool duplicate);
  std::uint64_t decided() const { return decided_; }
  // Writes what was added and makes it durable, with the file's directory entry if it is new.
  // kExhausted: no space, nothing already durable was touched; may be called again. Every other
  // failure is final.
  Status Sync();

 private:
  Status OpenOrCreate();
  Status MakeRoom(std::uint64_t bytes);

  os::FileSystem& fs_;
  const VerdictSegment segment_;
  const std::uint32_t seed_;
  std::unique_ptr<os::File> file_;
  std::uint64_t file_bytes_ = 0;
  bool entry_durable_ = false;
  std::vector<VerdictPage> pages_;
  std::uint64_t decided_ = 0;
  std::uint32_t dirty_from_ = 0;  // first page changed since the last sync
  bool dirty_ = false;
};

// The file's bytes, whole: for one that is made again.
std::string EncodeVerdicts(const VerdictSegment& segment, const std::vector<bool>& verdicts);

}  // namespace tributary::dedupe
