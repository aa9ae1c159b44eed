#include <algorithm>

#include "deliver/audit_run.h"
#include "deliver/deleted_lane.h"

namespace tributary::deliver {
namespace {

bool InRanges(const std::vector<OffsetRange>& ranges, log::Offset offset) {
  const auto past = std::ranges::upper_bound(ranges, offset, {}, &OffsetRange::first);
  return past != ranges.begin() && std::prev(past)->second > offset;
}

}  // namespace

Result<FailedAttempts> ReadFailedAttempts(const store::Store& store, LaneId lane,
                                          log::Partition partition, log::Offset first,
                                          log::Offset end) {
  FailedAttempts failed;
  log::Offset of = ~log::Offset{0};
  std::uint32_t newest = 0;
  Status broken;
  TRY(store.Scan(store::Family::kOwned, store::keys::AttemptsAt(lane, {partition, first}),
                 store::keys::AttemptsAt(lane, {partition, end}), false,
                 [&](std::string_view key, std::string_view value) {
                   const auto parsed = store::keys::ParseAttempt(key);
                   const auto attempt = DecodeAttempt(value);
                   if (!attempt) broken = std::unexpected(attempt.error());
                   if (!attempt || !parsed) return store::Visit::kStop;
                   if (parsed->at.offset != std::exchange(of, parsed->at.offset)) newest = 0;
                   if (attempt->number < newest) return store::Visit::kContinue;
                   newest = attempt->number;
                   failed.erase(of);
                   if (!attempt->attempt.error.empty()) failed[of] = attempt->attempt.error;
                   return store::Visit::kContinue;
                 }));
  TRY(broken);
  return failed;
}

void AuditCounts::Add(const AuditCounts& more) {
  events += more.events;
  delivered += more.delivered;
  filtered += more.filtered;
  dead_lettered += more.dead_lettered;
  dropped += more.dropped;
  pending += more.pending;
  undecided += more.undecided;
}

LaneAudit::LaneAudit(const LaneRef& lane, LaneSnapshot snapshot, Dropped dropped)
    : snapshot_(std::move(snapshot)), dropped_(std::move(dropped)) {
  line_.lane = lane.id;
  line_.destination = lane.name;
  line_.replay = lane.replay;
  if (lane.deleted != nullptr) line_.deleted_at_us = lane.deleted->at_us();
}

bool LaneAudit::BeganAtOrAfter(log::Partition partition, log::Offset offset) const {
  return snapshot_.cursors[partition].start >= offset;
}

AuditLine LaneAudit::TakeLine() {
  AuditLine line = line_;
  total_.Add(line_);
  static_cast<AuditCounts&>(line_) = {};
  line_.problems_total = 0;
  line_.problems.clear();
  return line;
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
  ++line_.problems_total;
  if (line_.problems.size() >= kAuditProblemsNamed) return;
  line_.problems.push_back({.delivery_id = at ? DeliveryId(line_.lane, *at) : std::string(),
                            .partition = at ? at->partition : 0,
                            .offset = at ? at->offset : 0,
                            .what = std::move(what)});
}

std::optional<LaneAudit::Question> LaneAudit::Look(const log::RecordView& record, bool duplicate,
                                                   const FailedAttempts& failed) {
  const Position at{record.partition, record.offset};
  if (at.offset >= snapshot_.ends[at.partition]) return std::nullopt;
  const Side side = SideOf(at);
  if (LookUnpaired(at, side, record, duplicate)) return std::nullopt;
  ++line_.events;
  const Matcher* matcher = snapshot_.rules.At(at.partition, at.offset).matcher;
  if (matcher == nullptr || !MatchesNatively(*matcher, record)) {
    LookUnwanted(at, side);
    return std::nullopt;
  }
  const auto last = failed.find(at.offset);
  std::string last_error = last == failed.end() ? std::string() : last->second;
  const bool passed = side.settled && side.rows() == 0;
  const bool dead_only = side.dead && side.rows() == 1 && side.settled;
  if (passed || dead_only) {
    if (auto program = matcher->program()) {
      return Question{.at = at,
                      .dead = dead_only,
                      .last_error = std::move(last_error),
                      .program = std::move(program)};
    }
  }
  if (passed) {
    CountDelivered(at, last_error);
  } else {
    LookWanted(at, side);
  }
  return std::nullopt;
}

// True when the record forms no pair with the lane.
bool LaneAudit::LookUnpaired(Position at, const Side& side, const log::RecordView& record,
                             bool duplicate) {
  const auto with_row = [&](const char* why) {
    if (side.rows() > 0) Name(at, std::string("has a row, but ") + why);
    return true;
  };
  if (at.offset < snapshot_.cursors[at.partition].start) {
    return with_row("came before the destination's start");
  }
  if (duplicate) return with_row("is a repeat");
  const Matcher* matcher = snapshot_.rules.At(at.partition, at.offset).matcher;
  if (FormsPair(matcher, record.fields)) return false;
  // A rule may want what is no event of its kind only by mistake; then it is a pair all the same.
  if (matcher != nullptr && MatchesNatively(*matcher, record)) return false;
  return with_row("the destination never asked for it");
}

void LaneAudit::LookUnwanted(Position at, const Side& side) {
  if (side.rows() > 0) Name(at, "has a row, but its rule did not want it");
  if (!side.settled && snapshot_.deleted) ++backlog_.filtered;
  ++(side.settled || snapshot_.deleted ? line_.filtered : line_.pending);
}

void LaneAudit::LookWanted(Position at, const Side& side) {
  if (side.rows() > 1) Name(at, "is in more than one state");
  if (!side.settled && snapshot_.deleted) {
    // A request that was under way when it was deleted left a row, and was counted.
    if (!side.dropped) ++backlog_.dropped;
    ++line_.dropped;
    return;
  }
  if (side.rows() > 0 && !side.settled) Name(at, "has a row, but was not passed");
  if (side.dead) {
    ++line_.dead_lettered;
  } else if (side.dropped) {
    ++line_.dropped;
  } else {
    ++line_.pending;  // it waits, or was not passed
  }
}

void LaneAudit::CountDelivered(Position at, const std::string& last_error) {
  ++line_.delivered;
  if (last_error.empty()) return;
  Name(at, "passes for delivered and has no row, but its last attempt failed: " + last_error);
}

void LaneAudit::Decide(const Question& question, Answer answer) {
  if (question.dead) {
    ++line_.dead_lettered;
    if (answer == Answer::kUnwanted) {
      Name(question.at, "is a dead letter, but the condition of its rule did not want it");
    }
  } else if (answer == Answer::kWanted) {
    CountDelivered(question.at, question.last_error);
  } else if (answer == Answer::kUnwanted) {
    ++line_.filtered;
  } else {
    ++line_.undecided;
  }
}

void LaneAudit::CheckCounts(bool all) {
  line_.counts_checked = all;
  if (!all) return;
  Counts counts;
  for (const StoredCursor& cursor : snapshot_.cursors) {
    counts.delivered += cursor.counts.delivered;
    counts.filtered += cursor.counts.filtered;
    counts.dead_lettered += cursor.counts.dead_lettered;
    counts.dropped += cursor.counts.dropped;
  }
  AuditCounts seen = total_;
  seen.Add(line_);
  seen.dropped -= backlog_.dropped;
  seen.filtered -= backlog_.filtered;
  const auto check = [this](std::uint64_t counted, std::uint64_t by_log, const char* what) {
    if (counted == by_log) return;
    Name(std::nullopt, std::to_string(counted) + " counted as " + what + ", " +
                           std::to_string(by_log) + " by the log");
  };
  if (seen.undecided == 0) {
    check(counts.delivered, seen.delivered, "delivered");
    check(counts.filtered, seen.filtered, "filtered");
  } else {
    check(counts.delivered + counts.filtered, seen.delivered + seen.filtered + seen.undecided,
          "delivered or filtered");
  }
  check(counts.dead_lettered, seen.dead_lettered, "dead-lettered");
  check(counts.dropped, seen.dropped, "dropped");
}

std::uint64_t AuditReport::problems() const {
  std::uint64_t sum = 0;
  for (const AuditLine& line : destinations) sum += line.problems_total;
  return sum;
}

}  // namespace tributary::deliver
