#include "dedupe/dedupe.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/check.h"
#include "dedupe/stage.h"

namespace tributary::dedupe {

using log::Offset;
using log::Partition;

namespace {

// A run is an eighth of the window at most, so that it closes in small steps, and fits a filter.
std::uint32_t RunIdsMax(const WindowOptions& window) {
  constexpr std::uint64_t kSmallest = 16;
  const std::uint64_t eighth = window.max_ids / 8;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(eighth, kSmallest, kRunIdsMax));
}

WindowOptions WindowOf(const DedupeOptions& options, std::uint32_t partitions, std::uint64_t seed) {
  WindowOptions window;
  window.window_s = options.window_us / kMicrosPerSecond;
  window.filter_bytes_max = options.filter_bytes_max / partitions;
  window.max_ids = std::max<std::uint64_t>(
      1, std::min(options.max_ids / partitions, Window::IdsServed(window.filter_bytes_max)));
  window.seed = seed;
  return window;
}

}  // namespace

void Dedupe::Signal::Raise() {
  {
    const std::lock_guard lock(mutex);
    if (raised) return;
    raised = true;
  }
  changed.notify_one();
}

Dedupe::Dedupe(const DedupeWorld& world)
    : world_(world),
      instruments_(std::make_unique<Instruments>(*world.registry)),
      files_(std::make_unique<OpenFiles>(*world.fs)) {}

Dedupe::~Dedupe() = default;

Result<std::shared_ptr<Dedupe>> Dedupe::Open(const DedupeWorld& world,
                                             const DedupeOptions& options) {
  std::shared_ptr<Dedupe> dedupe(new Dedupe(world));
  TRY(dedupe->OpenStages(options));
  world.log->OnCommit([signal = dedupe->signal_](Partition, Offset) { signal->Raise(); });
  world.log->AddHolder(dedupe);
  return dedupe;
}

Status Dedupe::OpenStages(const DedupeOptions& options) {
  TRY(world_.fs->CreateDir(options.dir));
  TRY(world_.fs->SyncDir(os::ParentOf(options.dir)));  // else the index may vanish with its folder
  const std::uint32_t partitions = world_.log->partitions();
  StageOptions stage;
  stage.window = WindowOf(options, partitions, world_.random->Next());
  stage.run_ids_max = RunIdsMax(stage.window);
  const StageWorld world = {files_.get(), world_.clock, world_.log, instruments_.get()};
  for (Partition partition = 0; partition < partitions; ++partition) {
    stage.partition = partition;
    stage.dir = options.dir + "/p" + std::to_string(partition);
    TRY(world_.fs->CreateDir(stage.dir));
    TRY_ASSIGN(auto opened, Stage::Open(world, stage));
    stages_.push_back(std::move(opened));
  }
  return world_.fs->SyncDir(options.dir);
}

// ---- The dedupe thread ----------------------------------------------------------------------

bool Dedupe::Step() {
  const bool closing = closed();
  const bool wanted = sync_wanted_.load();
  bool worked = false;
  for (const auto& stage : stages_) worked |= stage->Step(wanted, closing);
  const bool clean = std::ranges::all_of(stages_, [](const auto& stage) {
    return stage->verdicts().synced() == stage->verdicts().decided();
  });
  // A request that comes in between is answered by what it asked about: that is durable now.
  if (wanted && clean) sync_wanted_ = false;
  Announce();
  return worked;
}

std::optional<MonoNanos> Dedupe::NextWake() const {
  std::optional<MonoNanos> next;
  const auto earlier = [&](std::optional<MonoNanos> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  for (const auto& stage : stages_) earlier(stage->WakeAt(sync_wanted_.load()));
  const std::lock_guard lock(mutex_);
  for (const auto& [offset, waiter] : waiters_) earlier(waiter.deadline_ns);
  return next;
}

void Dedupe::WaitForWork() {
  const auto at = NextWake();
  std::unique_lock lock(signal_->mutex);
  const auto ready = [this] { return signal_->raised || closed(); };
  if (at) {
    const MonoNanos left = *at - world_.clock->Monotonic();
    if (left > 0) signal_->changed.wait_for(lock, std::chrono::nanoseconds(left), ready);
  } else {
    signal_->changed.wait(lock, ready);
  }
  signal_->raised = false;
}

void Dedupe::Close() {
  closed_ = true;
  signal_->Raise();
}

bool Dedupe::closed() const {
  return closed_.load();
}

void Dedupe::Announce() {
  Offset reached = 0;
  for (const auto& stage : stages_) {
    reached += stage->verdicts().decided() + stage->verdicts().synced() + stage->indexed();
  }
  std::vector<Wake> late;
  std::vector<Wake> ready = TakeWaiters(closed(), late);
  for (Wake& wake : ready) wake(true);
  for (Wake& wake : late) wake(false);
  if (reached == announced_) return;
  announced_ = reached;
  std::vector<Listener> listeners;
  {
    const std::lock_guard lock(mutex_);
    listeners = listeners_;
  }
  for (const Listener& listener : listeners) listener();
}

// ---- Waiting --------------------------------------------------------------------------------

std::vector<Dedupe::Wake> Dedupe::TakeWaiters(bool closing, std::vector<Wake>& late) {
  std::vector<Wake> ready;
  const std::lock_guard lock(mutex_);
  if (waiters_.empty()) return ready;
  const MonoNanos now = world_.clock->Monotonic();
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    Waiter& waiter = it->second;
    const bool indexed = stages_[waiter.partition]->indexed() >= it->first;
    if (!indexed && !closing && now < waiter.deadline_ns) {
      ++it;
      continue;
    }
    (indexed ? ready : late).push_back(std::move(waiter.wake));
    it = waiters_.erase(it);
  }
  return ready;
}

