// Files of lines that appear whole. Lines gather in a hidden file; at its size or age that file is
// ended: synced, compressed if asked for, renamed, its directory synced. A path `a/orders.ndjson`
// makes
//
//   a/.orders-20261121T190000123Z-000001.ndjson.part     lines so far, never compressed
//   a/.orders-20261121T190000123Z-000001.ndjson.gz.tmp   while it is being compressed
//   a/orders-20261121T190000123Z-000001.ndjson.gz        whole; never written again
//
// The time is when the file was begun (UTC), the number counts on where a name is taken, so that
// names collide neither after a restart nor when the clock went back.
//
// A crash leaves hidden files only. At the next start each is ended: what the crash tore is cut off
// (the lines before it are kept, those that were synced are all there), an empty one is removed,
// and one whose whole file is there already, because the crash came between rename and removal, is
// removed too.
//
// Compression goes chunk by chunk (each a gzip member or a zstd frame of its own, which together
// are one valid file), a piece per Tick(), so that other destinations' files are not held up.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "destinations/line_file.h"
#include "os/clock.h"

namespace tributary::destinations {

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };

struct Rotation {
  std::uint64_t bytes = 0;  // of lines in one file; 0: no limit
  MonoNanos every_ns = 0;   // from a file's first line; 0: no limit
  Compression compression = Compression::kNone;
};

inline constexpr std::size_t kCompressChunkBytes = 1024 * 1024;
inline constexpr MonoNanos kEndAgainAfter = kNanosPerSecond;  // when ending a file failed

class RotatingFile final : public LineSink {
 public:
  // The one object for `path` below `root`; a later call changes its rotation.
  static std::shared_ptr<RotatingFile> Open(os::FileSystem& fs, os::Clock& clock,
                                            const std::string& root, const std::string& path,
                                            const Rotation& rotation);
  RotatingFile(os::FileSystem& fs, os::Clock& clock, std::string root, const std::string& path);

  // A file holds at most `bytes` bytes of lines, or one line.
  Status Append(std::string_view lines) override;
  std::optional<MonoNanos> Tick() override;
  void End() override;
  bool ended() override;

 private:
  // A hidden file whose lines are complete.
  struct Ending {
    std::string base;  // its name when whole, without the compression's ending
    std::shared_ptr<LineFile> part;
    Compression compression;
    std::unique_ptr<os::File> source = {};  // while it is being compressed
    std::unique_ptr<os::File> target = {};
    std::uint64_t read = 0;
    std::uint64_t written = 0;
  };

  void Change(const Rotation& rotation);
  void TakeChange();
  Status Recover();
  Status RecoverPart(const std::string& base);
  Status Begin();
  Status AppendSome(std::string_view& lines);
  void Rotate();
  bool Due() const;
  // True when the file is whole now.
  Result<bool> EndSome(Ending& ending);
  Result<bool> CompressSome(Ending& ending);
  Status MakeWhole(const Ending& ending);

  std::string PartName(const std::string& base) const { return "." + base + ".part"; }
  std::string InDir(const std::string& name) const { return dir_ + "/" + name; }
  std::string Relative(const std::string& name) const;
  bool Taken(const std::string& base) const;

  os::FileSystem& fs_;
  os::Clock& clock_;
  const std::string root_;
  std::string folder_;  // of the path, below the root; may be empty
  std::string stem_;
  std::string extension_;  // with its dot
  const std::string dir_;

  std::mutex wanted_mutex_;  // held for moments only: loops take it
  Rotation wanted_;          // what Open() said last
  std::mutex mutex_;         // held while the disk works
  Rotation rotation_;
  bool recovered_ = false;
  std::shared_ptr<LineFile> part_;  // what lines go to; nullptr: none yet
  std::string base_;                // its
  MonoNanos begun_at_ = 0;
  std::uint64_t bytes_ = 0;
  std::deque<Ending> endings_;
};

}  // namespace tributary::destinations
