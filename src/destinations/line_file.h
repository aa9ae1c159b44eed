// A file of lines that several destination instances may append to: old and new instance of one
// destination while it is being changed, or two destinations with the same path.
//
// Durability: Append() returns after the lines and the file's directory entry are synced. A line is
// in the file whole or not at all: what a crash or a failed write left of one is cut off before the
// next line is written. Threads: any; one lock per file, calls block.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "destinations/line_sink.h"
#include "os/fs.h"

namespace tributary::destinations {

inline constexpr std::size_t kAppendBytesMax = 16 * 1024 * 1024;

class LineFile final : public LineSink {
 public:
  // The one open file for `path` below `root`; its directories are made at the first append.
  static std::shared_ptr<LineFile> Open(os::FileSystem& fs, const std::string& root,
                                        const std::string& path);
  LineFile(os::FileSystem& fs, std::string root, std::string path)
      : fs_(fs), root_(std::move(root)), path_(std::move(path)) {}

  Status Append(std::string_view lines) override;
  // What a crash left of a write that was not synced may be any bytes, line ends among them: the
  // file is cut before the first line that is no JSON text, and synced. Only its last
  // kAppendBytesMax are looked at, so appends must not be longer. Its bytes.
  Result<std::uint64_t> KeepGoodLines();

 private:
  Status EnsureOpen();
  Status MakeDirectories();
  Status CutTornLine();
  Result<std::uint64_t> GoodBytes() const;

  os::FileSystem& fs_;
  const std::string root_;
  const std::string path_;  // relative to root_
  std::mutex mutex_;
  std::unique_ptr<os::File> file_;
  std::uint64_t end_ = 0;  // of the last whole, synced line
};

// kInvalid unless `path` is relative and stays below the root it is resolved against.
Status CheckRelativePath(std::string_view path);

}  // namespace tributary::destinations
