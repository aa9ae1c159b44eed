#include "deliver/dead_letter_service.h"

#include <algorithm>
#include <charconv>
#include <queue>

#include "base/bytes.h"

namespace tributary::deliver {

using store::Family;
using store::Visit;
namespace keys = store::keys;

namespace {

// Where a page ended: time of death and the pair. Newest first, then by lane and place, so that
// letters of one microsecond have an order too.
struct Mark {
  UnixMicros at_us = 0;
  LaneId lane = 0;
  Position at;
  auto operator<=>(const Mark&) const = default;
};

std::string CursorOf(const Mark& mark) {
  return std::to_string(mark.at_us) + "-" + DeliveryId(mark.lane, mark.at);
}

Result<Mark> MarkOfCursor(std::string_view cursor) {
  Mark mark;
  const std::size_t dash = std::min(cursor.find('-'), cursor.size());
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + dash, mark.at_us);
  const auto place = ParseDeliveryId(cursor.substr(std::min(dash + 1, cursor.size())));
  if (error != std::errc() || end != cursor.data() + dash || !place) {
    return Fail(ErrorCode::kInvalid, "cursor", "cursor is none that a list answered");
  }
  mark.lane = place->lane;
  mark.at = place->at;
  return mark;
}

bool IsOfSource(const DeadLetterQuery& query, log::SourceId source) {
  return query.sources.empty() || std::ranges::find(query.sources, source) != query.sources.end();
}

// What the index does not know is decided once the letter is read.
bool Wanted(const DeadLetterQuery& query, const DeadFacts& facts) {
  if (facts.bytes == 0) return true;
  if (!IsOfSource(query, facts.source)) return false;
  return !query.message_id || Hash64(*query.message_id) == facts.message_hash;
}

}  // namespace

Result<std::vector<LaneRef>> DeadLetterService::LanesOf(const DeadSelection& selection) const {
  std::vector<LaneRef> lanes = world_.lanes();
  if (!selection.destination) return lanes;
  std::erase_if(lanes, [&](const LaneRef& lane) { return lane.name != *selection.destination; });
  if (lanes.empty()) {
    return Fail(ErrorCode::kInvalid, "destination",
                "destination names no destination that there is");
  }
  return lanes;
}

// From the counters where they say it, else by counting what the index holds.
Result<std::optional<std::uint64_t>> DeadLetterService::Total(
    const DeadLetterQuery& query, const std::vector<LaneRef>& lanes) const {
  const DeadSelection& selection = query.selection;
  std::uint64_t total = 0;
  if (!selection.since && !selection.until && query.sources.empty() && !query.message_id) {
    for (const LaneRef& lane : lanes) total += lane.lane->stats().dead_lettered;
    return total;
  }
  std::size_t looked_at = 0;
  for (const LaneRef& lane : lanes) {
    TRY(ScanDead(*world_.store,
                 {.lane = lane.id, .since = selection.since, .until = selection.until},
                 [&](const DeadEntry& entry) {
                   total += Wanted(query, entry.age.facts) ? 1 : 0;
                   return ++looked_at < kDeadScanMax ? Visit::kContinue : Visit::kStop;
                 }));
    if (looked_at >= kDeadScanMax) return std::nullopt;
  }
  return total;
}

Result<DeadLetters::Page> DeadLetterService::List(const DeadLetterQuery& query) const {
  TRY_ASSIGN(const std::vector<LaneRef> lanes, LanesOf(query.selection));
  TRY_ASSIGN(Page page, ReadPage(query, lanes));
  TRY_ASSIGN(page.total, Total(query, lanes));
  return page;
}

