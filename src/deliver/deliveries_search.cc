#include "deliver/deliveries_search.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "deliver/batched_pairs.h"
#include "deliver/deleted_lane.h"
#include "deliver/dropped_pairs.h"

namespace tributary::deliver {

using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

constexpr std::size_t kWalk = 512;  // records read at a time
// Rows that a page looks at: the last turn begins before the limit.
constexpr std::size_t kRowsPerPageMax = kDeliveryRecordsMax + kWalk;

}  // namespace

std::string CursorOf(const DeliveryMark& mark) {
  return std::to_string(mark.partition) + "." + std::to_string(mark.end) + "." +
         std::to_string(mark.lane) + "." + std::to_string(mark.total.pairs) + "." +
         (mark.total.exact ? "1" : "0");
}

std::optional<DeliveryMark> DeliveryMarkOf(std::string_view cursor) {
  DeliveryMark mark;
  const char* at = cursor.data();
  const char* const end = at + cursor.size();
  const auto number = [&](auto& value, bool last) {
    const auto [stopped, error] = std::from_chars(at, end, value);
    const bool good =
        error == std::errc() && (last ? stopped == end : stopped < end && *stopped == '.');
    at = stopped + (last ? 0 : 1);
    return good;
  };
  std::uint32_t exact = 0;
  if (!number(mark.partition, false) || !number(mark.end, false) || !number(mark.lane, false) ||
      !number(mark.total.pairs, false) || !number(exact, true) || exact > 1) {
    return std::nullopt;
  }
  mark.total.exact = exact == 1;
  return mark;
}

// ---- Turns ----

void DeliverySearch::Begin() {
  const Status ready = Prepare();
  if (!ready) return done_(std::unexpected(ready.error()));
  Turn();
}

bool DeliverySearch::UsesRows() const {
  return query_.not_in_log || query_.state == PairState::kRetrying ||
         query_.state == PairState::kDeadLettered || query_.state == PairState::kDropped;
}

Status DeliverySearch::Prepare() {
  lanes_ = world_.lanes();
  if (query_.destination) {
    std::erase_if(lanes_, [&](const LaneRef& lane) { return lane.name != *query_.destination; });
    if (lanes_.empty()) {
      return Fail(ErrorCode::kInvalid, "destination",
                  "destination names no destination that there is");
    }
  }
  rows_ = UsesRows();
  mark_.partition = world_.log->partitions();
  if (!query_.cursor.empty()) {
    const auto mark = DeliveryMarkOf(query_.cursor);
    if (!mark || mark->partition >= world_.log->partitions()) {
      return Fail(ErrorCode::kInvalid, "cursor", "cursor is none that a list answered");
    }
    mark_ = *mark;
    page_.total = mark->total;
    counts_ = false;
  } else if (!query_.at.empty()) {
    const Position first = query_.at.front();
    mark_ = {.partition = first.partition, .end = first.offset + 1};
  } else {
    NextPartition();
  }
  return {};
}

// Partitions one after the other, the highest first.
void DeliverySearch::NextPartition() {
  over_ = mark_.partition == 0;
  if (over_) return;
  const log::Partition p = mark_.partition - 1;
  mark_ = {.partition = p, .end = world_.verdicts->decided(p)};
  if (query_.until) {
    const auto until = world_.log->OffsetAtTime(p, *query_.until);
    if (until) mark_.end = std::min(mark_.end, *until);
  }
  rows_ = UsesRows();
  tried_in_batches_.clear();
}

void DeliverySearch::Turn() {
  if (over_ || records_ >= kDeliveryRecordsMax || pairs_ >= kDeliveryPairsMax) return Finish();
  if (Full() && conditions_ >= kDeliveryConditionsMax) return Finish();
  auto found = Next();
  if (!found) return done_(std::unexpected(found.error()));
  auto candidates = std::make_shared<Candidates>(*std::move(found));
  pairs_ += candidates->size();
  for (DeliveryCandidate& candidate : *candidates) {
    candidate.state_unasked = Full() && !query_.state;
  }
  AskLanes(world_, candidates, [self = shared_from_this(), candidates](const Status& asked) {
    if (!asked) return self->done_(std::unexpected(asked.error()));
    self->Take(*candidates);
  });
}

