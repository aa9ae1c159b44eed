#include "deliver/dropped_pairs.h"

#include <algorithm>
#include <functional>

namespace tributary::deliver {

using store::Visit;
namespace keys = store::keys;

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
