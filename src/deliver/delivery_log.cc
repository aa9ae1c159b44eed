#include "deliver/delivery_log.h"

#include <algorithm>
#include <charconv>

#include "base/logging.h"
#include "deliver/delivery_log_impl.h"

namespace tributary::deliver {
namespace {

constexpr std::uint64_t kArchiveBytesMax = 64ULL << 20;
constexpr std::uint64_t kArchiveBytesMin = 64ULL << 10;
constexpr std::int64_t kLiveAgeMaxUs = 3'600LL * kMicrosPerSecond;
constexpr MonoNanos kMaintainEvery = 60 * kNanosPerSecond;

std::string NameOf(std::uint64_t number, std::string_view suffix) {
  const std::string digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits + std::string(suffix);
}

std::optional<std::uint64_t> NumberOf(std::string_view name, std::string_view suffix) {
  if (name.size() != 20 + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 20, number);
  if (error != std::errc() || end != name.data() + 20) return std::nullopt;
  return number;
}

// Those of one pair, by number; a number that is there twice (a crash between merging and letting
// go of what was merged) is told once.
void Tidy(std::vector<StoredAttempt>& attempts) {
  std::ranges::stable_sort(attempts, {}, &StoredAttempt::number);
  const auto twice = std::ranges::unique(attempts, {}, &StoredAttempt::number);
  attempts.erase(twice.begin(), twice.end());
}

void FindIn(const AttemptRows& rows, LaneId lane, Position at, std::vector<StoredAttempt>& out) {
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const AttemptRow& row = rows.rows[i];
    if (row.offset == at.offset && row.lane == lane && row.partition == at.partition) {
      out.push_back(rows.At(i));
    }
  }
}

}  // namespace

Result<std::unique_ptr<DeliveryLog>> DeliveryLog::Open(DeliveryLogWorld world,
                                                       DeliveryLogOptions options) {
  auto log = std::make_unique<DeliveryLogImpl>(world, std::move(options));
  TRY(log->Load());
  return log;
}

DeliveryLogImpl::DeliveryLogImpl(DeliveryLogWorld world, DeliveryLogOptions options)
    : world_(world), options_(std::move(options)) {
  if (world_.metrics == nullptr) return;
  const auto gauge = [&](const char* name, const char* help, auto member) {
    gauges_.push_back(world_.metrics->AddGauge(
        name, help, {}, [this, member] { return static_cast<double>(stats().*member); }));
  };
  gauge("tributary_delivery_log_bytes", "Bytes of the delivery log on disk.",
        &DeliveryLogStats::bytes);
  gauge("tributary_delivery_log_attempts", "Attempts that the delivery log holds.",
        &DeliveryLogStats::attempts);
  gauge("tributary_delivery_log_dropped_total", "Attempts that its limits took, since start.",
        &DeliveryLogStats::dropped);
  gauge("tributary_delivery_log_lost_total", "Attempts that could not be written, since start.",
        &DeliveryLogStats::lost);
  gauge("tributary_delivery_log_damaged_total",
        "Times that damage in the delivery log was met and passed over, since start.",
        &DeliveryLogStats::damaged);
}

DeliveryLogImpl::~DeliveryLogImpl() {
  for (const std::uint64_t gauge : gauges_) world_.metrics->RemoveGauge(gauge);
}

// ---- Start ----

