// Reads the frames of a raw segment one after the other, past whatever is damaged.
//
// A frame whose header does not check is looked for again at every 8 bytes: the checksum starts
// from the segment's random id, so nothing inside a payload can pose as a frame. An intact header
// with a bad payload costs that one record. Sectors that the disk refuses to read, twice, count as
// damaged bytes. One thread; views live until the next call.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "log/frame.h"
#include "os/fs.h"

namespace tributary::log {

// Fills `out` from `pos` as far as the file goes. Pieces that cannot be read even at the second
// try are left zero.
Result<std::size_t> ReadTolerant(const os::File& file, std::uint64_t pos, std::span<char> out);

struct ScanRange {
  std::uint64_t position = 0;  // where a frame begins
  std::uint64_t end = 0;       // where the frames end, or the size of the file
  Offset expected = 0;         // offset of the first record at or after `position`
};

struct ScanItem {
  enum class Kind { kRecord, kCommit, kDamage, kEnd };
  Kind kind = Kind::kEnd;
  std::uint64_t position = 0;  // of the frame; of kEnd: where the next frame would go
  std::uint64_t bytes = 0;
  RecordView record;
  std::string_view frame;  // of a record, whole
  CommitMark commit;
  // Damage: offsets [first, end) are lost, maybe none. `at_end`: no frame follows it, so that
  // nothing is known of how much was lost.
  Offset first = 0;
  Offset end = 0;
  bool at_end = false;
  const char* what = "";
};

class SegmentScan {
 public:
  static constexpr std::size_t kWindowBytes = 256 * 1024;

  SegmentScan(const os::File& file, const ScanRange& range, FrameSeed seed, Partition partition);

  // After kEnd, kEnd again. Between position and end everything behind kEnd is zero.
  Result<ScanItem> Next();
  Offset expected() const { return expected_; }

 private:
  Result<std::string_view> At(std::uint64_t position, std::size_t bytes);
  Result<Frame> FrameAt(std::uint64_t position);
  // The next position with an intact frame header that belongs here, or end_.
  Result<std::uint64_t> Resync(std::uint64_t position);
  Result<bool> ZeroFrom(std::uint64_t position);
  // Steps over the zeros that fill the last sector of a write.
  Result<bool> SkipPadding();
  Result<ScanItem> Damaged();
  ScanItem Lost(const Frame& frame);
  ScanItem Take(const Frame& frame);
  bool Belongs(const Frame& frame) const;

  const os::File& file_;
  const FrameSeed seed_;
  const Partition partition_;
  std::uint64_t position_;
  const std::uint64_t end_;
  Offset expected_;
  std::string window_;
  std::uint64_t window_at_ = 0;
  std::string_view frame_bytes_;  // of the frame parsed last
};

}  // namespace tributary::log
