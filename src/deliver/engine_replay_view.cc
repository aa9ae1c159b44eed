// What is shown of replays.
#include <algorithm>

#include "deliver/engine_replay.h"

namespace tributary::deliver {
namespace {

constexpr std::size_t kReplaysPageMax = 1'000;

}  // namespace

ReplayTable::ReplayPtr ReplayTable::Find(LaneId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = replays_.find(id);
  return found == replays_.end() ? nullptr : found->second;
}

ReplayProgress ReplayTable::ProgressOf(const Replay& replay) {
  if (replay.lane == nullptr) return {.counts = replay.record.counts, .lag = replay.record.left};
  const LaneStats stats = replay.lane->stats();
  const bool running = replay.record.state == ReplayState::kRunning;
  return {.counts = {.delivered = stats.delivered,
                     .filtered = stats.filtered,
                     .dead_lettered = stats.dead_lettered,
                     .dropped = stats.dropped},
          .retrying = stats.retrying,
          .in_flight = stats.in_flight,
          .lag = stats.lag,
          .paused = running && replay.lane->status().status == LaneStatus::kPaused};
}

std::string ReplayTable::JsonOf(LaneId id, const Replay& replay) const {
  const std::lock_guard lock(mutex_);
  return JsonLocked(id, replay);
}

std::string ReplayTable::JsonLocked(LaneId id, const Replay& replay) const {
  ReplayRecord shown = replay.record;
  // Why it does not move, when that is not its own doing.
  if (shown.state == ReplayState::kRunning && replay.entry != nullptr) {
    const StoredLane live = replay.entry->lane->status();
    if (live.status != LaneStatus::kActive) {
      shown.reason = "waits: its destination is " + std::string(LaneStatusName(live.status));
    }
  }
  return ReplayJson(id, shown, ProgressOf(replay));
}

Result<std::string> ReplayTable::Get(std::string_view id) const {
  const auto lane = ParseReplayId(id);
  const ReplayPtr replay = lane ? Find(*lane) : nullptr;
  if (replay == nullptr) {
    return Fail(ErrorCode::kNotFound, "id", "there is no replay \"" + std::string(id) + "\"");
  }
  return JsonOf(*lane, *replay);
}

// Newest first; the cursor is the last id shown, so that what is made meanwhile shifts no page.
Result<Replays::Page> ReplayTable::List(std::string_view destination, std::string_view cursor,
                                        std::size_t limit) const {
  limit = std::clamp<std::size_t>(limit, 1, kReplaysPageMax);
  const auto before = ParseReplayId(cursor);
  if (!cursor.empty() && !before) {
    return Fail(ErrorCode::kInvalid, "cursor", "cursor must be one that a page gave");
  }
  const bool named = destination.empty() || engine_.Find(destination) != nullptr;
  Page page;
  LaneId last = 0;
  const std::lock_guard lock(mutex_);
  const auto is_its = [&](const auto& entry) { return entry.second->record.name == destination; };
  if (!named && std::ranges::none_of(replays_, is_its)) {
    return Fail(ErrorCode::kInvalid, "destination",
                "destination names no destination that there is");
  }
  auto it = before ? replays_.lower_bound(*before) : replays_.end();
  while (it != replays_.begin()) {
    --it;
    if (!destination.empty() && it->second->record.name != destination) continue;
    if (page.data.size() == limit) {
      page.next_cursor = ReplayId(last);
      break;
    }
    last = it->first;
    page.data.push_back(JsonLocked(it->first, *it->second));
  }
  return page;
}

}  // namespace tributary::deliver