Status DeliveryLogImpl::Load() {
  TRY(world_.fs->CreateDir(options_.dir));
  TRY_ASSIGN(const auto names, world_.fs->List(options_.dir));
  std::vector<std::uint64_t> archives;
  std::vector<std::uint64_t> live;
  for (const std::string& name : names) {
    if (const auto number = NumberOf(name, kArchiveSuffix)) archives.push_back(*number);
    if (const auto number = NumberOf(name, kLiveSuffix)) live.push_back(*number);
  }
  for (const std::uint64_t number : archives) {
    const Status loaded = LoadArchive(number, number == archives.back());
    TRY(SetAside(loaded, NameOf(number, kArchiveSuffix)));
    next_number_ = std::max(next_number_, number + 1);
  }
  for (const std::uint64_t number : live) {
    const std::string name = NameOf(number, kLiveSuffix);
    TRY(SetAside(LoadLive(name, number == live.back()), name));
    next_number_ = std::max(next_number_, number + 1);
  }
  live_since_us_ = world_.clock->Now();
  if (live_file_ == nullptr) {
    TRY_ASSIGN(live_file_, DeliveryLogFile::Create(*world_.fs, options_.dir,
                                                   NameOf(next_number_++, kLiveSuffix)));
  }
  world_.executor->Post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) Maintain();
  });
  return {};
}

Status DeliveryLogImpl::LoadArchive(std::uint64_t number, bool newest) {
  using enum DeliveryLogFile::Opening;
  TRY_ASSIGN(auto opened, DeliveryLogFile::Open(*world_.fs, PathOf(NameOf(number, kArchiveSuffix)),
                                                newest ? kCut : kHeaders));
  NameDamage(opened, !newest);  // an older one was whole when the next was begun
  Archive archive{.number = number,
                  .file = std::move(opened.file),
                  .blocks = std::move(opened.blocks),
                  .writable = newest};
  for (const auto& block : archive.blocks) {
    archive.rows += block.header.rows;
    archive.newest_ms = std::max(archive.newest_ms, block.header.last_ms);
  }
  archives_.push_back(std::move(archive));
  return {};
}

void DeliveryLogImpl::NameDamage(const DeliveryLogFile::Opened& opened, bool tail_too) const {
  const std::string& path = opened.file->path();
  for (const auto& damage : opened.damage) Damaged(path, damage.position, damage.what);
  if (!tail_too) return;
  for (const auto& damage : opened.tail) Damaged(path, damage.position, damage.what);
}

void DeliveryLogImpl::Damaged(const std::string& file, std::uint64_t position,
                              const std::string& what) const {
  ++damaged_;
  LogWarn("delivery_log_damaged", {{"file", file}, {"position", position}, {"error", what}});
}

// A file that cannot be read at all is no reason not to start: it is renamed, and named.
Status DeliveryLogImpl::SetAside(const Status& loaded, const std::string& name) {
  if (loaded || loaded.error().code() != ErrorCode::kCorrupt) return loaded;
  Damaged(name, 0, loaded.error().ToString());
  return world_.fs->Rename(PathOf(name), PathOf(name + ".damaged"));
}

// Several only after a crash in the middle of a merge: the older ones are merged with the newest.
Status DeliveryLogImpl::LoadLive(const std::string& name, bool newest) {
  TRY_ASSIGN(auto opened,
             DeliveryLogFile::Open(*world_.fs, PathOf(name), DeliveryLogFile::Opening::kCut));
  NameDamage(opened, false);
  codec::ZstdDecompressor decompressor;
  AttemptRows rows;
  for (const auto& block : opened.blocks) {
    TRY_ASSIGN(const std::string payload, opened.file->ReadPayload(block));
    TRY(DecodeBlock(block.header, payload, decompressor, rows));
  }
  live_.Append(rows);
  if (newest) {
    live_file_ = std::move(opened.file);
    return {};
  }
  if (rows.rows.empty()) return world_.fs->Remove(PathOf(name));
  return {};
}

// ---- Appending ----

void DeliveryLogImpl::Append(LaneId lane, Position at, const StoredAttempt& attempt) {
  bool schedule = false;
  {
    const std::lock_guard lock(queue_mutex_);
    if (queue_.rows.size() >= kDeliveryLogQueueMax ||
        queue_.text_bytes >= 4 * kDeliveryLogMergeTextBytes) {
      ++lost_;
      return;
    }
    queue_.Add(lane, at, attempt);
    schedule = !std::exchange(scheduled_, true);
  }
  if (!schedule) return;
  world_.executor->Post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    world_.executor->At(world_.executor->Now() + kDeliveryLogFlush, [this, alive] {
      if (!alive.expired()) Flush();
    });
  });
}

