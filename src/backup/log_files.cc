#include "backup/log_files.h"

#include <algorithm>
#include <map>

#include "log/open.h"

namespace tributary::backup {
namespace {

constexpr std::string_view kVerdicts = ".dup";
constexpr std::string_view kRaw = ".seg";
constexpr std::string_view kCompressed = ".zseg";
constexpr std::string_view kOldest = "oldest";

using SegmentInfo = log::Log::SegmentInfo;

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

class PartitionFiles {
 public:
  PartitionFiles(os::FileSystem& fs, const log::Log* log, log::Partition partition,
                 const std::string& data_dir, Copier& copier)
      : fs_(fs),
        log_(log),
        partition_(partition),
        below_("log/p" + std::to_string(partition) + "/"),
        dir_(data_dir + "/" + below_),
        copier_(copier) {}

  Result<LogRange> TakeLive() {
    TRY(TakeVerdicts());
    LogRange range{.partition = partition_, .first = log_->first(partition_), .end = 0};
    TRY(TakeSegments(range));
    TRY_ASSIGN(const log::Offset oldest, TakeOldest());
    range.first = std::max(range.first, oldest);
    // Retention went on all the same: what it took must not be in the copy either.
    for (const auto& [first, stem] : taken_) {
      if (first >= oldest) continue;
      TRY(copier_.Drop(below_ + stem + std::string(kRaw)));
      TRY(copier_.Drop(below_ + stem + std::string(kCompressed)));
    }
    return range;
  }

  Status TakeStopped() {
    TRY_ASSIGN(const auto names, fs_.List(dir_));
    for (const std::string& name : names) {
      const bool left = name.ends_with(".tmp") || name.ends_with(".deleted");
      if (left || IsCompressedToo(names, name)) continue;
      TRY(Take(name,
               name.ends_with(kCompressed) ? Copier::Kind::kImmutable : Copier::Kind::kMutable));
    }
    return {};
  }

 private:
  // A raw file whose compressed form is complete; the next start would remove it.
  static bool IsCompressedToo(const std::vector<std::string>& names, const std::string& name) {
    if (!name.ends_with(kRaw)) return false;
    const std::string stem = name.substr(0, name.size() - kRaw.size());
    return std::ranges::binary_search(names, stem + std::string(kCompressed));
  }

  Result<bool> Take(const std::string& name, Copier::Kind kind,
                    std::optional<std::uint64_t> bytes = std::nullopt) {
    return copier_.Take(dir_ + name, below_ + name, kind, bytes);
  }

  Status TakeVerdicts() {
    TRY_ASSIGN(const auto names, fs_.List(dir_));
    for (const std::string& name : names) {
      if (name.ends_with(kVerdicts)) TRY(Take(name, Copier::Kind::kMutable));
    }
    return {};
  }

  // The mark, and what it says: no other one was there while it was copied.
  Result<log::Offset> TakeOldest() {
    const std::string name(kOldest);
    for (;;) {
      const auto before = log::OldestKept(fs_, dir_);
      TRY(copier_.Drop(below_ + name));
      TRY(Take(name, Copier::Kind::kMutable));
      const auto after = log::OldestKept(fs_, dir_);
      if (!before || !after) return Fail(before ? after.error() : before.error());
      if (*before == *after) return *after;
    }
  }

  // Up to one that is still raw: a log never ends with a compressed segment, and one that was
  // active when it was listed may be compressed, or gone, when it is taken.
  Status TakeSegments(LogRange& range) {
    for (bool ends_raw = false; !ends_raw;) {
      for (const SegmentInfo& segment : log_->segments(partition_)) {
        if (taken_.contains(segment.first) && segment.first < range.end) continue;
        TRY_ASSIGN(const Form form, TakeSegment(segment));
        ends_raw = form == Form::kAsRaw;
        if (form != Form::kGone) taken_[segment.first] = NameOf(segment.path_stem);
        range.end = std::max(range.end, segment.end);
      }
    }
    return {};
  }

  std::optional<SegmentInfo> Now(log::Offset first) const {
    for (SegmentInfo& segment : log_->segments(partition_)) {
      if (segment.first == first) return std::move(segment);
    }
    return std::nullopt;
  }

  enum class Form { kAsRaw, kAsCompressed, kGone };

  // In its raw form only if it still is one after the copy; else the compressed form is there.
  Result<Form> TakeSegment(const SegmentInfo& listed) {
    const std::string raw = NameOf(listed.path_stem) + std::string(kRaw);
    if (listed.path.ends_with(kRaw)) {
      TRY(copier_.Drop(below_ + raw));
      TRY_ASSIGN(const bool there, Take(raw, Copier::Kind::kMutable, listed.data_bytes));
      const auto now = Now(listed.first);
      if (there && now && now->path == listed.path) return Form::kAsRaw;
      TRY(copier_.Drop(below_ + raw));
      if (!now) return Form::kGone;  // retained away
    }
    const std::string name = NameOf(listed.path_stem) + std::string(kCompressed);
    TRY_ASSIGN(const bool there, Take(name, Copier::Kind::kImmutable));
    if (there) return Form::kAsCompressed;
    if (!Now(listed.first)) return Form::kGone;
    return Fail(ErrorCode::kInternal, "the segment " + name + " has no file");
  }

  os::FileSystem& fs_;
  const log::Log* const log_;
  const log::Partition partition_;
  const std::string below_;  // "log/p0/"
  const std::string dir_;
  Copier& copier_;
  std::map<log::Offset, std::string> taken_;  // stem by first offset
};

}  // namespace

Result<std::vector<LogRange>> TakeLog(os::FileSystem& fs, const log::Log* log,
                                      const std::string& data_dir, Copier& copier) {
  std::vector<LogRange> ranges;
  if (log != nullptr) {
    for (log::Partition p = 0; p < log->partitions(); ++p) {
      TRY_ASSIGN(const LogRange range, PartitionFiles(fs, log, p, data_dir, copier).TakeLive());
      ranges.push_back(range);
    }
    return ranges;
  }
  for (log::Partition p = 0; fs.Exists(data_dir + "/log/p" + std::to_string(p)); ++p) {
    TRY(PartitionFiles(fs, nullptr, p, data_dir, copier).TakeStopped());
  }
  return ranges;
}

}  // namespace tributary::backup