// Each lane is read from its newest until it can add nothing to the page, so the work follows the
// page and the number of lanes, not the number of dead letters.
Result<DeadLetters::Page> DeadLetterService::ReadPage(const DeadLetterQuery& query,
                                                      const std::vector<LaneRef>& lanes) const {
  std::optional<Mark> from;
  if (!query.cursor.empty()) {
    TRY_ASSIGN(from, MarkOfCursor(query.cursor));
  }
  struct Candidate {
    Mark mark;
    const LaneRef* lane;
    DeadEntry entry;
    bool operator<(const Candidate& other) const { return mark > other.mark; }
  };
  std::priority_queue<Candidate> newest;  // its top is the oldest of the page so far
  std::optional<Mark> gave_up;            // the newest place where a lane was not read on
  std::size_t looked_at = 0;
  for (const LaneRef& lane : lanes) {
    std::optional<UnixMicros> until = query.selection.until;
    if (from) until = std::min(until.value_or(from->at_us + 1), from->at_us + 1);
    TRY(ScanDead(
        *world_.store,
        {.lane = lane.id, .since = query.selection.since, .until = until, .newest_first = true},
        [&](const DeadEntry& entry) {
          const Mark mark{entry.died_at_us, lane.id, entry.at};
          if (from && mark >= *from) return Visit::kContinue;
          if (newest.size() > query.limit && mark < newest.top().mark) return Visit::kStop;
          if (++looked_at > kDeadScanMax) {
            gave_up = gave_up ? std::max(*gave_up, mark) : mark;
            return Visit::kStop;
          }
          if (!Wanted(query, entry.age.facts)) return Visit::kContinue;
          newest.push({mark, &lane, entry});
          if (newest.size() > query.limit + 1) newest.pop();
          return Visit::kContinue;
        }));
  }
  const bool more = newest.size() > query.limit;
  if (more) newest.pop();
  std::vector<Candidate> chosen;
  for (; !newest.empty(); newest.pop()) chosen.push_back(newest.top());
  std::ranges::reverse(chosen);
  Page page;
  // What is older than a place that was not read on might have something in between.
  if (gave_up) {
    std::erase_if(chosen, [&](const Candidate& c) { return c.mark < *gave_up; });
    page.next_cursor =
        CursorOf({gave_up->at_us, gave_up->lane, {gave_up->at.partition, gave_up->at.offset + 1}});
  }
  if (more && !chosen.empty() && chosen.size() == query.limit) {
    page.next_cursor = CursorOf(chosen.back().mark);
  }
  RuleRevisions rules(*world_.store);
  for (const Candidate& c : chosen) {
    auto letter = Read(*c.lane, c.entry, rules, false);
    if (letter && (!IsOfSource(query, letter->source) ||
                   (query.message_id && *query.message_id != letter->message_id))) {
      continue;
    }
    if (letter) {
      page.data.push_back(*std::move(letter));
    } else if (letter.error().code() != ErrorCode::kNotFound) {  // moved on meanwhile
      return std::unexpected(letter.error());
    }
  }
  return page;
}

Result<DeadLetter> DeadLetterService::Get(std::string_view id) const {
  const auto place = ParseDeliveryId(id);
  if (!place) return Fail(ErrorCode::kInvalid, "id", "id is no delivery id (dlv_…)");
  const std::vector<LaneRef> lanes = world_.lanes();
  const auto lane = std::ranges::find(lanes, place->lane, &LaneRef::id);
  if (lane != lanes.end()) {
    TRY_ASSIGN(const auto entry, FindDead(*world_.store, place->lane, place->at));
    RuleRevisions rules(*world_.store);
    if (entry) return Read(*lane, *entry, rules, true);
  }
  return Fail(ErrorCode::kNotFound, "id", "there is no dead letter of that id");
}

Result<DeadLetter> DeadLetterService::Read(const LaneRef& lane, const DeadEntry& entry,
                                           RuleRevisions& rules, bool with_event) const {
  TRY_ASSIGN(const auto row,
             world_.store->Get(Family::kOwned, keys::DeadLetter(lane.id, entry.at)));
  if (!row) return Fail(ErrorCode::kNotFound, "id", "there is no dead letter of that id");
  TRY_ASSIGN(StoredDead dead, DecodeDead(*row));
  DeadLetter letter{
      .source = entry.age.facts.source, .at_us = dead.at_us, .reason = std::move(dead.reason)};
  letter.pair = {.destination = lane.name,
                 .state = PairState::kDeadLettered,
                 .delivery_id = DeliveryId(lane.id, entry.at),
                 .attempts_total = dead.attempts};
  TRY_ASSIGN(letter.pair.rule_revision, rules.At(lane.id, entry.at));
  TRY_ASSIGN(auto attempts, ReadAttempts(*world_.store, lane.id, entry.at));
  Hash128 batch;  // in which it was sent last
  for (StoredAttempt& attempt : attempts) {
    if (attempt.batch != Hash128{}) batch = attempt.batch;
    letter.pair.attempts.push_back(std::move(attempt.attempt));
  }
  const auto event = ReadRowEvent(*world_.store, *world_.log, lane.id, entry.at);
  if (!event) return letter;  // damaged: what is known of it is still shown
  const log::RecordView& record = (*event)->record;
  letter.pair.webhook_id =
      batch == Hash128{} ? WebhookId(lane.lane->destination(), record) : WebhookIdText(batch);
  letter.source = record.fields.source;
  letter.message_id = record.fields.message_id;
  letter.received_at_us = record.fields.received_at_us;
  if (with_event) letter.event = record.payload;
  return letter;
}

Result<std::vector<StoredAttempt>> ReadAttempts(const store::Store& store, LaneId lane,
                                                Position at) {
  std::vector<StoredAttempt> attempts;
  Status broken;
  TRY(store.ScanPrefix(Family::kOwned, keys::AttemptsAt(lane, at),
                       [&](std::string_view, std::string_view value) {
                         auto attempt = DecodeAttempt(value);
                         if (!attempt) broken = std::unexpected(attempt.error());
                         if (!attempt) return Visit::kStop;
                         attempts.push_back(std::move(*attempt));
                         return Visit::kContinue;
                       }));
  TRY(broken);
  std::ranges::sort(attempts, {}, &StoredAttempt::number);
  return attempts;
}

}  // namespace tributary::deliver
