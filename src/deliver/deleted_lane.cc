#include "deliver/deleted_lane.h"

#include <algorithm>

namespace tributary::deliver {

using store::Family;
namespace keys = store::keys;

DeletedLane::DeletedLane(const Lane& lane)
    : state_([&lane] {
        LaneSnapshot snapshot = lane.Snapshot();
        return State{.id = lane.id(),
                     .name = lane.name(),
                     .at_us = lane.status().at_us,
                     .cursors = std::move(snapshot.cursors),
                     .rules = std::move(snapshot.rules)};
      }()) {}

bool DeletedLane::Settled(Position at) const {
  const StoredCursor& cursor = state_.cursors[at.partition];
  if (at.offset < cursor.cursor) return true;
  const auto past = std::ranges::upper_bound(cursor.above, at.offset, {}, &OffsetRange::first);
  return past != cursor.above.begin() && std::prev(past)->second > at.offset;
}

std::optional<LanePair> DeletedLane::PairAt(const log::RecordView& record) const {
  const Position at{record.partition, record.offset};
  const StoredCursor& cursor = state_.cursors[at.partition];
  if (at.offset < cursor.start || at.offset >= cursor.released) return std::nullopt;
  const auto [matcher, asks, revision, end] = state_.rules.At(at.partition, at.offset);
  if (!FormsPair(matcher, record.fields)) return std::nullopt;
  LanePair pair{.rule_revision = revision};
  if (matcher == nullptr || !MatchesNatively(*matcher, record)) {
    pair.state = PairState::kFiltered;
  } else if (!Settled(at)) {
    pair.state = PairState::kDropped;
    pair.dropped = DropRule::kDestinationDeleted;
  } else {
    pair.state = PairState::kDelivered;
    pair.filter = matcher->program();
  }
  return pair;
}

std::vector<log::Offset> DeletedLane::Unsettled(log::Partition partition, log::Offset from,
                                                log::Offset end, std::size_t most) const {
  const StoredCursor& cursor = state_.cursors[partition];
  from = std::max({from, cursor.cursor, cursor.start});
  end = std::min(end, cursor.released);
  std::vector<log::Offset> out;
  auto above = cursor.above.rbegin();
  while (end > from && out.size() < most) {
    // Below `end`, which is settled up to `above`'s last range that ends at or before it.
    while (above != cursor.above.rend() && above->first >= end) ++above;
    if (above != cursor.above.rend() && above->second >= end) {
      end = above->first;
      continue;
    }
    out.push_back(--end);
  }
  return out;
}

LaneSnapshot DeletedLane::Snapshot() const {
  LaneSnapshot snapshot{
      .at_us = std::numeric_limits<UnixMicros>::max(), .rules = state_.rules, .deleted = true};
  for (const StoredCursor& cursor : state_.cursors) {
    snapshot.cursors.push_back(cursor);
    snapshot.ends.push_back(cursor.released);
    snapshot.dead.emplace_back();
  }
  return snapshot;
}

bool DeletedLane::Reaches(const log::Log& log) const {
  for (log::Partition p = 0; p < state_.cursors.size(); ++p) {
    const StoredCursor& cursor = state_.cursors[p];
    if (cursor.released > std::max(log.first(p), cursor.start)) return true;
  }
  return false;
}

store::Batch DeletedLanes::Add(std::shared_ptr<const DeletedLane> lane) {
  store::Batch over;
  const std::lock_guard lock(mutex_);
  const LaneId id = lane->id();
  lanes_[id] = std::move(lane);
  while (lanes_.size() > kDeletedKeptMax) {
    over.Append(Forget(lanes_.begin()->first));
    lanes_.erase(lanes_.begin());
  }
  return over;
}

void DeletedLanes::Remove(LaneId id) {
  const std::lock_guard lock(mutex_);
  lanes_.erase(id);
}

std::vector<std::shared_ptr<const DeletedLane>> DeletedLanes::all() const {
  std::vector<std::shared_ptr<const DeletedLane>> out;
  const std::lock_guard lock(mutex_);
  out.reserve(lanes_.size());
  for (const auto& [id, lane] : lanes_) out.push_back(lane);
  return out;
}

store::Batch DeletedLanes::Forget(LaneId id) {
  store::Batch batch;
  batch.Delete(Family::kOwned, keys::Lane(id));
  for (const std::string& prefix :
       {keys::CursorsOf(id), keys::RevisionsOf(id), keys::DroppedOf(id)}) {
    batch.DeleteRange(Family::kOwned, prefix, store::PrefixEnd(prefix));
  }
  return batch;
}

}  // namespace tributary::deliver