void DeliverySearch::Take(const Candidates& candidates) {
  for (const DeliveryCandidate& candidate : candidates) {
    if (const Status taken = TakeOne(candidate); !taken) {
      return done_(std::unexpected(taken.error()));
    }
    if (Full() && !counts_) return Finish();
  }
  Turn();
}

// Onto the page; once that is full, what follows is only counted.
Status DeliverySearch::TakeOne(const DeliveryCandidate& candidate) {
  if (candidate.state_unasked && candidate.record && !candidate.pair) return {};
  if (candidate.state_unasked && candidate.record) {
    more_ = true;
    ++page_.total.pairs;
    return {};
  }
  if (candidate.pair && candidate.pair->asked) ++conditions_;
  TRY_ASSIGN(const auto found, FinalStateOf(world_, candidate));
  if (!found || (query_.state && *query_.state != found->state)) return {};
  if (counts_) ++page_.total.pairs;
  if (Full()) {
    more_ = true;
    return {};
  }
  TRY_ASSIGN(auto entry, ReadDelivery(world_, candidate));
  if (!entry) return {};
  page_.data.push_back(*std::move(entry));
  next_ = {.partition = candidate.at.partition,
           .end = candidate.at.offset + 1,
           .lane = candidate.lane.id};
  return {};
}

void DeliverySearch::Finish() {
  if (counts_) page_.total.exact = over_ && !query_.more_at;
  const bool all_seen = over_ && (counts_ ? !more_ : !Full());
  if (!all_seen) {
    DeliveryMark next = Full() ? next_ : mark_;
    next.total = page_.total;
    page_.next_cursor = CursorOf(next);
  }
  done_(std::move(page_));
}

// ---- Candidates ----

bool DeliverySearch::Wanted(const log::RecordView& record) const {
  const log::RecordFields& f = record.fields;
  const bool of_source =
      query_.sources.empty() || std::ranges::find(query_.sources, f.source) != query_.sources.end();
  if (!of_source) return false;
  if (query_.message_id && f.message_id != *query_.message_id) return false;
  if (query_.since && f.received_at_us < *query_.since) return false;
  return !query_.until || f.received_at_us < *query_.until;
}

Result<DeliverySearch::Candidates> DeliverySearch::Next() {
  const log::Partition p = mark_.partition;
  if (!query_.at.empty()) return NextFromPlaces();
  if (rows_) return NextFromRows();
  log::Offset lowest = world_.log->first(p);
  if (query_.since) {
    TRY_ASSIGN(const log::Offset since, world_.log->OffsetAtTime(p, *query_.since));
    lowest = std::max(lowest, since);
  }
  if (mark_.end > lowest) return NextFromLog(lowest);
  // What the log has let go of is known by its rows only; of what was delivered nothing is left.
  if (query_.state && query_.state != PairState::kPending) {
    NextPartition();
    return Candidates{};
  }
  rows_ = true;
  if (mark_.end > world_.log->first(p)) {
    mark_ = {.partition = p, .end = world_.log->first(p), .lane = 0};
  }
  return NextFromRows();
}

