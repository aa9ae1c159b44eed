// The message-id index on disk: one file per run of at most 65,536 ids that ends where its segment
// ends, sorted by id, in checksummed blocks of 4 KiB. FORMAT.md has the bytes.
//
// A file is written once, whole, and durable before Write returns; after that it is only read or
// removed. Every fault found by a checksum is kCorrupt with the file's name and block; the file can
// always be made again from the log.
//
// Threads: a Run is immutable and may be read by several threads.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "dedupe/id_entry.h"
#include "os/fs.h"

namespace tributary::dedupe {

inline constexpr std::uint32_t kRunIdsMax = 65'536;

struct RunInfo {
  log::Partition partition = 0;
  log::Offset first = 0;  // of the records it covers, whether or not they have an id
  log::Offset end = 0;
  std::int64_t base_s = 0;       // entries' times count from here (whole seconds since 1970)
  std::int64_t newest_s = 0;     // time of the last entry; base_s when there is none
  std::uint64_t ids_before = 0;  // entries of all earlier runs, since the index began
  std::uint32_t entries = 0;
  std::uint32_t originals = 0;

  std::uint64_t ids_end() const { return ids_before + entries; }
};

// Keeps the files in use open, up to a number. Thread-safe.
class OpenFiles {
 public:
  // The files of the default window: a trace looks into each of them, and reads none by opening it.
  static constexpr std::size_t kFilesMax = 256;
  explicit OpenFiles(os::FileSystem& fs) : fs_(fs) {}
  Result<std::shared_ptr<const os::File>> Get(const std::string& path);
  void Forget(const std::string& path);
  os::FileSystem& fs() const { return fs_; }
  std::size_t size() const;

 private:
  struct Item {
    std::shared_ptr<const os::File> file;
    std::list<std::string>::iterator place;
  };
  os::FileSystem& fs_;
  mutable std::mutex mutex_;
  std::list<std::string> recent_;  // front: used last
  std::unordered_map<std::string, Item> items_;
};

class Run {
 public:
  static constexpr std::size_t kBlockBytes = 4096;

  // "00000000000000000000-00000000000000065536.ids", and back.
  static std::string FileName(log::Offset first, log::Offset end);
  struct Range {
    log::Offset first = 0;
    log::Offset end = 0;
  };
  static std::optional<Range> ParseFileName(std::string_view name);

  // Sorts `entries` in place and writes them into `dir`, replacing a file of the same name.
  // Fills in info's counts.
  static Result<std::shared_ptr<const Run>> Write(OpenFiles& files, const std::string& dir,
                                                  RunInfo info, std::vector<IdEntry>& entries);
  // Reads and checks the header only.
  static Result<std::shared_ptr<const Run>> Open(OpenFiles& files, const std::string& path);

  const RunInfo& info() const { return info_; }
  const std::string& path() const { return path_; }
  std::int64_t ReceivedAt(const IdEntry& entry) const { return info_.base_s + entry.received_s; }
  log::Offset OffsetOf(const IdEntry& entry) const { return info_.first + entry.relative(); }

  // What a repeat of `id` would be a repeat of. One or two reads of a block.
  Result<std::optional<IdEntry>> LatestOriginal(const Hash128& id) const;
  // The latest original of any of `ids`, which are in order. Reads no block twice, so that it costs
  // at most the file however many they are.
  Result<std::optional<IdEntry>> LatestOriginalOf(std::span<const Hash128> ids) const;
  // The originals of any of `ids`, which are in order. Costs as LatestOriginalOf() does.
  Result<std::vector<IdEntry>> OriginalsOf(std::span<const Hash128> ids) const;
  // Entries with this id: originals first, then duplicates, latest first; at most `max` of each.
  Result<std::vector<IdEntry>> AllOf(const Hash128& id, std::size_t max) const;
  // Every entry, in order of id.
  Result<std::vector<IdEntry>> ReadAll() const;

 private:
  struct Block;
  Run(OpenFiles& files, std::string path, RunInfo info)
      : files_(files), path_(std::move(path)), info_(info) {}
  Result<Block> ReadBlock(const os::File& file, std::uint32_t number) const;
  Status CheckBlock(std::uint32_t number, const char* bytes) const;
  // The first block that may hold `id` as its first such entry; nullopt when none can.
  Result<std::optional<Block>> Seek(const os::File& file, const Hash128& id) const;
  std::uint32_t blocks() const;

  OpenFiles& files_;
  const std::string path_;
  const RunInfo info_;
};

}  // namespace tributary::dedupe
