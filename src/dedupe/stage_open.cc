// How a stage finds out where it stopped, and whether what it finds can be believed.
#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/logging.h"
#include "dedupe/stage.h"

namespace tributary::dedupe {

using log::Offset;

namespace {

constexpr std::string_view kVerdictSuffix = ".dup";

std::optional<Offset> ParseVerdictName(std::string_view name) {
  if (!name.ends_with(kVerdictSuffix)) return std::nullopt;
  name.remove_suffix(kVerdictSuffix.size());
  Offset first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), first);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return first;
}

bool IsLeftover(std::string_view name) {
  return name.ends_with(".tmp") || name.ends_with(".deleted");
}

std::vector<bool> BitsOf(const std::vector<VerdictPage>& pages, std::uint64_t count) {
  std::vector<bool> bits(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    bits[i] = pages[i / kVerdictsPerPage].bit(static_cast<std::uint32_t>(i % kVerdictsPerPage));
  }
  return bits;
}

}  // namespace

Result<std::unique_ptr<Stage>> Stage::Open(const StageWorld& world, StageOptions options) {
  std::unique_ptr<Stage> stage(new Stage(world, std::move(options)));
  TRY(stage->Recover());
  return stage;
}

Status Stage::Recover() {
  RefreshSegments();
  TRY(ListRuns());
  TRY(ListVerdictFiles());
  TRY(DropRunsAbove(world_.log->committed(options_.partition)));
  TRY_ASSIGN(const Offset decided, RecoverVerdicts());

  next_ = std::max(RunsEnd(), world_.log->first(options_.partition));
  current_.Start(next_, runs_.empty() ? 0 : runs_.back()->info().ids_end());
  indexed_ = next_;
  cursor_ = next_;
  written_ = std::max(decided, next_);
  verdicts_.StartAt(written_);
  for (const RunPtr& run : runs_) window_.Add(run, nullptr);
  if (!runs_.empty()) {
    last_ = {runs_.back()->info().newest_s, runs_.back()->info().ids_end(), RunsEnd()};
    window_.Advance(last_);
  }
  FindHoles();
  return {};
}

Offset Stage::RunsEnd() const {
  return runs_.empty() ? 0 : runs_.back()->info().end;
}

// A file that cannot be believed is removed; the hole it leaves is filled from the log.
Status Stage::ListRuns() {
  TRY(fs().SyncDir(options_.dir));  // what was only renamed in memory is now durable, or not there
  TRY_ASSIGN(const auto names, fs().List(options_.dir));
  for (const std::string& name : names) {
    const std::string path = options_.dir + "/" + name;
    if (IsLeftover(name)) TRY(fs().Remove(path));
    if (!Run::ParseFileName(name)) continue;
    auto run = Run::Open(*world_.files, path);
    if (run && (*run)->info().partition == options_.partition &&
        (*run)->info().first >= RunsEnd()) {
      runs_.push_back(std::move(*run));
      continue;
    }
    if (!run && run.error().code() == ErrorCode::kExhausted) return Fail(run.error());
    LogWarn("dedupe_index_damaged",
            {{"file", path}, {"what", run ? "it overlaps another" : run.error().message()}});
    TRY(RemoveFile(path));
  }
  return {};
}

// Runs above what the log has (it was cut by hand, or never synced): their offsets will be given
// out again.
Status Stage::DropRunsAbove(Offset end) {
  while (RunsEnd() > end) {
    LogWarn("dedupe_index_dropped", {{"file", runs_.back()->path()}});
    TRY(RemoveFile(runs_.back()->path()));
    runs_.pop_back();
  }
  return {};
}

void Stage::FindHoles() {
  Offset end = world_.log->first(options_.partition);
  for (const RunPtr& run : runs_) {
    if (run->info().first > end) holes_.push_back({end, run->info().first});
    end = std::max(end, run->info().end);
  }
  incomplete_ = !holes_.empty();
}

