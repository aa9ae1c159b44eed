#include "destinations/line_file.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace tributary::destinations {
namespace {

constexpr std::size_t kPathBytesMax = 1'024;
constexpr std::size_t kComponentBytesMax = 200;

std::vector<std::string_view> Components(std::string_view path) {
  std::vector<std::string_view> out;
  while (true) {
    const std::size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Status CheckRelativePath(std::string_view path) {
  const auto wrong = [](const char* why) {
    return Fail(ErrorCode::kInvalid, "path", std::string("path ") + why);
  };
  if (path.empty()) return wrong("must not be empty");
  if (path.size() > kPathBytesMax) return wrong("must have at most 1024 bytes");
  if (std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
    return wrong("must not have control characters");
  }
  for (const std::string_view part : Components(path)) {
    if (part.empty()) return wrong("must be relative, without empty parts");
    if (part == "." || part == "..") return wrong("must stay below the root: no . or ..");
    if (part.size() > kComponentBytesMax) return wrong("has a part of more than 200 bytes");
  }
  return {};
}

std::shared_ptr<LineFile> LineFile::Open(os::FileSystem& fs, const std::string& root,
                                         const std::string& path) {
  static std::mutex mutex;
  static std::map<std::pair<os::FileSystem*, std::string>, std::weak_ptr<LineFile>> open;
  const std::lock_guard lock(mutex);
  std::erase_if(open, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<LineFile>& slot = open[{&fs, root + "/" + path}];
  if (std::shared_ptr<LineFile> file = slot.lock()) return file;
  auto file = std::make_shared<LineFile>(fs, root, path);
  slot = file;
  return file;
}

Status LineFile::MakeDirectories() {
  std::string dir = root_;
  TRY(fs_.CreateDir(dir));
  if (const std::size_t slash = dir.rfind('/'); slash != std::string::npos && slash > 0) {
    TRY(fs_.SyncDir(dir.substr(0, slash)));
  }
  const std::vector<std::string_view> parts = Components(path_);
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const std::string parent = dir;
    dir += "/" + std::string(parts[i]);
    TRY(fs_.CreateDir(dir));
    TRY(fs_.SyncDir(parent));
  }
  return {};
}

// The end of the last whole line becomes the end of the file.
Status LineFile::CutTornLine() {
  TRY_ASSIGN(const std::uint64_t size, file_->Size());
  end_ = size;
  std::vector<char> buffer(64 * 1024);
  while (end_ > 0) {
    const std::uint64_t from = end_ - std::min<std::uint64_t>(end_, buffer.size());
    TRY_ASSIGN(const std::size_t got,
               file_->ReadAt(from, std::span(buffer).first(static_cast<std::size_t>(end_ - from))));
    const std::size_t newline = std::string_view(buffer.data(), got).rfind('\n');
    if (newline != std::string_view::npos) {
      end_ = from + newline + 1;
      break;
    }
    end_ = from;
  }
  return end_ == size ? Status{} : file_->Truncate(end_);
}

Status LineFile::EnsureOpen() {
  if (file_ != nullptr) return {};
  const std::string full = root_ + "/" + path_;
  TRY(MakeDirectories());
  auto file = fs_.Open(full, os::OpenMode::kReadWrite);
  if (!file && file.error().code() == ErrorCode::kNotFound) {
    file = fs_.Open(full, os::OpenMode::kCreate);
  }
  if (!file) return std::unexpected(file.error());
  // Also when it was there: the crash that left it may have come before its entry was synced.
  TRY(fs_.SyncDir(full.substr(0, full.rfind('/'))));
  file_ = std::move(*file);
  Status cut = CutTornLine();
  if (!cut) file_ = nullptr;
  return cut;
}

// How many bytes from the beginning are good.
Result<std::uint64_t> LineFile::GoodBytes() const {
  const std::uint64_t from = end_ - std::min<std::uint64_t>(end_, kAppendBytesMax + 1);
  std::string tail(static_cast<std::size_t>(end_ - from), '\0');
  TRY_ASSIGN(const std::size_t got, file_->ReadAt(from, std::span(tail)));
  tail.resize(got);
  // The first piece may be the end of a line that was synced long ago.
  std::size_t begin = from == 0 ? 0 : tail.find('\n') + 1;
  for (std::size_t end = tail.find('\n', begin); end != std::string::npos;
       end = tail.find('\n', begin)) {
    if (!nlohmann::json::accept(std::string_view(tail).substr(begin, end - begin))) break;
    begin = end + 1;
  }
  return from + begin;
}

Result<std::uint64_t> LineFile::KeepGoodLines() {
  const std::lock_guard lock(mutex_);
  TRY(EnsureOpen());
  TRY_ASSIGN(const std::uint64_t good, GoodBytes());
  if (good < end_) TRY(file_->Truncate(good));
  end_ = good;
  TRY(file_->SyncData());
  return good;
}

Status LineFile::Append(std::string_view lines) {
  const std::lock_guard lock(mutex_);
  TRY(EnsureOpen());
  Status written = file_->WriteAt(end_, lines);
  if (written) written = file_->SyncData();
  if (!written) {
    // What is there now is unknown. It is opened again and looked at before the next line.
    file_ = nullptr;
    return written;
  }
  end_ += lines.size();
  return {};
}

}  // namespace tributary::destinations
