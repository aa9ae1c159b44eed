// Brings files into a new generation of a backup, each in the cheapest way that is safe:
//   kept    the generation before has the same file: a second name of it
//   linked  a file that never changes once it has its name: a second name of the live one
//   copied  everything else
// Where a second name cannot be had (another file system), a file is copied.
//
// The bytes of copies are durable when Take() returns, all names after Finish(). One thread; only
// the numbers of `Progress` may be read by others.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backup/manifest.h"
#include "os/clock.h"
#include "os/fs.h"

namespace tributary::backup {

// What others may see of a backup or a restore that is running. `cancel` ends it with kUnavailable.
struct Progress {
  std::atomic<std::uint64_t> files{0};
  std::atomic<std::uint64_t> bytes_done{0};
  std::atomic<std::uint64_t> bytes_total{0};  // as far as is known
  std::atomic<std::uint64_t> bytes_copied{0};
  std::atomic<std::uint64_t> bytes_linked{0};
  std::atomic<std::uint64_t> bytes_kept{0};
  std::atomic<bool> cancel{false};
};

// How far before the copy the last change of a file must lie for its mtime to be believed later.
// File systems count in ticks of some milliseconds, some in whole seconds.
inline constexpr std::int64_t kSettledAfterNs = 2'500'000'000;

struct Earlier {
  const Manifest* manifest = nullptr;  // null: there is none
  std::string data;                    // path of its files
};

class Copier {
 public:
  Copier(os::FileSystem& fs, os::Clock& clock, Earlier earlier, std::string data,
         Progress& progress);

  enum class Kind {
    kImmutable,  // never changed under its name, never used again for something else
    kMutable,
  };
  // Takes `from` as `path`, its first `bytes` if given. False: it is not there (any more).
  // kUnsupported when it is no regular file: what it points at could be anything.
  Result<bool> Take(const std::string& from, const std::string& path, Kind kind,
                    std::optional<std::uint64_t> bytes = std::nullopt);
  // Forgets what was taken.
  Status Drop(const std::string& path);
  bool Has(const std::string& path) const { return taken_.contains(path); }

  // Makes every name durable and hands over the list, by path.
  Result<std::vector<ManifestFile>> Finish();

 private:
  Status MakeDirFor(const std::string& path);
  bool Unchanged(const ManifestFile& before, const SourceFile& now, std::uint64_t bytes,
                 Kind kind) const;
  Result<std::uint32_t> Checksum(const std::string& path);
  Status Copy(const os::File& from, ManifestFile& file, std::optional<std::uint64_t> bytes_max);
  bool LinkTo(const std::string& from, const std::string& path);
  void Count(std::uint64_t bytes, std::atomic<std::uint64_t>& how);

  os::FileSystem& fs_;
  os::Clock& clock_;
  const Earlier earlier_;
  const std::string data_;
  Progress& progress_;
  std::string buffer_;
  std::set<std::string> dirs_;  // made, relative
  std::map<std::string, ManifestFile> taken_;
};

// Copies into a file that is not there yet; at most `bytes_max`. Durable when it returns. The
// answer counts the bytes and has their checksum.
struct Copied {
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;
};
Result<Copied> CopyBytes(const os::File& from, os::File& to, std::optional<std::uint64_t> bytes_max,
                         std::string& buffer, Progress& progress);

}  // namespace tributary::backup
