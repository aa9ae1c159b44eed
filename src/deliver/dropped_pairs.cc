#include "deliver/dropped_pairs.h"

#include <algorithm>
#include <functional>

namespace tributary::deliver {

using store::Visit;
namespace keys = store::keys;

namespace {

// As stored.h has it: the head, then two numbers per run.
std::size_t EncodedBytes(const StoredDropped& group) {
  return 14 + group.runs.size() * 16;
}

}  // namespace

Status ScanDropped(const store::Store& store, LaneId lane, log::Partition partition,
                   log::Offset first, log::Offset end,
                   const std::function<Visit(const StoredDropped&)>& visit) {
  if (first >= end) return {};
  Status broken;
  // A group that reaches into the range begins in its block at the earliest.
  TRY(store.Scan(store::Family::kOwned,
                 keys::Dropped(lane, {partition, first - first % kDroppedBlock}),
                 keys::Dropped(lane, {partition, end}), false,
                 [&](std::string_view key, std::string_view value) {
                   const auto parsed = keys::ParseLaneKey(keys::Prefix::kDropped, key);
                   const auto group = DecodeDropped(parsed ? parsed->at.offset : 0, value);
                   if (!group) {
                     broken = std::unexpected(group.error());
                     return Visit::kStop;
                   }
                   if (group->runs.empty() || group->runs.back().second <= first) {
                     return Visit::kContinue;
                   }
                   return visit(*group);
                 }));
  return broken;
}

Result<store::Batch> PruneDropped(const store::Store& store, LaneId lane, log::Partition partition,
                                  log::Offset first, UnixMicros now_us, std::size_t most) {
  struct Group {
    std::string key;
    std::size_t bytes = 0;
    bool old = false;
  };
  std::vector<Group> groups;  // the oldest events first
  std::size_t bytes = 0;
  TRY(ScanDropped(store, lane, partition, 0, first, [&](const StoredDropped& group) {
    if (group.runs.back().second > first) return Visit::kContinue;  // the log has some of it
    Group& one = groups.emplace_back();
    one.key = keys::Dropped(lane, {partition, group.runs.front().first});
    one.bytes = one.key.size() + EncodedBytes(group);
    one.old = group.at_us < now_us - kDroppedKeptUs;
    bytes += one.bytes;
    return groups.size() < kDroppedGroupsMax + most ? Visit::kContinue : Visit::kStop;
  }));
  store::Batch gone;
  std::size_t left = groups.size();
  for (const Group& group : groups) {
    const bool over = left > kDroppedGroupsMax || bytes > kDroppedBytesMax;
    if (!over && !group.old) continue;
    if (gone.ops().size() == most) break;
    gone.Delete(store::Family::kOwned, group.key);
    bytes -= group.bytes;
    --left;
  }
  return gone;
}

Result<std::optional<DropRule>> DroppedBy(const store::Store& store, LaneId lane, Position at) {
  std::optional<DropRule> rule;
  TRY(ScanDropped(store, lane, at.partition, at.offset, at.offset + 1,
                  [&](const StoredDropped& group) {
                    if (!group.Contains(at.offset)) return Visit::kContinue;
                    rule = group.rule;
                    return Visit::kStop;
                  }));
  return rule;
}

Status NewestDropped(const store::Store& store, LaneId lane, log::Partition partition,
                     log::Offset end, std::size_t most, std::vector<log::Offset>& out) {
  for (std::size_t found = 0; found < most;) {
    std::optional<log::Offset> newest;
    TRY(store.Scan(store::Family::kOwned, keys::Dropped(lane, {partition, 0}),
                   keys::Dropped(lane, {partition, end}), true,
                   [&](std::string_view key, std::string_view) {
                     const auto parsed = keys::ParseLaneKey(keys::Prefix::kDropped, key);
                     if (parsed) newest = parsed->at.offset;
                     return Visit::kStop;
                   }));
    if (!newest) return {};
    const log::Offset block = *newest - *newest % kDroppedBlock;
    std::vector<log::Offset> offsets;
    TRY(ScanDropped(store, lane, partition, block, end, [&](const StoredDropped& group) {
      for (const auto& [first, past] : group.runs) {
        for (log::Offset o = first; o < std::min(past, end); ++o) offsets.push_back(o);
      }
      return Visit::kContinue;
    }));
    std::ranges::sort(offsets, std::greater<>());
    found += offsets.size();
    out.insert(out.end(), offsets.begin(), offsets.end());
    end = block;
  }
  return {};
}

}  // namespace tributary::deliver
