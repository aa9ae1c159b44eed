// One list of deliveries being made: candidates are found on the reads executor, lanes are asked on
// their loops, and what fits is read on the reads executor again, turn after turn.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "deliver/dead_letter_moves.h"
#include "deliver/dead_letter_rows.h"
#include "deliver/deliveries.h"
#include "deliver/delivery_log.h"

namespace tributary::deliver {

struct DeliveriesWorld {
  const store::Store* store = nullptr;
  log::Log* log = nullptr;
  const log::Verdicts* verdicts = nullptr;
  const DeliveryLog* attempts = nullptr;  // may be nullptr
  os::Executor* reads = nullptr;
  Programs* programs = nullptr;                 // may be nullptr: then no pair is decided by one
  std::function<std::vector<LaneRef>()> lanes;  // in order of their ids; any thread
};

// Where a list is: pairs before it, in its order, are done. Newest first, then by lane.
struct DeliveryMark {
  log::Partition partition = 0;
  log::Offset end = 0;       // offsets at or above are done,
  LaneId lane = 0;           // but of offset end - 1 only lanes up to and with this one (0: none)
  DeliveryTotal total = {};  // which the first page counted
};
std::string CursorOf(const DeliveryMark& mark);
std::optional<DeliveryMark> MarkOf(std::string_view cursor);

// A pair whose state is asked for.
struct DeliveryCandidate {
  LaneRef lane;
  Position at;
  std::shared_ptr<const void> keeps;  // the memory of the record
  std::optional<log::RecordView> record;
  std::optional<LanePair> pair;  // what its lane says
  bool state_unasked = false;    // it is only counted, in whatever state: no condition is run
};

// Asks the lanes, each on its loop, then the conditions of those pairs that only they can decide,
// and calls `then` on `reads`: with kUnavailable when a condition could not be asked.
using Asked = std::move_only_function<void(const Status&)>;
void AskLanes(const DeliveriesWorld& world,
              const std::shared_ptr<std::vector<DeliveryCandidate>>& candidates, Asked then);

// What became of the pair, from what its lane and the store know; nullopt when there is no such
// pair. May block.
struct FinalState {
  PairState state = PairState::kPending;
  std::optional<DropRule> rule;  // of a dropped one
};
Result<std::optional<FinalState>> FinalStateOf(const DeliveriesWorld& world,
                                               const DeliveryCandidate& candidate);
// The same with its attempts, from what its lane, the store and the delivery log know; nullopt when
// there is no such pair. May block.
Result<std::optional<DeliveryEntry>> ReadDelivery(const DeliveriesWorld& world,
                                                  const DeliveryCandidate& candidate);
// Attempts of the store's rows, the lane's memory and the delivery log, by number.
Result<std::vector<StoredAttempt>> MergedAttempts(const DeliveriesWorld& world, LaneId lane,
                                                  Position at, const LanePair& known);

class DeliverySearch : public std::enable_shared_from_this<DeliverySearch> {
 public:
  DeliverySearch(DeliveriesWorld world, DeliveryQuery query, Engine::Done<Deliveries::Page> done)
      : world_(std::move(world)), query_(std::move(query)), done_(std::move(done)) {}
  void Begin();  // on `reads`

 private:
  using Candidates = std::vector<DeliveryCandidate>;
  Status Prepare();
  void Turn();
  void Take(const Candidates& candidates);
  Status TakeOne(const DeliveryCandidate& candidate);
  bool Full() const { return page_.data.size() >= query_.limit; }
  void Finish();
  Result<Candidates> Next();
  Result<Candidates> NextFromLog(log::Offset lowest);
  Result<Candidates> NextFromRows();
  Result<Candidates> NextFromPlaces();
  Candidates CandidatesAt(Position at, LaneId after) const;
  Status RowsBelow(const LaneRef& lane, std::size_t most, std::vector<log::Offset>& out);
  Status AddTriedInBatches(LaneId lane, log::Offset end, std::size_t most,
                           std::vector<log::Offset>& out);
  void AddUnsettled(const DeletedLane& lane, log::Offset end, std::size_t most,
                    std::vector<log::Offset>& out) const;
  bool Wanted(const log::RecordView& record) const;
  bool UsesRows() const;
  void NextPartition();

  const DeliveriesWorld world_;
  const DeliveryQuery query_;
  bool counts_ = true;  // this page is the first: the others repeat its total
  Engine::Done<Deliveries::Page> done_;
  std::vector<LaneRef> lanes_;
  DeliveryMark mark_;  // where the next candidates begin
  bool rows_ = false;  // rows are looked at, not the log
  // Of the mark's partition, as far as they were read: what a page may need of each lane.
  std::map<LaneId, std::vector<log::Offset>> tried_in_batches_;
  bool over_ = false;  // no partition is left
  DeliveryMark next_;  // where the page ended, once it is full
  bool more_ = false;  // something came after
  std::size_t records_ = 0;
  std::size_t pairs_ = 0;
  std::size_t conditions_ = 0;  // that were run
  Deliveries::Page page_;
};

}  // namespace tributary::deliver
