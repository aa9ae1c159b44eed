#include "os/fs.h"

namespace tributary::os {
namespace {

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

Result<std::string> ReadFile(FileSystem& fs, const std::string& path, std::uint64_t bytes_max) {
  TRY_ASSIGN(const auto file, fs.Open(path, OpenMode::kRead));
  TRY_ASSIGN(const std::uint64_t size, file->Size());
  if (size > bytes_max) {
    return Fail(ErrorCode::kTooLarge, path + " has " + std::to_string(size) + " bytes, limit " +
                                          std::to_string(bytes_max));
  }
  std::string bytes(size, '\0');
  TRY_ASSIGN(const std::size_t got, file->ReadAt(0, bytes));
  bytes.resize(got);
  return bytes;
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
