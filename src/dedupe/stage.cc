#include "dedupe/stage.h"

#include <algorithm>

#include "base/check.h"
#include "base/logging.h"

namespace tributary::dedupe {

using log::Offset;

namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::size_t kBatchRecords = 4'096;
// While runs wait to be loaded a look-up is slow: small batches between many loads. With ten
// million ids that is a second and a half, in which an event waits 0.1 s at most.
constexpr std::size_t kBatchRecordsLoading = 64;
constexpr std::size_t kPrefetched = 16;
// Verdicts asked for are durable within 50 ms: this long they are gathered, the rest is the sync.
constexpr MonoNanos kGatherNs = 20 * kNanosPerMilli;
constexpr MonoNanos kSyncAtLeastNs = kNanosPerSecond;  // though nobody asked
constexpr MonoNanos kRetryNs = kNanosPerSecond;

}  // namespace

Stage::Stage(const StageWorld& world, StageOptions options)
    : world_(world),
      options_(std::move(options)),
      verdicts_(world.files->fs(), options_.partition,
                [this](Offset first, Offset end) { return BitsFromRuns(first, end); }),
      window_(options_.window),
      current_(options_.partition, options_.run_ids_max, options_.window.seed) {}

// ---- One round ------------------------------------------------------------------------------

bool Stage::Step(bool sync_wanted, bool closing) {
  if (!failure().empty()) return false;
  if (paused_until_ns_ > world_.clock->Monotonic() && !closing) return false;
  const Result<bool> worked = Work(sync_wanted, closing);
  if (worked) return *worked;
  if (window_.damaged() == nullptr || worked.error().code() == ErrorCode::kExhausted) {
    Handle(worked.error());
    return false;
  }
  LogWarn("dedupe_index_damaged", {{"what", worked.error().message()}});
  return true;  // the next round mends it
}

// No space and a log that cannot be read pass; a failed write or sync does not: what the kernel
// then has is unknown, so nothing more is promised until a restart has read it back.
void Stage::Handle(const Error& error) {
  if (error.code() == ErrorCode::kExhausted || error.code() == ErrorCode::kUnavailable) {
    LogWarn("dedupe_waits", {{"partition", options_.partition}, {"reason", error.message()}});
    paused_until_ns_ = world_.clock->Monotonic() + kRetryNs;
    return;
  }
  LogError("dedupe_failed", {{"partition", options_.partition}, {"reason", error.ToString()}});
  const std::lock_guard lock(failure_mutex_);
  failure_ = "dedupe: " + error.ToString();
}

std::string Stage::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

Result<bool> Stage::Work(bool sync_wanted, bool closing) {
  if (NeedsRepair()) {
    TRY(Repair());
    return true;
  }
  TRY(Release());
  TRY_ASSIGN(bool worked, ProcessBatch());
  if (SyncDue(sync_wanted) || (closing && verdicts_.synced() < verdicts_.decided())) {
    TRY(SyncVerdicts());
    TRY(CutRuns(false));
    worked = true;
  }
  if (closing || (worked && !window_.waiting())) return worked;
  TRY_ASSIGN(const bool more, Background());
  return worked || more;
}

bool Stage::SyncDue(bool sync_wanted) const {
  const auto at = WakeAt(sync_wanted);
  return at && world_.clock->Monotonic() >= *at;
}

std::optional<MonoNanos> Stage::WakeAt(bool sync_wanted) const {
  if (!failure().empty()) return std::nullopt;
  if (paused_until_ns_ > world_.clock->Monotonic()) return paused_until_ns_;
  if (verdicts_.synced() == verdicts_.decided()) return std::nullopt;
  return dirty_since_ns_ + (sync_wanted ? kGatherNs : kSyncAtLeastNs);
}

// ---- Deciding -------------------------------------------------------------------------------

Result<bool> Stage::ProcessBatch() {
  if (next_ >= world_.log->committed(options_.partition)) return false;
  const auto chunk = world_.log->Read(options_.partition, next_, kReadBytes);
  if (!chunk && chunk.error().code() == ErrorCode::kNotFound) return false;
  if (!chunk) return Fail(ErrorCode::kUnavailable, "the log: " + chunk.error().message());

  if ((*chunk)->first() > next_) TRY(SkipTo((*chunk)->first()));
  const auto records = (*chunk)->From(next_);
  const std::size_t limit = window_.waiting() ? kBatchRecordsLoading : kBatchRecords;
  const std::size_t count = std::min(records.size(), limit);
  const Offset from = next_;
  const bool catching_up = from < verdicts_.decided();
  Offset end = count < records.size() ? records[count].offset : (*chunk)->end();
  Collect(records.first(count));
  CloseWindow();
  std::vector<bool> verdicts(end - from);
  const Status decided = Decide(current_, from, &end, verdicts);
  verdicts.resize(end - from);
  Publish(from, end, verdicts);
  if (!decided) return Fail(decided.error());
  // While catching up no verdict waits for its sync, which is where runs are cut otherwise.
  if (current_.full() || catching_up) TRY(CutRuns(false));
  return true;
}

