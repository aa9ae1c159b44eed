#include "store/data_dir.h"

#include <algorithm>
#include <array>

namespace tributary::store {
namespace {

struct Version {
  std::string_view name;
  int number;
};
// What this program writes and reads. A number goes up when an older program must not touch the
// directory any more; tests/compat keeps a directory of every version that was released.
constexpr std::array<Version, 4> kVersions = {
    {{"log", 1}, {"keys", 1}, {"dedupe", 1}, {"delivery_log", 1}}};
constexpr std::uint64_t kFormatBytesMax = 4096;

constexpr std::string_view kTitle = "tributary data directory";

std::string LineOf(const Version& version) {
  return std::string(version.name) + " " + std::to_string(version.number);
}

std::string CurrentFormat() {
  std::string text = std::string(kTitle) + "\n";
  for (const Version& v : kVersions) text += LineOf(v) + "\n";
  return text;
}

Status CheckLine(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return Fail(ErrorCode::kCorrupt, "FORMAT has the line '" + std::string(line) + "'");
  }
  for (const Version& v : kVersions) {
    if (line == LineOf(v)) return {};
  }
  return Fail(ErrorCode::kUnsupported,
              "this directory has '" + std::string(line) +
                  "', which this version of Tributary does not know; it was written by another "
                  "version: open it with that one, or use another directory");
}

Status CheckFormat(std::string_view text) {
  if (text.substr(0, text.find('\n')) != kTitle) {
    return Fail(ErrorCode::kUnsupported, "FORMAT does not begin as Tributary's does");
  }
  std::size_t parts = 0;
  for (text.remove_prefix(kTitle.size()); !text.empty();) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) continue;
    TRY(CheckLine(line));
    ++parts;
  }
  if (parts == kVersions.size()) return {};
  return Fail(ErrorCode::kUnsupported,
              "FORMAT does not name the version of every part: it was cut or edited");
}

// FORMAT is there before anything else is, so data without it has lost it, and nobody knows what
// wrote that data.
Status CheckUnmarked(os::FileSystem& fs, const std::string& path) {
  for (const char* part : {"/log", "/store"}) {
    if (!fs.Exists(path + part)) continue;
    return Fail(ErrorCode::kUnsupported,
                path + " has data but no FORMAT file, so nobody can tell which version wrote it");
  }
  return {};
}

Status CreateDurably(os::FileSystem& fs, const std::string& path) {
  if (fs.Exists(path)) return {};
  const std::string parent = os::ParentOf(path);
  if (parent != "." && parent != "/") TRY(CreateDurably(fs, parent));
  TRY(fs.CreateDir(path));
  return fs.SyncDir(parent);
}

}  // namespace

Result<DataDir> OpenDataDir(os::FileSystem& fs, const std::string& path) {
  TRY(CreateDurably(fs, path));
  DataDir dir{.path = path, .lock = nullptr};
  TRY_ASSIGN(dir.lock, fs.LockDir(path));
  const std::string format = path + "/FORMAT";
  if (fs.Exists(format)) {
    TRY_ASSIGN(const std::string text, os::ReadFile(fs, format, kFormatBytesMax));
    if (auto ok = CheckFormat(text); !ok) return Fail(ok.error().With(format));
  } else {
    TRY(CheckUnmarked(fs, path));
    TRY(os::WriteFileAtomic(fs, format, CurrentFormat()));
  }
  for (const char* name : {"/log", "/dedupe", "/store", "/files"}) {
    TRY(fs.CreateDir(path + name));
  }
  TRY(fs.SyncDir(path));
  return dir;
}

Result<DataDir> InspectDataDir(os::FileSystem& fs, const std::string& path) {
  const std::string format = path + "/FORMAT";
  if (!fs.Exists(format)) {
    return Fail(ErrorCode::kNotFound, path + " is no data directory: it has no FORMAT file");
  }
  TRY_ASSIGN(const std::string text, os::ReadFile(fs, format, kFormatBytesMax));
  if (auto ok = CheckFormat(text); !ok) return Fail(ok.error().With(format));
  DataDir dir{.path = path, .lock = nullptr};
  TRY_ASSIGN(dir.lock, fs.LockDir(path));
  return dir;
}

}  // namespace tributary::store