// As many records, newest first, as a turn may ask the lanes about.
Result<DeliverySearch::Candidates> DeliverySearch::NextFromLog(log::Offset lowest) {
  const log::Partition p = mark_.partition;
  const std::size_t at_once = std::clamp<std::size_t>(
      kDeliveryPairsPerTurn / std::max<std::size_t>(lanes_.size(), 1), 1, kWalk);
  const log::Offset end = mark_.end;
  const log::Offset first = std::max(lowest, end > at_once ? end - at_once : 0);
  std::vector<std::pair<std::shared_ptr<const log::Chunk>, log::RecordView>> records;
  for (log::Offset next = first; next < end;) {
    auto chunk = world_.log->Read(p, next, 256 * 1024);
    if (!chunk) break;  // the rest was lost
    for (const log::RecordView& record : (*chunk)->From(next)) {
      if (record.offset < end) records.emplace_back(*chunk, record);
    }
    next = std::max(next + 1, (*chunk)->end());
  }
  const std::vector<bool> duplicates = world_.verdicts->Duplicates(p, first, end);
  Candidates out;
  for (auto it = records.rbegin(); it != records.rend(); ++it) {
    const log::RecordView& record = it->second;
    if (duplicates[record.offset - first] || !Wanted(record)) continue;
    for (const LaneRef& lane : lanes_) {
      if (record.offset + 1 == mark_.end && lane.id <= mark_.lane) continue;
      out.push_back({.lane = lane,
                     .at = {p, record.offset},
                     .keeps = it->first,
                     .record = record,
                     .pair = {}});
    }
  }
  records_ += end - first;
  mark_ = {.partition = p, .end = first};
  if (records.empty()) mark_.end = std::max(lowest, world_.log->EndBelow(p, first));
  return out;
}

// The newest rows below the mark, of all lanes together.
Result<DeliverySearch::Candidates> DeliverySearch::NextFromRows() {
  const log::Partition p = mark_.partition;
  std::vector<std::pair<log::Offset, const LaneRef*>> rows;
  for (const LaneRef& lane : lanes_) {
    std::vector<log::Offset> offsets;
    TRY(RowsBelow(lane, kWalk, offsets));
    for (const log::Offset offset : offsets) rows.emplace_back(offset, &lane);
  }
  std::ranges::sort(rows, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second->id < b.second->id;
  });
  const auto twice = std::ranges::unique(rows);
  rows.erase(twice.begin(), twice.end());
  if (rows.size() > kWalk) rows.resize(kWalk);
  Candidates out;
  for (const auto& [offset, lane] : rows) {
    if (lane->deleted != nullptr && world_.verdicts->IsDuplicate(p, offset)) continue;
    DeliveryCandidate candidate{
        .lane = *lane, .at = {p, offset}, .keeps = {}, .record = {}, .pair = {}};
    if (auto event = ReadRowEvent(*world_.store, *world_.log, lane->id, candidate.at)) {
      std::shared_ptr<const RowEvent> kept = *std::move(event);
      candidate.record = kept->record;
      candidate.keeps = std::move(kept);
      if (!Wanted(*candidate.record)) continue;
    } else if (!query_.sources.empty() || query_.message_id || query_.since || query_.until) {
      continue;  // nothing is known of its event
    }
    out.push_back(std::move(candidate));
  }
  records_ += rows.size();
  if (rows.size() < kWalk) {
    NextPartition();
  } else {
    mark_ = {.partition = p, .end = rows.back().first + 1, .lane = rows.back().second->id};
  }
  return out;
}

// The next event that the query names: all pairs that it forms.
Result<DeliverySearch::Candidates> DeliverySearch::NextFromPlaces() {
  const auto next = std::ranges::find_if(query_.at, [this](Position at) {
    return at.partition < mark_.partition ||
           (at.partition == mark_.partition && at.offset < mark_.end);
  });
  over_ = next == query_.at.end();
  if (over_) return Candidates{};
  const bool begun = next->partition == mark_.partition && next->offset + 1 == mark_.end;
  Candidates out = CandidatesAt(*next, begun ? mark_.lane : 0);
  ++records_;
  mark_ = {.partition = next->partition, .end = next->offset};
  return out;
}

