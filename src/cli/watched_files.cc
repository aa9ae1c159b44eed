#include "cli/watched_files.h"

#include <algorithm>

namespace tributary::cli {
namespace {

class WatchedFile final : public os::File {
 public:
  WatchedFile(std::unique_ptr<os::File> file, const WatchedFiles::OnRead& on_read)
      : file_(std::move(file)), on_read_(on_read) {}

  Result<std::size_t> ReadAt(std::uint64_t pos, std::span<char> out) const override {
    TRY_ASSIGN(const std::size_t got, file_->ReadAt(pos, out));
    if (pos + got > read_) {
      on_read_(pos + got - std::max(pos, read_));
      read_ = pos + got;
    }
    return got;
  }
  bool CanSeek() const override { return file_->CanSeek(); }
  Status WriteAt(std::uint64_t pos, std::span<const std::string_view> parts) override {
    return file_->WriteAt(pos, parts);
  }
  Status SyncData() override { return file_->SyncData(); }
  Status Truncate(std::uint64_t size) override { return file_->Truncate(size); }
  Result<std::uint64_t> Size() const override { return file_->Size(); }
  void DropCache(std::uint64_t pos, std::uint64_t size) override { file_->DropCache(pos, size); }

 private:
  const std::unique_ptr<os::File> file_;
  const WatchedFiles::OnRead& on_read_;
  mutable std::uint64_t read_ = 0;  // up to where
};

}  // namespace

Result<std::unique_ptr<os::File>> WatchedFiles::Open(const std::string& path, os::OpenMode mode) {
  TRY_ASSIGN(auto file, fs_.Open(path, mode));
  return std::make_unique<WatchedFile>(std::move(file), on_read_);
}

}  // namespace tributary::cli