// Over offsets without records. What a segment lost gets verdicts like the rest of it. A leap of
// the log is 2^32 offsets that no segment has: they are passed, and no run has records from both
// sides.
Status Stage::SkipTo(Offset first) {
  RefreshSegments();
  events_.clear();
  while (next_ < first) {
    const Offset end = std::min(first, BoundaryAfter(next_));
    if (SegmentOf(next_) != nullptr) {
      Publish(next_, end, std::vector<bool>(end - next_));
    } else {
      TRY(Leap(end));
    }
  }
  return {};
}

Status Stage::Leap(Offset end) {
  if (end > verdicts_.decided()) {
    TRY(SyncVerdicts());
    verdicts_.SkipTo(end);
    written_ = end;
  }
  next_ = end;
  TRY(CutRuns(false));
  indexed_.store(end, std::memory_order_release);
  return {};
}

void Stage::Collect(std::span<const log::RecordView> records) {
  events_.clear();
  for (const log::RecordView& record : records) {
    const log::RecordFields& fields = record.fields;
    if (fields.kind != log::Kind::kEvent || fields.message_id.empty()) continue;
    events_.push_back({IdOf(fields.source, fields.message_id, scratch_), record.offset,
                       fields.received_at_us / kMicrosPerSecond});
  }
}

// Adds events_ to `builder` with their verdicts. Stops when the builder is full, or at the first
// event that cannot be decided (a damaged index): *end is then the offset after the last one done.
Status Stage::Decide(RunBuilder& builder, Offset from, Offset* end, std::vector<bool>& verdicts) {
  // After a restart: these were decided before it, and somebody may have acted on them.
  const Offset known_end = std::min(*end, verdicts_.decided());
  std::optional<std::vector<bool>> known;
  if (from < known_end) known = verdicts_.KnownDuplicates(from, known_end);

  for (std::size_t group = 0; group < events_.size(); group += kPrefetched) {
    const auto events =
        std::span(events_).subspan(group, std::min(kPrefetched, events_.size() - group));
    for (const Pending& event : events) {
      builder.Prefetch(event.id);
      window_.Prefetch(event.id);
    }
    const std::lock_guard lock(index_mutex_);
    for (const Pending& event : events) {
      bool duplicate = false;
      if (known && event.offset < known_end) {
        duplicate = (*known)[event.offset - from];
      } else {
        const Result<bool> repeat = IsRepeat(builder, event);
        if (!repeat) {
          *end = event.offset;
          return Fail(repeat.error());
        }
        duplicate = *repeat;
      }
      builder.Add(event.id, event.offset, event.received_s, duplicate);
      verdicts[event.offset - from] = duplicate;
      if (builder.full()) {
        *end = event.offset + 1;
        return {};
      }
    }
  }
  return {};
}

Result<bool> Stage::IsRepeat(const RunBuilder& builder, const Pending& event) {
  // The latest original is in the current run, or else in an earlier one.
  if (const auto seen = builder.LastSeen(event.id)) {
    return event.received_s - *seen <= options_.window.window_s;
  }
  return window_.SeenBefore(event.id, {.received_s = event.received_s,
                                       .ids_before = builder.ids_before_next(),
                                       .run_first = builder.first()});
}

void Stage::Publish(Offset from, Offset end, const std::vector<bool>& verdicts) {
  const Offset decided = verdicts_.decided();
  if (end > decided) {
    if (verdicts_.synced() == decided) dirty_since_ns_ = world_.clock->Monotonic();
    const auto fresh =
        verdicts.begin() + static_cast<std::ptrdiff_t>(std::max(from, decided) - from);
    world_.instruments->duplicates.Add(
        static_cast<std::uint64_t>(std::count(fresh, verdicts.end(), true)));
    const auto counted = std::ranges::count_if(
        events_, [&](const Pending& e) { return e.offset >= decided && e.offset < end; });
    world_.instruments->events.Add(static_cast<std::uint64_t>(counted));
    verdicts_.Append({fresh, verdicts.end()});
  }
  next_ = end;
  indexed_.store(end, std::memory_order_release);
}