// Of the lanes after this one. Once the log has let go of the event, those that kept it know it.
DeliverySearch::Candidates DeliverySearch::CandidatesAt(Position at, LaneId after) const {
  Candidates out;
  const bool decided = at.offset < world_.verdicts->decided(at.partition);
  if (!decided || world_.verdicts->IsDuplicate(at.partition, at.offset)) return out;
  const auto logged = world_.log->ReadOne(at.partition, at.offset);
  for (const LaneRef& lane : lanes_) {
    if (lane.id <= after) continue;
    DeliveryCandidate candidate{.lane = lane, .at = at, .keeps = {}, .record = {}, .pair = {}};
    if (logged) {
      candidate.keeps = logged->chunk;
      candidate.record = logged->record;
    } else if (auto event = ReadRowEvent(*world_.store, *world_.log, lane.id, at)) {
      std::shared_ptr<const RowEvent> kept = *std::move(event);
      candidate.record = kept->record;
      candidate.keeps = std::move(kept);
    }
    if (candidate.record && Wanted(*candidate.record)) out.push_back(std::move(candidate));
  }
  return out;
}

// What a deleted destination had never come to was dropped without a row.
void DeliverySearch::AddUnsettled(const DeletedLane& lane, log::Offset end, std::size_t most,
                                  std::vector<log::Offset>& out) const {
  const log::Partition p = mark_.partition;
  end = std::min(end, world_.verdicts->decided(p));
  for (const log::Offset offset : lane.Unsettled(p, world_.log->first(p), end, most)) {
    out.push_back(offset);
  }
}

// A member of a batch has no row: what it has been through is in the row of its batch.
Status DeliverySearch::AddTriedInBatches(LaneId lane, log::Offset end, std::size_t most,
                                         std::vector<log::Offset>& out) {
  const auto [entry, unread] = tried_in_batches_.try_emplace(lane);
  std::vector<log::Offset>& tried = entry->second;  // the newest first
  if (unread) {
    TRY_ASSIGN(tried,
               TriedInBatches(*world_.store, lane, mark_.partition, end, kRowsPerPageMax + most));
  }
  const auto first = std::ranges::partition_point(tried, [&](log::Offset o) { return o >= end; });
  const std::size_t left = static_cast<std::size_t>(tried.end() - first);
  out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(std::min(left, most)));
  return {};
}

// Offsets of a lane's rows that the query may want, the newest `most` below the mark.
Status DeliverySearch::RowsBelow(const LaneRef& lane, std::size_t most,
                                 std::vector<log::Offset>& out) {
  const log::Partition p = mark_.partition;
  // Of the offset where the last page ended, this lane may still be due.
  const bool again = mark_.lane != 0 && lane.id > mark_.lane;
  const log::Offset end = mark_.lane == 0 || again ? mark_.end : mark_.end - 1;
  const auto scan = [&](keys::Prefix prefix, auto key) -> Status {
    std::size_t found = 0;
    return world_.store->Scan(Family::kOwned, key(lane.id, Position{p, 0}),
                              key(lane.id, Position{p, end}), true,
                              [&](std::string_view bytes, std::string_view) {
                                const auto parsed = keys::ParseLaneKey(prefix, bytes);
                                if (parsed) out.push_back(parsed->at.offset);
                                return ++found < most ? Visit::kContinue : Visit::kStop;
                              });
  };
  const auto wants = [&](PairState state) { return !query_.state || query_.state == state; };
  if (lane.deleted != nullptr && query_.state == PairState::kDropped) {
    AddUnsettled(*lane.deleted, end, most, out);
  }
  if (wants(PairState::kRetrying)) TRY(scan(keys::Prefix::kWaiting, keys::Waiting));
  if (query_.state == PairState::kRetrying) TRY(AddTriedInBatches(lane.id, end, most, out));
  if (wants(PairState::kDeadLettered)) TRY(scan(keys::Prefix::kDeadLetter, keys::DeadLetter));
  // What the log has let go of and is not settled has a copy of its event, whoever has its row.
  if (wants(PairState::kPending)) TRY(scan(keys::Prefix::kKeptBody, keys::KeptBody));
  if (!wants(PairState::kDropped)) return {};
  return NewestDropped(*world_.store, lane.id, p, end, most, out);
}

}  // namespace tributary::deliver
