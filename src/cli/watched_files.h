// A file system that tells how much was read: for the progress bars of commands whose work is done
// elsewhere, in one long call. A byte that is read again is not counted again as long as its file
// is open. For one thread.
#pragma once

#include <functional>

#include "os/fs.h"

namespace tributary::cli {

class WatchedFiles final : public os::FileSystem {
 public:
  // `on_read` is told how many bytes are new.
  using OnRead = std::function<void(std::uint64_t bytes)>;
  WatchedFiles(os::FileSystem& fs, OnRead on_read) : fs_(fs), on_read_(std::move(on_read)) {}

  Result<std::unique_ptr<os::File>> Open(const std::string& path, os::OpenMode mode) override;
  Status CreateDir(const std::string& path) override { return fs_.CreateDir(path); }
  Status SyncDir(const std::string& path) override { return fs_.SyncDir(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return fs_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return fs_.Remove(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return fs_.List(dir); }
  bool Exists(const std::string& path) override { return fs_.Exists(path); }
  Result<std::uint64_t> FreeBytes(const std::string& path) override { return fs_.FreeBytes(path); }
  Result<os::FileInfo> Info(const std::string& path) override { return fs_.Info(path); }
  Status Link(const std::string& from, const std::string& to) override {
    return fs_.Link(from, to);
  }
  Status RemoveDir(const std::string& path) override { return fs_.RemoveDir(path); }
  Result<std::string> RealPath(const std::string& path) override { return fs_.RealPath(path); }
  Result<std::unique_ptr<os::DirLock>> LockDir(const std::string& dir) override {
    return fs_.LockDir(dir);
  }

 private:
  os::FileSystem& fs_;
  const OnRead on_read_;
};

}  // namespace tributary::cli
