// What a backup does with whole directories. Everything may block; any thread.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "os/fs.h"

namespace tributary::backup {

// Deeper directories than this are refused (kTooLarge): nothing of ours is nested so.
inline constexpr int kTreeDepthMax = 32;

// Removes a directory with everything in it; what is not there is fine. Follows no symbolic link.
Status RemoveTree(os::FileSystem& fs, const std::string& path);

// Calls `visit` with the path, relative to `dir`, of everything below it that is no directory, in
// order of name: files, and symbolic links and the like (kOther), which are not followed. `dir`
// itself may be a link. What disappears meanwhile is not there.
using VisitFile = std::function<Status(const std::string& path, const os::FileInfo& info)>;
Status WalkFiles(os::FileSystem& fs, const std::string& dir, const VisitFile& visit);

// Bytes of all files below it.
Result<std::uint64_t> TreeBytes(os::FileSystem& fs, const std::string& dir);

}  // namespace tributary::backup
