// What a stage does when it has time, and how it makes again what was found damaged.
#include <algorithm>

#include "base/check.h"
#include "base/logging.h"
#include "dedupe/stage.h"

namespace tributary::dedupe {

using log::Offset;

namespace {
constexpr std::size_t kRepairReadBytes = 1 << 20;
constexpr MonoNanos kExpiryNs = kNanosPerSecond;
constexpr std::size_t kLoadedAtOnce = 8;
constexpr std::size_t kRemovedAtOnce = 64;

}  // namespace

Result<bool> Stage::Background() {
  for (std::size_t loaded = 0; window_.waiting(); ++loaded) {
    if (loaded == kLoadedAtOnce) return true;
    TRY(window_.LoadOne());
  }
  for (const Offset segment_first : verdicts_.TakeDamaged()) {
    TRY(RewriteVerdicts(segment_first));
    return true;
  }
  return RemoveExpired();
}

// ---- Index files ----------------------------------------------------------------------------

bool Stage::NeedsRepair() const {
  const std::lock_guard lock(index_mutex_);
  return window_.damaged() != nullptr || suspect_ != nullptr || !holes_.empty();
}

Status Stage::Repair() {
  RunPtr damaged = window_.damaged();
  if (damaged == nullptr) {
    const std::lock_guard lock(index_mutex_);
    damaged = std::exchange(suspect_, nullptr);
  }
  if (damaged != nullptr) return RebuildRange(damaged->info().first, damaged->info().end);
  const Run::Range hole = holes_.front();
  TRY(RebuildRange(hole.first, hole.end));
  holes_.erase(holes_.begin());
  incomplete_ = !holes_.empty();
  return {};
}

// Reads the records again and writes the runs they make, cut by the same rules as before. Verdicts
// that are on disk are taken as they are. Records that retention took since are missing from it.
Status Stage::RebuildRange(Offset first, Offset end) {
  RunBuilder builder(options_.partition, options_.run_ids_max, options_.window.seed);
  RefreshSegments();
  for (Offset at = first; at < end;) {
    builder.Start(at, IdsBefore(at));
    const Offset boundary = std::min(end, BoundaryAfter(at));
    TRY_ASSIGN(const Offset stop, Gather(builder, at, boundary));
    auto [info, entries] = builder.UpTo(stop);
    TRY_ASSIGN(const RunPtr run, Run::Write(*world_.files, options_.dir, info, entries));
    PutRun(run);
    LogInfo("dedupe_index_rebuilt", {{"file", run->path()}, {"ids", run->info().entries}});
    world_.instruments->rebuilt.Add();
    at = stop;
  }
  return {};
}

// Fills the builder with the records of [from, end); returns where it stopped (full, or the end).
Result<Offset> Stage::Gather(RunBuilder& builder, Offset from, Offset end) {
  while (from < end && !builder.full()) {
    const auto chunk = world_.log->Read(options_.partition, from, kRepairReadBytes);
    if (!chunk && chunk.error().code() == ErrorCode::kNotFound) return end;
    if (!chunk) return Fail(ErrorCode::kUnavailable, "the log: " + chunk.error().message());
    if ((*chunk)->first() >= end) return end;  // the log leapt over all of it
    auto records = (*chunk)->From(from);
    const auto inside = std::ranges::partition_point(
        records, [end](const log::RecordView& record) { return record.offset < end; });
    Collect(records.first(static_cast<std::size_t>(inside - records.begin())));
    Offset stop = std::min(end, std::max((*chunk)->end(), from + 1));
    std::vector<bool> verdicts(stop - from);
    TRY(Decide(builder, from, &stop, verdicts));
    from = stop;
  }
  return from;
}

// How many ids the index counted before this offset. Before the first run it can only be bounded.
std::uint64_t Stage::IdsBefore(Offset first) const {
  const auto after = std::ranges::upper_bound(runs_, first, {},
                                              [](const RunPtr& run) { return run->info().first; });
  if (after != runs_.begin()) {
    const RunInfo& before = (*std::prev(after))->info();
    return before.first == first ? before.ids_before : before.ids_end();
  }
  if (after == runs_.end()) return 0;
  const RunInfo& next = (*after)->info();
  return next.ids_before - std::min(next.ids_before, next.first - first);
}

void Stage::PutRun(const RunPtr& run) {
  {
    const std::lock_guard lock(index_mutex_);
    const auto place = std::ranges::lower_bound(
        runs_, run->info().first, {}, [](const RunPtr& other) { return other->info().first; });
    if (place != runs_.end() && (*place)->info().first == run->info().first) {
      *place = run;
    } else {
      runs_.insert(place, run);
    }
  }
  window_.Put(run);
}

// ---- Verdicts -------------------------------------------------------------------------------

// The duplicates of [first, end) as the index has them; nullopt when it does not cover all of it.
std::optional<std::vector<bool>> Stage::BitsFromRuns(Offset first, Offset end) const {
  std::vector<bool> out(end - first);
  Offset covered = first;
  for (const RunPtr& run : runs()) {
    const RunInfo& info = run->info();
    if (info.end <= covered || covered >= end) continue;
    if (info.first > covered) return std::nullopt;
    const auto entries = run->ReadAll();
    if (!entries) return std::nullopt;
    for (const IdEntry& entry : *entries) {
      const Offset offset = run->OffsetOf(entry);
      if (entry.duplicate() && offset >= first && offset < end) out[offset - first] = true;
    }
    covered = info.end;
  }
  return covered >= end ? std::optional(std::move(out)) : std::nullopt;
}

// A file of a segment that was passed long ago. If the index cannot help either, its runs are made
// again, which decides the segment anew with what the window held then.
Status Stage::RewriteVerdicts(Offset segment_first) {
  RefreshSegments();
  const auto* listed = SegmentOf(segment_first);
  if (listed == nullptr || !listed->sealed || listed->end > RunsEnd()) return {};
  const log::Log::SegmentInfo segment = *listed;  // rebuilding lists the segments anew
  auto bits = verdicts_.KnownDuplicates(segment.first, segment.end);
  if (!bits) {
    for (const RunPtr& run : runs()) {
      if (run->info().first < segment.first || run->info().end > segment.end) continue;
      TRY(RebuildRange(run->info().first, run->info().end));
    }
    bits = BitsFromRuns(segment.first, segment.end);
    if (!bits) return {};  // named already; the log has no more of it
  }
  const VerdictSegment file = FileOf(segment);
  TRY(os::WriteFileAtomic(fs(), file.path, EncodeVerdicts(file, *bits)));
  verdicts_.Reload(segment.first);
  world_.instruments->rebuilt.Add();
  LogInfo("verdicts_rebuilt", {{"file", file.path}});
  return {};
}

// ---- Removing -------------------------------------------------------------------------------

// An index file goes when its records left the log and its ids the window; a verdict file with its
// segment.
Result<bool> Stage::RemoveExpired() {
  const MonoNanos now = world_.clock->Monotonic();
  if (now < last_expiry_ns_ + kExpiryNs) return false;
  last_expiry_ns_ = now;
  const Offset first = world_.log->first(options_.partition);
  std::size_t removed = 0;
  while (!runs_.empty() && runs_.front()->info().end <= first &&
         window_.Outside(runs_.front()->info(), last_) && removed < kRemovedAtOnce) {
    TRY(RemoveFile(runs_.front()->path()));
    const std::lock_guard lock(index_mutex_);
    runs_.erase(runs_.begin());
    ++removed;
  }
  if (!verdict_files_.empty() && verdict_files_.begin()->first < first) RefreshSegments();
  while (!segments_.empty() && !verdict_files_.empty() &&
         verdict_files_.begin()->first < segments_.front().first && removed < kRemovedAtOnce) {
    TRY(RemoveFile(verdict_files_.begin()->second));
    verdict_files_.erase(verdict_files_.begin());
    ++removed;
  }
  return removed > 0;
}

// Renamed first: a crash in the middle leaves a name that the next start removes, never half a file
// under a name that is believed.
Status Stage::RemoveFile(const std::string& path) {
  world_.files->Forget(path);
  const std::string doomed = path + ".deleted";
  const Status renamed = fs().Rename(path, doomed);
  if (!renamed && renamed.error().code() == ErrorCode::kNotFound) return {};
  TRY(renamed);
  TRY(fs().Remove(doomed));
  return fs().SyncDir(os::ParentOf(path));
}

}  // namespace tributary::dedupe