// Lets go of runs that are outside for the batch in hand, and shows what the window is now.
void Stage::CloseWindow() {
  if (events_.empty()) return;
  last_ = {events_.front().received_s, current_.ids_before_next(), current_.first()};
  window_.Advance(last_);
  Instruments& shown = *world_.instruments;
  const Window::Counts& now = window_.counts();
  shown.runs_searched.Add(now.searched - counted_.searched);
  shown.runs_found.Add(now.found - counted_.found);
  shown.closed_by_age.Add(now.closed_by_age - counted_.closed_by_age);
  shown.closed_by_ids.Add(now.closed_by_ids - counted_.closed_by_ids);
  if (now.closed_by_age != counted_.closed_by_age) shown.ids_close_first = false;
  if (now.closed_by_ids != counted_.closed_by_ids) shown.ids_close_first = true;
  counted_ = now;
  shown.filter_bytes = static_cast<double>(window_.filter_bytes());
  const bool empty = current_.table().entries().empty();
  const std::int64_t oldest_s = window_.oldest_s(empty ? last_.received_s : current_.base_s());
  shown.window_s =
      static_cast<double>(std::min(options_.window.window_s, last_.received_s - oldest_s));
}

// ---- Making it durable ----------------------------------------------------------------------

void Stage::RefreshSegments() {
  segments_ = world_.log->segments(options_.partition);
  verdicts_.SetSegments(segments_);
}

const log::Log::SegmentInfo* Stage::SegmentOf(Offset offset) const {
  const auto after = std::ranges::upper_bound(segments_, offset, {}, &log::Log::SegmentInfo::first);
  if (after == segments_.begin()) return nullptr;
  const auto& segment = *std::prev(after);
  return segment.sealed && offset >= segment.end ? nullptr : &segment;
}

// Where the segment with `offset` ends, or the gap it lies in; kNowhere in the active one.
Offset Stage::BoundaryAfter(Offset offset) const {
  if (const auto* segment = SegmentOf(offset); segment != nullptr && segment->sealed) {
    return segment->end;
  }
  const auto after = std::ranges::upper_bound(segments_, offset, {}, &log::Log::SegmentInfo::first);
  return after == segments_.end() ? kNowhere : after->first;
}

VerdictSegment Stage::FileOf(const log::Log::SegmentInfo& segment) const {
  return {options_.partition, segment.first, segment.path_stem + ".dup"};
}

Status Stage::SyncVerdicts() {
  const Offset until = verdicts_.decided();
  if (until == verdicts_.synced()) return {};
  RefreshSegments();  // after `until` was read: it names the segment of every offset below
  TRY(WriteVerdicts(until));
  verdicts_.SetSynced(until);
  return {};
}

Status Stage::WriteVerdicts(Offset until) {
  while (written_ < until) {
    const auto* segment = SegmentOf(written_);
    const Offset stop = std::min(until, BoundaryAfter(written_));
    if (segment == nullptr) {  // a gap between segments: nothing there has a verdict
      written_ = stop;
      continue;
    }
    if (writer_ == nullptr || writer_->segment().first != segment->first) {
      if (writer_ != nullptr) TRY(writer_->Sync());
      writer_ = std::make_unique<VerdictWriter>(fs(), FileOf(*segment), std::vector<VerdictPage>());
      verdict_files_[segment->first] = writer_->segment().path;
    }
    while (segment->first + writer_->decided() < written_) writer_->Add(false);
    for (const bool duplicate : verdicts_.Duplicates(written_, stop)) writer_->Add(duplicate);
    written_ = stop;
  }
  if (writer_ != nullptr) TRY(writer_->Sync());
  return {};
}

// Cuts the current run where its segment ended, or where it is full; with `all` also here.
Status Stage::CutRuns(bool all) {
  RefreshSegments();
  for (Offset end = BoundaryAfter(current_.first()); end <= next_;
       end = BoundaryAfter(current_.first())) {
    TRY(Cut(end));
  }
  if (current_.full() || (all && current_.first() < next_)) TRY(Cut(next_));
  return {};
}

Status Stage::Cut(Offset at) {
  TRY(SyncVerdicts());
  auto [info, entries] = current_.UpTo(at);
  TRY_ASSIGN(const RunPtr run, Run::Write(*world_.files, options_.dir, info, entries));
  {
    const std::lock_guard lock(index_mutex_);
    current_.ContinueAt(at);
    runs_.push_back(run);
  }
  window_.Add(run, &entries);
  cursor_.store(at, std::memory_order_release);
  return {};
}

// ---- Retention ------------------------------------------------------------------------------

void Stage::ReleaseBelow(Offset end) {
  Offset before = release_below_.load();
  while (before < end && !release_below_.compare_exchange_weak(before, end)) {
  }
}

// What must go is taken in first, as long as the log can be read: an id that was forgotten would
// let its repeats through. A batch a round, so that nobody waits for all of it.
Status Stage::Release() {
  const Offset below = release_below_.load();
  if (below <= cursor()) return {};
  if (next_ < below) {
    const Result<bool> taken = ProcessBatch();
    if (taken && *taken && next_ < below) return {};
    const bool unreadable =
        !taken && window_.damaged() == nullptr && taken.error().code() == ErrorCode::kUnavailable;
    if (!taken && !unreadable) return Fail(taken.error());
    if (next_ < below) TRY(GiveUp(below));
  }
  return CutRuns(true);
}