Status Dedupe::WhenIndexed(Partition partition, Offset offset, MonoNanos deadline_ns, Wake wake) {
  CHECK_OP(partition, <, stages_.size());
  {
    const std::lock_guard lock(mutex_);
    // Asked under the lock: otherwise the stage could pass the offset between question and entry.
    if (stages_[partition]->indexed() < offset) {
      if (closed()) return Fail(ErrorCode::kUnavailable, "shutting down");
      if (waiters_.size() >= kWaitersMax) {
        return Fail(ErrorCode::kExhausted, "too many requests wait for the dedupe stage");
      }
      waiters_.emplace(offset, Waiter{partition, deadline_ns, std::move(wake)});
      wake = nullptr;
    }
  }
  if (wake) {
    wake(true);
  } else {
    signal_->Raise();
  }
  return {};
}

// ---- Looking up -----------------------------------------------------------------------------

// What the stages of all partitions answer, as far as the log still has it.
template <class Ask>
Result<std::vector<Match>> Dedupe::NewestFirst(const Ask& ask) const {
  std::vector<Match> found;
  for (Partition partition = 0; partition < stages_.size(); ++partition) {
    const auto matches = ask(*stages_[partition]);
    if (!matches) {
      signal_->Raise();  // what was found damaged is mended by the next step
      return Fail(matches.error());
    }
    const Offset first = world_.log->first(partition);
    for (const Stage::Found& match : *matches) {
      if (match.offset < first) continue;
      found.push_back({partition, match.offset, match.duplicate, match.received_s});
    }
  }
  std::ranges::stable_sort(found, std::greater<>(), &Match::received_s);
  return found;
}

Result<std::vector<Match>> Dedupe::Find(log::SourceId source, std::string_view message_id) const {
  std::string scratch;
  const Hash128 id = IdOf(source, message_id, scratch);
  TRY_ASSIGN(std::vector<Match> found,
             NewestFirst([&id](const Stage& stage) { return stage.Find(id, kMatchesMax); }));
  std::size_t seen[2] = {0, 0};
  std::erase_if(found, [&](const Match& match) { return ++seen[match.duplicate] > kMatchesMax; });
  return found;
}

Result<std::vector<Match>> Dedupe::OriginalsOf(std::span<const log::SourceId> sources,
                                               std::string_view message_id, std::size_t max) const {
  std::string scratch;
  std::set<Hash128> in_order;
  for (const log::SourceId source : sources) in_order.insert(IdOf(source, message_id, scratch));
  const std::vector<Hash128> ids(in_order.begin(), in_order.end());
  TRY_ASSIGN(std::vector<Match> found,
             NewestFirst([&](const Stage& stage) { return stage.OriginalsOf(ids, max); }));
  if (found.size() > max) found.resize(max);
  return found;
}

Result<std::optional<log::SourceId>> Dedupe::SourceOfNewest(std::span<const log::SourceId> sources,
                                                            std::string_view message_id) const {
  std::string scratch;
  std::map<Hash128, log::SourceId> source_of;
  for (const log::SourceId source : sources) {
    source_of.emplace(IdOf(source, message_id, scratch), source);
  }
  std::vector<Hash128> ids;
  ids.reserve(source_of.size());
  for (const auto& [id, source] : source_of) ids.push_back(id);
  std::optional<log::SourceId> newest;
  std::int64_t newest_s = 0;
  for (Partition partition = 0; partition < stages_.size(); ++partition) {
    const auto latest = stages_[partition]->LatestOf(ids);
    if (!latest) {
      signal_->Raise();  // what was found damaged is mended by the next step
      return Fail(latest.error());
    }
    if (!*latest || (*latest)->found.offset < world_.log->first(partition)) continue;
    if (newest && newest_s >= (*latest)->found.received_s) continue;
    newest = source_of.at((*latest)->id);
    newest_s = (*latest)->found.received_s;
  }
  return newest;
}

// ---- What others ask ------------------------------------------------------------------------

Offset Dedupe::decided(Partition partition) const {
  return stages_.at(partition)->verdicts().decided();
}
Offset Dedupe::synced(Partition partition) const {
  return stages_.at(partition)->verdicts().synced();
}
bool Dedupe::IsDuplicate(Partition partition, Offset offset) const {
  return Duplicates(partition, offset, offset + 1).front();
}
std::vector<bool> Dedupe::Duplicates(Partition partition, Offset first, Offset end) const {
  return stages_.at(partition)->verdicts().Duplicates(first, end);
}
void Dedupe::RequestSync() {
  if (!sync_wanted_.exchange(true)) signal_->Raise();
}
void Dedupe::OnProgress(Listener listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}
Offset Dedupe::synced_cursor(Partition partition) const {
  return stages_.at(partition)->cursor();
}
void Dedupe::ReleaseBelow(Partition partition, Offset end) {
  stages_.at(partition)->ReleaseBelow(end);
  signal_->Raise();
}
std::string Dedupe::failure() const {
  for (const auto& stage : stages_) {
    if (std::string why = stage->failure(); !why.empty()) return why;
  }
  return {};
}

}  // namespace tributary::dedupe
