#include "deliver/batched_pairs.h"

#include <algorithm>
#include <functional>

namespace tributary::deliver {

using store::Visit;

namespace {

void KeepNewest(std::vector<log::Offset>& offsets, std::size_t most) {
  std::ranges::sort(offsets, std::greater<>());
  if (offsets.size() > most) offsets.resize(most);
}

}  // namespace

Result<std::vector<log::Offset>> TriedInBatches(const store::Store& store, LaneId lane,
                                                log::Partition partition, log::Offset end,
                                                std::size_t most) {
  std::vector<log::Offset> out;
  Status broken;
  TRY(store.ScanPrefix(store::Family::kOwned, store::keys::DeliveryBatchesOf(lane),
                       [&](std::string_view, std::string_view value) {
                         const auto batch = DecodeBatch(value);
                         if (!batch) {
                           broken = std::unexpected(batch.error());
                           return Visit::kStop;
                         }
                         if (batch->attempts == 0) return Visit::kContinue;
                         for (const StoredBatch::Member& member : batch->members) {
                           const bool wanted =
                               member.at.partition == partition && member.at.offset < end;
                           if (wanted) out.push_back(member.at.offset);
                         }
                         if (out.size() >= 2 * most) KeepNewest(out, most);
                         return Visit::kContinue;
                       }));
  TRY(broken);
  KeepNewest(out, most);
  return out;
}

}  // namespace tributary::deliver
