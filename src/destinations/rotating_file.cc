#include "destinations/rotating_file.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <vector>

#include "base/logging.h"
#include "codec/gzip.h"
#include "codec/zstd.h"

namespace tributary::destinations {
namespace {

constexpr std::string_view kPartEnding = ".part";
constexpr std::array<std::string_view, 3> kWholeEndings{"", ".gz", ".zst"};

std::string_view EndingOf(Compression compression) {
  return kWholeEndings[static_cast<std::size_t>(compression)];
}

// "20261121T190000123Z": sorts as time does and is a plain file name everywhere.
std::string TimeName(UnixMicros at) {
  std::string text = FormatIso8601(at);
  std::erase_if(text, [](char c) { return c == '-' || c == ':' || c == '.'; });
  return text;
}

std::string NumberName(unsigned number) {
  std::array<char, 16> text{};
  const int size = std::snprintf(text.data(), text.size(), "%06u", number);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

std::shared_ptr<RotatingFile> RotatingFile::Open(os::FileSystem& fs, os::Clock& clock,
                                                 const std::string& root, const std::string& path,
                                                 const Rotation& rotation) {
  static std::mutex mutex;
  static std::map<std::pair<os::FileSystem*, std::string>, std::weak_ptr<RotatingFile>> open;
  std::shared_ptr<RotatingFile> file;
  {
    const std::lock_guard lock(mutex);
    std::erase_if(open, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<RotatingFile>& slot = open[{&fs, root + "/" + path}];
    file = slot.lock();
    if (file == nullptr) slot = file = std::make_shared<RotatingFile>(fs, clock, root, path);
  }
  file->Change(rotation);
  return file;
}

void RotatingFile::Change(const Rotation& rotation) {
  const std::lock_guard lock(wanted_mutex_);
  wanted_ = rotation;
}

void RotatingFile::TakeChange() {
  const std::lock_guard lock(wanted_mutex_);
  rotation_ = wanted_;
}

RotatingFile::RotatingFile(os::FileSystem& fs, os::Clock& clock, std::string root,
                           const std::string& path)
    : fs_(fs),
      clock_(clock),
      root_(std::move(root)),
      folder_(path.substr(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/'))),
      stem_(path.substr(folder_.empty() ? 0 : folder_.size() + 1)),
      dir_(folder_.empty() ? root_ : root_ + "/" + folder_) {
  const std::size_t dot = stem_.rfind('.');
  if (dot == std::string::npos || dot == 0) return;
  extension_ = stem_.substr(dot);
  stem_.resize(dot);
}

std::string RotatingFile::Relative(const std::string& name) const {
  return folder_.empty() ? name : folder_ + "/" + name;
}

bool RotatingFile::Taken(const std::string& base) const {
  if (fs_.Exists(InDir(PartName(base)))) return true;
  return std::ranges::any_of(kWholeEndings, [&](std::string_view ending) {
    return fs_.Exists(InDir(base + std::string(ending)));
  });
}

// ---- What a crash left ----

Status RotatingFile::Recover() {
  if (recovered_) return {};
  const auto names = fs_.List(dir_);
  if (!names && names.error().code() != ErrorCode::kNotFound) {
    return std::unexpected(names.error());
  }
  const std::string begin = "." + stem_ + "-";
  const std::string end = extension_ + std::string(kPartEnding);
  for (const std::string& name : names ? *names : std::vector<std::string>{}) {
    // Names of other paths may begin alike: the rest must have the form of ours.
    const std::size_t middle = TimeName(0).size() + 1 + NumberName(0).size();
    if (!name.starts_with(begin) || !name.ends_with(end)) continue;
    if (name.size() < begin.size() + middle + end.size()) continue;
    if (name.find_first_not_of("0123456789TZ-", begin.size()) != name.size() - end.size()) continue;
    TRY(RecoverPart(name.substr(1, name.size() - 1 - kPartEnding.size())));
  }
  recovered_ = true;
  return {};
}

Status RotatingFile::RecoverPart(const std::string& base) {
  const bool whole = std::ranges::any_of(kWholeEndings, [&](std::string_view ending) {
    return fs_.Exists(InDir(base + std::string(ending)));
  });
  auto part = std::make_shared<LineFile>(fs_, root_, Relative(PartName(base)));
  TRY_ASSIGN(const std::uint64_t size, whole ? Result<std::uint64_t>(0) : part->KeepGoodLines());
  if (size == 0) {
    TRY(fs_.Remove(InDir(PartName(base))));
    return fs_.SyncDir(dir_);
  }
  endings_.push_back({.base = base, .part = std::move(part), .compression = rotation_.compression});
  return {};
}

// ---- Appending ----

Status RotatingFile::Begin() {
  const std::string time = TimeName(clock_.Now());
  unsigned number = 1;
  const auto base = [&] { return stem_ + "-" + time + "-" + NumberName(number) + extension_; };
  while (Taken(base())) ++number;
  base_ = base();
  part_ = std::make_shared<LineFile>(fs_, root_, Relative(PartName(base_)));
  begun_at_ = clock_.Monotonic();
  bytes_ = 0;
  return {};
}

bool RotatingFile::Due() const {
  return part_ != nullptr && bytes_ > 0 && rotation_.every_ns != 0 &&
         clock_.Monotonic() - begun_at_ >= rotation_.every_ns;
}

Status RotatingFile::Append(std::string_view lines) {
  const std::lock_guard lock(mutex_);
  TakeChange();
  TRY(Recover());
  if (Due()) Rotate();
  while (!lines.empty()) TRY(AppendSome(lines));
  return {};
}

// As many whole lines as fit into the file, at least one.
Status RotatingFile::AppendSome(std::string_view& lines) {
  std::uint64_t room = kAppendBytesMax;
  if (rotation_.bytes != 0) {
    room = std::min(room, rotation_.bytes > bytes_ ? rotation_.bytes - bytes_ : 0);
  }
  std::size_t take = lines.size();
  if (take > room) {
    const std::size_t last = room == 0 ? std::string_view::npos : lines.rfind('\n', room - 1);
    take = last == std::string_view::npos ? 0 : last + 1;
  }
  if (take == 0 && bytes_ > 0) {
    Rotate();
    return {};
  }
  if (take == 0) take = lines.find('\n') + 1;
  if (part_ == nullptr) TRY(Begin());
  TRY(part_->Append(lines.substr(0, take)));
  bytes_ += take;
  lines.remove_prefix(take);
  if (rotation_.bytes != 0 && bytes_ >= rotation_.bytes) Rotate();
  return {};
}

void RotatingFile::Rotate() {
  endings_.push_back(
      {.base = base_, .part = std::exchange(part_, nullptr), .compression = rotation_.compression});
  bytes_ = 0;
}

// ---- Ending ----

void RotatingFile::End() {
  const std::lock_guard lock(mutex_);
  if (part_ != nullptr && bytes_ > 0) Rotate();
}

bool RotatingFile::ended() {
  const std::lock_guard lock(mutex_);
  return recovered_ && endings_.empty();
}

std::optional<MonoNanos> RotatingFile::Tick() {
  const std::lock_guard lock(mutex_);
  TakeChange();
  Status status = Recover();
  if (Due()) Rotate();
  if (status && !endings_.empty()) {
    const auto whole = EndSome(endings_.front());
    if (!whole) {
      status = std::unexpected(whole.error());
      endings_.front().source.reset();  // from its beginning again
      endings_.front().target.reset();
    } else if (*whole) {
      endings_.pop_front();
    }
  }
  if (!status) {
    LogWarn("file_not_ended", {{"dir", dir_}, {"error", status.error().ToString()}});
    return kEndAgainAfter;
  }
  if (!endings_.empty()) return 0;
  if (part_ == nullptr || bytes_ == 0 || rotation_.every_ns == 0) return std::nullopt;
  return std::max<MonoNanos>(begun_at_ + rotation_.every_ns - clock_.Monotonic(), 1);
}

Result<bool> RotatingFile::EndSome(Ending& ending) {
  if (ending.compression == Compression::kNone) {
    TRY(fs_.Rename(InDir(PartName(ending.base)), InDir(ending.base)));
    TRY(fs_.SyncDir(dir_));
    return true;
  }
  return CompressSome(ending);
}

Result<bool> RotatingFile::CompressSome(Ending& ending) {
  const std::string temporary =
      InDir("." + ending.base + std::string(EndingOf(ending.compression)) + ".tmp");
  if (ending.source == nullptr) {
    if (fs_.Exists(temporary)) TRY(fs_.Remove(temporary));
    TRY_ASSIGN(ending.target, fs_.Open(temporary, os::OpenMode::kCreate));
    TRY_ASSIGN(ending.source, fs_.Open(InDir(PartName(ending.base)), os::OpenMode::kRead));
    ending.read = ending.written = 0;
  }
  std::string chunk(kCompressChunkBytes, '\0');
  TRY_ASSIGN(const std::size_t got, ending.source->ReadAt(ending.read, std::span(chunk)));
  chunk.resize(got);
  if (got == 0) {
    TRY(ending.target->SyncData());
    TRY(MakeWhole(ending));
    return true;
  }
  std::string packed;
  if (ending.compression == Compression::kGzip) {
    packed = codec::GzipCompress(chunk);
  } else {
    codec::ZstdCompressor().Compress(chunk, packed);
  }
  TRY(ending.target->WriteAt(ending.written, packed));
  ending.read += got;
  ending.written += packed.size();
  return false;
}

// First the whole file is there for good, then the lines it was made of go.
Status RotatingFile::MakeWhole(const Ending& ending) {
  const std::string whole = ending.base + std::string(EndingOf(ending.compression));
  TRY(fs_.Rename(InDir("." + whole + ".tmp"), InDir(whole)));
  TRY(fs_.SyncDir(dir_));
  TRY(fs_.Remove(InDir(PartName(ending.base))));
  return fs_.SyncDir(dir_);
}

}  // namespace tributary::destinations
