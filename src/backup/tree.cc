#include "backup/tree.h"

namespace tributary::backup {
namespace {

using os::FileInfo;

bool Gone(const Error& error) {
  return error.code() == ErrorCode::kNotFound;
}

std::unexpected<Error> TooDeep(const std::string& path) {
  return Fail(ErrorCode::kTooLarge, path + " is nested too deeply");
}

Status RemoveBelow(os::FileSystem& fs, const std::string& path, int depth) {
  if (depth > kTreeDepthMax) return TooDeep(path);
  const auto info = fs.Info(path);
  if (!info) return Gone(info.error()) ? Status() : Status(Fail(info.error()));
  if (info->kind != FileInfo::Kind::kDir) return fs.Remove(path);
  TRY_ASSIGN(const auto names, fs.List(path));
  for (const std::string& name : names) TRY(RemoveBelow(fs, path + "/" + name, depth + 1));
  return fs.RemoveDir(path);
}

class Walk {
 public:
  Walk(os::FileSystem& fs, const std::string& root, const VisitFile& visit)
      : fs_(fs), root_(root), visit_(visit) {}

  Status Enter(const std::string& below, int depth) {
    if (depth > kTreeDepthMax) return TooDeep(root_ + "/" + below);
    const auto names = fs_.List(below.empty() ? root_ : root_ + "/" + below);
    if (!names) return Gone(names.error()) ? Status() : Status(Fail(names.error()));
    for (const std::string& name : *names) {
      TRY(Meet(below.empty() ? name : below + "/" + name, depth));
    }
    return {};
  }

 private:
  Status Meet(const std::string& path, int depth) {
    const auto info = fs_.Info(root_ + "/" + path);
    if (!info) return Gone(info.error()) ? Status() : Status(Fail(info.error()));
    if (info->kind == FileInfo::Kind::kDir) return Enter(path, depth + 1);
    return visit_(path, *info);
  }

  os::FileSystem& fs_;
  const std::string& root_;
  const VisitFile& visit_;
};

}  // namespace

Status RemoveTree(os::FileSystem& fs, const std::string& path) {
  return RemoveBelow(fs, path, 0);
}

Status WalkFiles(os::FileSystem& fs, const std::string& dir, const VisitFile& visit) {
  return Walk(fs, dir, visit).Enter("", 0);
}

Result<std::uint64_t> TreeBytes(os::FileSystem& fs, const std::string& dir) {
  std::uint64_t bytes = 0;
  TRY(WalkFiles(fs, dir, [&bytes](const std::string&, const FileInfo& info) -> Status {
    if (info.kind == FileInfo::Kind::kFile) bytes += info.bytes;
    return {};
  }));
  return bytes;
}

}  // namespace tributary::backup