// What the log lets go of before it was decided.
Status Stage::GiveUp(Offset below) {
  const Offset lost = below - std::max(next_, std::min(below, verdicts_.decided()));
  LogWarn("dedupe_skips", {{"partition", options_.partition}, {"from", next_}, {"to", below}});
  world_.instruments->skipped.Add(lost);
  return SkipTo(below);
}

// ---- Looking up -----------------------------------------------------------------------------

Stage::RunList Stage::runs() const {
  const std::lock_guard lock(index_mutex_);
  return runs_;
}

// What is damaged is made again by the next step.
Error Stage::Unreadable(const RunPtr& run, const Error& error) const {
  const std::lock_guard lock(index_mutex_);
  if (error.code() == ErrorCode::kCorrupt) suspect_ = run;
  return {ErrorCode::kUnavailable, error.message()};
}

Result<std::vector<Stage::Found>> Stage::Find(const Hash128& id, std::size_t max) const {
  std::vector<Found> out;
  RunList runs;
  {
    const std::lock_guard lock(index_mutex_);
    for (const IdEntry& entry : current_.table().entries()) {
      if (entry.id != id) continue;
      out.push_back({current_.first() + entry.relative(), current_.base_s() + entry.received_s,
                     entry.duplicate()});
    }
    runs = runs_;
  }
  if (incomplete_.load()) {
    return Fail(ErrorCode::kUnavailable, "a part of the message-id index is being made again");
  }
  window_.KeepThoseThatMayHold({&id, 1}, Window::As::kAny, runs);
  for (const RunPtr& run : runs) {
    const auto entries = run->AllOf(id, max);
    if (!entries) return Fail(Unreadable(run, entries.error()));
    for (const IdEntry& entry : *entries) {
      out.push_back({run->OffsetOf(entry), run->ReceivedAt(entry), entry.duplicate()});
    }
  }
  std::ranges::sort(out, std::greater<>(), &Found::offset);
  std::size_t seen[2] = {0, 0};
  std::erase_if(out, [&](const Found& found) { return ++seen[found.duplicate] > max; });
  return out;
}

Result<std::vector<Stage::Found>> Stage::OriginalsOf(std::span<const Hash128> ids,
                                                     std::size_t max) const {
  std::vector<Found> out;
  RunList runs;
  {
    const std::lock_guard lock(index_mutex_);
    for (const IdEntry& entry : current_.table().entries()) {
      if (entry.duplicate() || !std::ranges::binary_search(ids, entry.id)) continue;
      out.push_back({current_.first() + entry.relative(), current_.base_s() + entry.received_s});
    }
    runs = runs_;
  }
  if (incomplete_.load()) {
    return Fail(ErrorCode::kUnavailable, "a part of the message-id index is being made again");
  }
  window_.KeepThoseThatMayHold(ids, Window::As::kOriginal, runs);
  // From the newest run to the oldest: once there are enough, the others have none that counts.
  for (auto run = runs.rbegin(); run != runs.rend() && out.size() < max; ++run) {
    const auto entries = (*run)->OriginalsOf(ids);
    if (!entries) return Fail(Unreadable(*run, entries.error()));
    for (const IdEntry& entry : *entries) {
      out.push_back({(*run)->OffsetOf(entry), (*run)->ReceivedAt(entry)});
    }
  }
  std::ranges::sort(out, std::greater<>(), &Found::offset);
  if (out.size() > max) out.resize(max);
  return out;
}

Result<std::optional<Stage::Latest>> Stage::LatestOf(std::span<const Hash128> ids) const {
  std::optional<Latest> latest;
  RunList runs;
  {
    const std::lock_guard lock(index_mutex_);
    for (const Hash128& id : ids) {
      const IdEntry* const entry = current_.table().LatestOriginal(id);
      if (entry == nullptr) continue;
      const log::Offset offset = current_.first() + entry->relative();
      if (latest && latest->found.offset > offset) continue;
      latest = {id, {offset, current_.base_s() + entry->received_s, false}};
    }
    runs = runs_;
  }
  if (latest) return latest;
  if (incomplete_.load()) {
    return Fail(ErrorCode::kUnavailable, "a part of the message-id index is being made again");
  }
  window_.KeepThoseThatMayHold(ids, Window::As::kOriginal, runs);
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    const auto entry = (*run)->LatestOriginalOf(ids);
    if (!entry) return Fail(Unreadable(*run, entry.error()));
    if (!*entry) continue;
    return Latest{(*entry)->id, {(*run)->OffsetOf(**entry), (*run)->ReceivedAt(**entry), false}};
  }
  return std::nullopt;
}

}  // namespace tributary::dedupe