void DeliveryLogImpl::Flush() {
  {
    const std::unique_lock lock(mutex_);
    const std::lock_guard queue_lock(queue_mutex_);
    scheduled_ = false;
    std::swap(queue_, writing_);  // both keep their capacity
  }
  if (writing_.rows.empty()) return;
  AttemptRows sorted = writing_;
  sorted.Sort();
  const Status written = WriteLive(sorted);
  if (!written) Failed(written, sorted.rows.size());
  {
    const std::unique_lock lock(mutex_);
    if (written) live_.Append(writing_);
    writing_.Clear();
  }
  const bool full =
      live_.rows.size() >= options_.merge_rows || live_.text_bytes >= kDeliveryLogMergeTextBytes;
  if (!full) return;
  const Status merged = MergeLive();
  if (!merged) Failed(merged, 0);
}

Status DeliveryLogImpl::WriteLive(const AttemptRows& rows) {
  if (failed_) return Fail(ErrorCode::kIo, "the delivery log failed before");
  TRY(live_file_->Append(EncodeBlock(rows, 0, rows.rows.size(), compressor_)));
  return {};
}

// A failed write is final until restart: what was written before can still be read.
void DeliveryLogImpl::Failed(const Status& status, std::size_t rows) {
  if (!std::exchange(failed_, true)) {
    LogError("delivery_log_failed", {{"error", status.error().ToString()}});
  }
  const std::lock_guard lock(queue_mutex_);
  lost_ += rows;
}

// ---- Merging ----

Status DeliveryLogImpl::NextArchive() {
  const std::uint64_t bytes_max =
      std::clamp(options_.size_bytes_max / 16, kArchiveBytesMin, kArchiveBytesMax);
  // When the newest one had to be put aside, the last is one that was only opened to be read.
  if (!archives_.empty() && archives_.back().writable &&
      archives_.back().file->bytes() < bytes_max) {
    return {};
  }
  Archive archive{.number = next_number_++};
  TRY_ASSIGN(archive.file, DeliveryLogFile::Create(*world_.fs, options_.dir,
                                                   NameOf(archive.number, kArchiveSuffix)));
  const std::unique_lock lock(mutex_);
  archives_.push_back(std::move(archive));
  return {};
}

Status DeliveryLogImpl::MergeLive() {
  if (failed_) return Fail(ErrorCode::kIo, "the delivery log failed before");
  TRY(NextArchive());
  AttemptRows sorted = live_;
  sorted.Sort();
  Archive& archive = archives_.back();
  std::vector<DeliveryLogFile::Block> blocks;
  for (std::size_t first = 0; first < sorted.rows.size(); first += options_.block_rows) {
    const std::size_t end = std::min(first + options_.block_rows, sorted.rows.size());
    const std::string block = EncodeBlock(sorted, first, end, compressor_);
    TRY_ASSIGN(const std::uint64_t position, archive.file->Append(block));
    blocks.push_back({.position = position, .header = *DecodeBlockHeader(block)});
  }
  TRY(archive.file->Sync());
  {
    const std::unique_lock lock(mutex_);
    for (auto& block : blocks) {
      archive.rows += block.header.rows;
      archive.newest_ms = std::max(archive.newest_ms, block.header.last_ms);
      archive.blocks.push_back(std::move(block));
    }
    live_.Clear();
    live_since_us_ = world_.clock->Now();
  }
  // Only now that its rows are durable elsewhere.
  const std::string keep = NameOf(next_number_, kLiveSuffix);
  TRY_ASSIGN(live_file_, DeliveryLogFile::Create(*world_.fs, options_.dir,
                                                 NameOf(next_number_++, kLiveSuffix)));
  TRY_ASSIGN(const auto names, world_.fs->List(options_.dir));
  for (const std::string& name : names) {
    if (NumberOf(name, kLiveSuffix) && name != keep) TRY(world_.fs->Remove(PathOf(name)));
  }
  DropOldest();
  return world_.fs->SyncDir(options_.dir);
}