Status Stage::ListVerdictFiles() {
  if (segments_.empty()) return {};
  const std::string dir = os::ParentOf(segments_.front().path_stem);
  if (!fs().Exists(dir)) return {};
  TRY_ASSIGN(const auto names, fs().List(dir));
  for (const std::string& name : names) {
    if (name.find(kVerdictSuffix) != std::string::npos && IsLeftover(name)) {
      TRY(fs().Remove(dir + "/" + name));
    }
    if (const auto first = ParseVerdictName(name)) verdict_files_[*first] = dir + "/" + name;
  }
  return {};
}

// Follows the verdict files from where the index ends. Everything below the answer is decided and
// durable; it is never below the end of the index.
Result<Offset> Stage::RecoverVerdicts() {
  Offset decided = std::max(RunsEnd(), world_.log->first(options_.partition));
  for (;;) {
    const auto* segment = SegmentOf(decided);
    if (segment == nullptr) {  // the end of the log, or a leap of it
      const Offset next = BoundaryAfter(decided);
      if (next == kNowhere) return decided;
      decided = next;
      continue;
    }
    TRY_ASSIGN(const Offset end, RecoverTail(*segment));
    if (end < decided) {  // neither file nor index knows the verdicts before: decide them anew
      TRY(DropRunsAbove(segment->first));
      const Offset again = std::max(RunsEnd(), world_.log->first(options_.partition));
      if (again == decided) return decided;  // retention took the records below, in mid-segment
      decided = again;
      continue;
    }
    decided = end;
    if (!segment->sealed || end < segment->end) {
      TRY(RemoveVerdictFilesAbove(segment->first));
      return decided;
    }
  }
}

// How far the verdicts of one segment go. Leaves a writer that goes on there, and a file that says
// exactly that much: stray pages behind a damaged one, or beyond the log, would be believed later.
Result<Offset> Stage::RecoverTail(const log::Log::SegmentInfo& segment) {
  const VerdictSegment file = FileOf(segment);
  std::vector<VerdictPage> pages;
  if (fs().Exists(file.path)) {
    TRY_ASSIGN(pages, LoadVerdicts(fs(), file, true));
  }
  const Offset log_end = segment.sealed ? segment.end : world_.log->committed(options_.partition);
  const std::uint64_t there = DecidedWithoutGap(pages);
  std::uint64_t count = std::min(there, log_end - segment.first);
  const Offset indexed = std::min(RunsEnd(), log_end);
  if (count != there || segment.first + count < indexed ||
      pages.size() != (count + kVerdictsPerPage - 1) / kVerdictsPerPage) {
    TRY_ASSIGN(pages, MendTail(file, pages, std::max(indexed, segment.first + count)));
    count = DecidedWithoutGap(pages);
  }
  if (count > 0) {
    writer_ = std::make_unique<VerdictWriter>(fs(), file, std::move(pages));
    verdict_files_[segment.first] = file.path;
  }
  return segment.first + count;
}

// Writes the file anew with the verdicts below `decided`: its own as far as they go, then those of
// the index. Where the index has none, it ends with its own.
Result<std::vector<VerdictPage>> Stage::MendTail(const VerdictSegment& file,
                                                 const std::vector<VerdictPage>& pages,
                                                 Offset decided) {
  const std::uint64_t own = std::min(DecidedWithoutGap(pages), decided - file.first);
  std::vector<bool> bits = BitsOf(pages, own);
  if (file.first + own < decided) {
    const auto more = BitsFromRuns(file.first + own, decided);
    if (more) bits.insert(bits.end(), more->begin(), more->end());
  }
  LogWarn("verdicts_damaged", {{"file", file.path}, {"decided", bits.size()}});
  world_.instruments->rebuilt.Add();
  TRY(os::WriteFileAtomic(fs(), file.path, EncodeVerdicts(file, bits)));
  return LoadVerdicts(fs(), file, false);
}

Status Stage::RemoveVerdictFilesAbove(Offset segment_first) {
  const auto from = verdict_files_.upper_bound(segment_first);
  for (auto it = from; it != verdict_files_.end(); ++it) TRY(RemoveFile(it->second));
  verdict_files_.erase(from, verdict_files_.end());
  return {};
}

}  // namespace tributary::dedupe
