// The manifest of a backup: DIR/manifest.json, written last, so that what has none is no backup.
//
//   {"tributary_backup":1, "data":"data-000003", "version":"0.1.0",
//    "began_at":"…Z", "finished_at":"…Z", "secret_key_left_out":false,
//    "log":[{"partition":0,"first":0,"end":1234}],
//    "files":[{"path":"log/p0/….zseg","bytes":N,"crc32c":"e3069283",
//              "source":{"device":…,"inode":…,"mtime_ns":…,"settled":true}}]}
//
// `source` says which file of the data directory a file was made from, so that the next backup can
// see that it has not changed. Pure functions, but for ReadManifest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "os/fs.h"

namespace tributary::backup {

inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::uint64_t kManifestBytesMax = 256ULL << 20;

// A file of the data directory as it was when it was taken.
struct SourceFile {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t mtime_ns = 0;
  // The last change was long enough before the copy that a later one would show in mtime_ns.
  bool settled = false;
};

struct ManifestFile {
  std::string path;  // relative, "log/p0/00000000000000000000.seg"
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;
  std::optional<SourceFile> source;
};

struct LogRange {
  std::uint32_t partition = 0;
  std::uint64_t first = 0;
  std::uint64_t end = 0;  // every event that was acknowledged before the backup began is below
};

struct Manifest {
  std::string data;  // the directory beside the manifest that holds the files
  std::string version;
  UnixMicros began_at_us = 0;
  UnixMicros finished_at_us = 0;
  bool secret_key_left_out = false;
  std::vector<LogRange> log;
  std::vector<ManifestFile> files;  // by path

  const ManifestFile* Find(std::string_view path) const;
  std::uint64_t bytes() const;
};

std::string EncodeManifest(const Manifest& manifest);
// kCorrupt when it is no such text, or a path in it leads out of its directory; kUnsupported, with
// a sentence, for a version that this program does not know.
Result<Manifest> ParseManifest(std::string_view text);
// kNotFound when `dir` has none.
Result<Manifest> ReadManifest(os::FileSystem& fs, const std::string& dir);

// "data-000003" and back; nullopt when it is no such name.
std::string DataName(std::uint64_t number);
std::optional<std::uint64_t> ParseDataName(std::string_view name);

}  // namespace tributary::backup
