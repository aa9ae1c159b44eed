#include "dedupe/verify.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "dedupe/run_file.h"
#include "dedupe/verdict_file.h"

namespace tributary::dedupe {
namespace {

using log::Offset;

class DedupeVerifier {
 public:
  DedupeVerifier(os::FileSystem& fs, const std::string& data_dir)
      : fs_(fs), files_(fs), data_dir_(data_dir) {}

  Result<DedupeReport> Report() {
    for (log::Partition p = 0;; ++p) {
      const std::string index = "dedupe/p" + std::to_string(p);
      const std::string verdicts = "log/p" + std::to_string(p);
      if (!fs_.Exists(Path(index)) && !fs_.Exists(Path(verdicts))) return std::move(report_);
      ranges_.clear();
      TRY(CheckIndex(index, p));
      TRY(CheckVerdicts(verdicts, p));
    }
  }

 private:
  std::string Path(const std::string& below) const { return data_dir_ + "/" + below; }

  Result<std::uint64_t> SizeOf(const std::string& file) const {
    TRY_ASSIGN(const auto opened, fs_.Open(Path(file), os::OpenMode::kRead));
    return opened->Size();
  }

  Result<std::vector<std::string>> Names(const std::string& dir) const {
    if (!fs_.Exists(Path(dir))) return std::vector<std::string>();
    return fs_.List(Path(dir));
  }

  void Damaged(const std::string& file, std::string what) {
    // The readers' sentences begin with the path, which is said already.
    const std::string head = Path(file) + ": ";
    if (what.starts_with(head)) what.erase(0, head.size());
    report_.damage.push_back({file, std::move(what)});
  }

  Status CheckIndex(const std::string& dir, log::Partition partition) {
    TRY_ASSIGN(const auto names, Names(dir));
    for (const std::string& name : names) {
      const auto range = Run::ParseFileName(name);
      if (!range) continue;
      ranges_.push_back(*range);
      const std::string file = dir + "/" + name;
      TRY_ASSIGN(const std::uint64_t bytes, SizeOf(file));
      ++report_.files;
      report_.bytes += bytes;
      const Status read = ReadRun(Path(file), partition);
      if (read) continue;
      if (read.error().code() != ErrorCode::kCorrupt) return read;
      Damaged(file, read.error().message());
    }
    return {};
  }

  Status ReadRun(const std::string& path, log::Partition partition) {
    TRY_ASSIGN(const auto run, Run::Open(files_, path));
    if (run->info().partition != partition) {
      return Fail(ErrorCode::kCorrupt, "it is of another partition");
    }
    TRY(run->ReadAll());
    return {};
  }

  static std::optional<Offset> FirstOf(std::string_view name, std::string_view suffix) {
    Offset first = 0;
    if (!name.ends_with(suffix)) return std::nullopt;
    name.remove_suffix(suffix.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), first);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return first;
  }

  // A verdict is durable before the index goes past it: of each segment all are there that the
  // index has.
  Status CheckVerdicts(const std::string& dir, log::Partition partition) {
    TRY_ASSIGN(const auto names, Names(dir));
    std::map<Offset, Offset> wanted;  // of each segment: how far
    for (const std::string& name : names) {
      for (const std::string_view suffix : {".seg", ".zseg", ".dup"}) {
        if (const auto first = FirstOf(name, suffix)) wanted.try_emplace(*first, *first);
      }
    }
    for (const Run::Range& range : ranges_) {
      const auto after = wanted.upper_bound(range.first);
      if (after == wanted.begin()) continue;  // its records have left the log
      Offset& end = std::prev(after)->second;
      end = std::max(end, after == wanted.end() ? range.end : std::min(range.end, after->first));
    }
    for (const auto& [first, end] : wanted) {
      const std::string digits = std::to_string(first);
      TRY(CheckSegment(dir + "/" + std::string(20 - digits.size(), '0') + digits + ".dup",
                       partition, first, end));
    }
    return {};
  }

  Status CheckSegment(const std::string& file, log::Partition partition, Offset first, Offset end) {
    const auto bytes = SizeOf(file);
    if (!bytes && bytes.error().code() == ErrorCode::kNotFound) {
      if (end > first) Damaged(file, "it is missing");
      return {};
    }
    if (!bytes) return Fail(bytes.error());
    ++report_.files;
    report_.bytes += *bytes;
    TRY_ASSIGN(
        const auto pages,
        LoadVerdicts(fs_, {.partition = partition, .first = first, .path = Path(file)}, false));
    const Offset decided = first + DecidedWithoutGap(pages);
    if (decided < end) {
      Damaged(file, "verdicts of offsets " + std::to_string(decided) + " to " +
                        std::to_string(end - 1) + " are missing");
    } else if (*bytes % (2 * kVerdictSectorBytes) != 0) {
      Damaged(file, "it is cut short");
    }
    return {};
  }

  os::FileSystem& fs_;
  OpenFiles files_;
  const std::string data_dir_;
  std::vector<Run::Range> ranges_;  // of the index of one partition
  DedupeReport report_;
};

}  // namespace

Result<DedupeReport> VerifyDedupe(os::FileSystem& fs, const std::string& data_dir) {
  return DedupeVerifier(fs, data_dir).Report();
}

}  // namespace tributary::dedupe