void DeliveryLogImpl::Maintain() {
  const bool old = world_.clock->Now() - live_since_us_ >= kLiveAgeMaxUs;
  if (old && !live_.rows.empty() && !failed_) {
    const Status merged = MergeLive();
    if (!merged) Failed(merged, 0);
  }
  DropOldest();
  world_.executor->At(world_.executor->Now() + kMaintainEvery,
                      [this, alive = std::weak_ptr(alive_)] {
                        if (!alive.expired()) Maintain();
                      });
}

// Whole archives: past the byte limit, or when their newest attempt is too old.
void DeliveryLogImpl::DropOldest() {
  const std::int64_t oldest_ms = (world_.clock->Now() - options_.age_us) / 1000;
  while (!archives_.empty()) {
    const Archive& first = archives_.front();
    const bool too_much = stats().bytes > options_.size_bytes_max && archives_.size() > 1;
    if (!too_much && first.newest_ms >= oldest_ms) return;
    const Status removed = world_.fs->Remove(first.file->path());
    if (!removed)
      return LogWarn("delivery_log_not_dropped", {{"error", removed.error().ToString()}});
    LogInfo("delivery_log_dropped", {{"file", first.file->path()}, {"attempts", first.rows}});
    const std::unique_lock lock(mutex_);
    dropped_ += first.rows;
    archives_.pop_front();
  }
}

Status DeliveryLogImpl::Close() {
  Flush();
  if (failed_) return {};
  return live_file_->Sync();
}

// ---- Reading ----

std::vector<DeliveryLogImpl::Place> DeliveryLogImpl::PlacesOf(LaneId lane, Position at) const {
  std::vector<Place> places;
  for (const Archive& archive : archives_) {
    for (const auto& block : archive.blocks) {
      if (block.header.Has(lane, at)) places.push_back({archive.file, block});
    }
  }
  return places;
}

Result<std::vector<StoredAttempt>> DeliveryLogImpl::Find(LaneId lane, Position at) const {
  std::vector<StoredAttempt> out;
  std::vector<Place> places;
  {
    const std::shared_lock lock(mutex_);
    places = PlacesOf(lane, at);
    FindIn(live_, lane, at, out);
    FindIn(writing_, lane, at, out);
    const std::lock_guard queue_lock(queue_mutex_);
    FindIn(queue_, lane, at, out);
  }
  codec::ZstdDecompressor decompressor;
  AttemptRows rows;
  for (const Place& place : places) {
    TRY_ASSIGN(const std::string payload, place.file->ReadPayload(place.block));
    rows.Clear();
    const Status decoded = DecodeBlock(place.block.header, payload, decompressor, rows);
    if (decoded) {
      FindIn(rows, lane, at, out);
    } else {
      // One block less: what is known of the pair's state does not depend on it.
      Damaged(place.file->path(), place.block.position, decoded.error().ToString());
    }
  }
  Tidy(out);
  return out;
}

DeliveryLogStats DeliveryLogImpl::stats() const {
  DeliveryLogStats stats;
  const std::shared_lock lock(mutex_);
  for (const Archive& archive : archives_) {
    stats.bytes += archive.file->bytes();
    stats.attempts += archive.rows;
  }
  stats.attempts += live_.rows.size() + writing_.rows.size();
  stats.dropped = dropped_;
  stats.damaged = damaged_;
  const std::lock_guard queue_lock(queue_mutex_);
  stats.attempts += queue_.rows.size();
  stats.lost = lost_;
  return stats;
}

}  // namespace tributary::deliver
