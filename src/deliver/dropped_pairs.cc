#include "deliver/dropped_pairs.h"

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

}  // namespace tributary::deliver
