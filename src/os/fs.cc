#include "os/fs.h"

#include <algorithm>

namespace tributary::os {
namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;  // read at once of what does not say its size

std::unexpected<Error> LeftOut(const char* what) {
  return Fail(ErrorCode::kUnsupported, std::string("this file system has no ") + what);
}

}  // namespace

Result<FileInfo> FileSystem::Info(const std::string&) {
  return LeftOut("file information");
}
Status FileSystem::Link(const std::string&, const std::string&) {
  return LeftOut("hard links");
}
Status FileSystem::RemoveDir(const std::string&) {
  return LeftOut("removal of directories");
}
Result<std::string> FileSystem::RealPath(const std::string&) {
  return LeftOut("real paths");
}

Result<std::string> ReadFile(const File& file, const std::string& path, std::uint64_t bytes_max) {
  const auto too_large = [&](std::uint64_t bytes, const char* has) {
    return Fail(ErrorCode::kTooLarge,
                path + has + std::to_string(bytes) + " bytes, limit " + std::to_string(bytes_max));
  };
  TRY_ASSIGN(const std::uint64_t size, file.Size());
  if (size > bytes_max) return too_large(size, " has ");
  std::string bytes;
  std::size_t got = 0;
  while (got == bytes.size()) {  // one byte of room left says that this was the end
    if (got > bytes_max) return too_large(got, " has at least ");
    const std::uint64_t next = got == 0 && size > 0 ? size : got + kBlockBytes;
    bytes.resize(std::min(next, bytes_max) + 1);
    TRY_ASSIGN(const std::size_t more, file.ReadAt(got, std::span(bytes).subspan(got)));
    got += more;
  }
  bytes.resize(got);
  return bytes;
}

Result<std::string> ReadFile(FileSystem& fs, const std::string& path, std::uint64_t bytes_max) {
  TRY_ASSIGN(const auto file, fs.Open(path, OpenMode::kRead));
  return ReadFile(*file, path, bytes_max);
}

Status WriteFileAtomic(FileSystem& fs, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  if (fs.Exists(temporary)) TRY(fs.Remove(temporary));
  {
    TRY_ASSIGN(const auto file, fs.Open(temporary, OpenMode::kCreate));
    TRY(file->WriteAt(0, bytes));
    TRY(file->SyncData());
  }
  TRY(fs.Rename(temporary, path));
  const std::size_t slash = path.rfind('/');
  return fs.SyncDir(slash == std::string::npos ? "." : path.substr(0, slash));
}

std::string ParentOf(const std::string& path) {
  const std::size_t last = path.find_last_not_of('/');
  if (last == std::string::npos) return "/";
  const std::size_t slash = path.rfind('/', last);
  if (slash == std::string::npos) return ".";
  const std::size_t end = path.find_last_not_of('/', slash);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

}  // namespace tributary::os
