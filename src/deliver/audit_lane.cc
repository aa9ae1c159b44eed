#include <algorithm>

#include "deliver/audit_run.h"

namespace tributary::deliver {
namespace {

bool InRanges(const std::vector<OffsetRange>& ranges, log::Offset offset) {
  const auto past = std::ranges::upper_bound(ranges, offset, {}, &OffsetRange::first);
  return past != ranges.begin() && std::prev(past)->second > offset;
}

}  // namespace

LaneAudit::LaneAudit(LaneId lane, LaneSnapshot snapshot, Dropped dropped)
    : lane_(lane), snapshot_(std::move(snapshot)), dropped_(std::move(dropped)) {}

bool LaneAudit::BeganAtOrAfter(log::Partition partition, log::Offset offset) const {
  return snapshot_.cursors[partition].start >= offset;
}

LaneAudit::Side LaneAudit::SideOf(Position at) const {
  const StoredCursor& cursor = snapshot_.cursors[at.partition];
  Side side{.waiting = std::ranges::binary_search(snapshot_.waiting, at),
            .dead = snapshot_.dead[at.partition].Contains(at.offset),
            .dropped = InRanges(dropped_.before[at.partition], at.offset),
            .settled = at.offset < cursor.cursor || InRanges(cursor.above, at.offset)};
  const bool had_another_state = side.waiting || side.dead || !side.settled;
  side.dropped =
      side.dropped || (!had_another_state && InRanges(dropped_.at_once[at.partition], at.offset));
  return side;
}

void LaneAudit::Name(std::optional<Position> at, std::string what) {
  ++line.problems_total;
  if (line.problems.size() >= kAuditProblemsNamed) return;
  line.problems.push_back({.delivery_id = at ? DeliveryId(lane_, *at) : std::string(),
                           .partition = at ? at->partition : 0,
                           .offset = at ? at->offset : 0,
                           .what = std::move(what)});
}

void LaneAudit::Look(const log::RecordView& record, bool duplicate) {
  const Position at{record.partition, record.offset};
  if (at.offset >= snapshot_.ends[at.partition]) return;
  const Side side = SideOf(at);
  if (at.offset < snapshot_.cursors[at.partition].start) {
    if (side.rows() > 0) Name(at, "has a row, but came before the destination's start");
    return;
  }
  if (duplicate) {
    if (side.rows() > 0) Name(at, "has a row, but is a repeat");
    return;
  }
  const Matcher* matcher = snapshot_.rules.At(at.partition, at.offset).matcher;
  const bool wanted = matcher != nullptr && MatchesNatively(*matcher, record);
  if (!wanted && !FormsPair(matcher, record.fields)) {
    if (side.rows() > 0) Name(at, "has a row, but the destination never asked for it");
    return;
  }
  ++line.events;
  if (!wanted) {
    if (side.rows() > 0) Name(at, "has a row, but its rule did not want it");
    ++(side.settled ? line.filtered : line.pending);
    return;
  }
  if (matcher->program() != nullptr && side.rows() == 0 && side.settled) {
    ++line.undecided;
    return;
  }
  LookWanted(at, side);
}

void LaneAudit::LookWanted(Position at, const Side& side) {
  if (side.rows() > 1) Name(at, "is in more than one state");
  if (side.rows() > 0 && !side.settled) Name(at, "has a row, but was not passed");
  if (side.dead) {
    ++line.dead_lettered;
  } else if (side.dropped) {
    ++line.dropped;
  } else if (side.waiting || !side.settled) {
    ++line.pending;
  } else {
    ++line.delivered;
  }
}

void LaneAudit::CheckCounts(bool all) {
  line.counts_checked = all;
  if (!all) return;
  Counts counts;
  for (const StoredCursor& cursor : snapshot_.cursors) {
    counts.delivered += cursor.counts.delivered;
    counts.filtered += cursor.counts.filtered;
    counts.dead_lettered += cursor.counts.dead_lettered;
    counts.dropped += cursor.counts.dropped;
  }
  const auto check = [this](std::uint64_t counted, std::uint64_t seen, const char* what) {
    if (counted == seen) return;
    Name(std::nullopt, std::to_string(counted) + " counted as " + what + ", " +
                           std::to_string(seen) + " by the log");
  };
  if (line.undecided == 0) {
    check(counts.delivered, line.delivered, "delivered");
    check(counts.filtered, line.filtered, "filtered");
  } else {
    check(counts.delivered + counts.filtered, line.delivered + line.filtered + line.undecided,
          "delivered or filtered");
  }
  check(counts.dead_lettered, line.dead_lettered, "dead-lettered");
  check(counts.dropped, line.dropped, "dropped");
}

std::uint64_t AuditReport::problems() const {
  std::uint64_t sum = 0;
  for (const AuditLine& line : destinations) sum += line.problems_total;
  return sum;
}

}  // namespace tributary::deliver
