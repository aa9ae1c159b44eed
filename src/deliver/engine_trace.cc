// What became of one record: asked of every destination as a list of deliveries asks.
#include <algorithm>

#include "deliver/engine_impl.h"

namespace tributary::deliver {

namespace {

using Pairs = std::vector<PairTrace>;

bool LacksAReason(const Pairs& pairs) {
  bool lacks = false;
  for (const PairTrace& pair : pairs) {
    lacks = lacks || (pair.state == PairState::kDeadLettered && pair.reason.empty());
  }
  return lacks;
}

}  // namespace

void EngineImpl::Trace(log::Partition partition, log::Offset offset,
                       Done<std::vector<PairTrace>> done) {
  OnCommitter([this, partition, offset, done = std::move(done)](const Status& go) mutable {
    if (!go) return done(std::unexpected(go.error()));
    auto found = world_.log->ReadOne(partition, offset);
    if (!found) return done(std::unexpected(found.error()));
    TraceRecord(std::make_shared<const log::Log::Found>(*std::move(found)), false, std::move(done));
  });
}

void EngineImpl::TraceRecord(const std::shared_ptr<const log::Log::Found>& found, bool stored,
                             Done<std::vector<PairTrace>> done) {
  auto candidates = std::make_shared<std::vector<DeliveryCandidate>>();
  for (LaneRef& lane : AllLaneRefs()) {
    if (!lane.replay.empty()) continue;
    DeliveryCandidate candidate{.lane = std::move(lane),
                                .at = {found->record.partition, found->record.offset},
                                .keeps = found,
                                .record = found->record,
                                .pair = {}};
    candidates->push_back(std::move(candidate));
  }
  std::ranges::stable_sort(*candidates, {}, [](const DeliveryCandidate& candidate) {
    return std::pair(candidate.lane.deleted != nullptr, candidate.lane.name);
  });
  const DeliveriesWorld world = DeliveriesWorldOf();
  AskLanes(world, candidates,
           [this, found, stored, world, candidates,
            done = std::move(done)](const Status& asked) mutable {
             if (!asked) return done(std::unexpected(asked.error()));
             std::vector<PairTrace> out;
             for (const DeliveryCandidate& candidate : *candidates) {
               auto entry = ReadDelivery(world, candidate);
               if (!entry) return done(std::unexpected(entry.error()));
               if (*entry) out.push_back(std::move((*entry)->pair));
             }
             if (stored || !LacksAReason(out)) return done(std::move(out));
             // It died a moment ago: why is read with its row, which the next commit stores.
             dead_letters_->WhenStored([this, found, done = std::move(done)]() mutable {
               OnCommitter([this, found, done = std::move(done)](const Status& go) mutable {
                 if (!go) return done(std::unexpected(go.error()));
                 TraceRecord(found, true, std::move(done));
               });
             });
           });
}

}  // namespace tributary::deliver
