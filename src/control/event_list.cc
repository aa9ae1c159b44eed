// GET /api/v1/events: what came in, newest first, in pages.
//
// A page looks at a bounded number of records (WalkBudget) and is short, even empty, when that was
// not enough: `next_cursor` says so and goes on. Times are those of receipt.
#include <charconv>

#include "base/time.h"
#include "control/event_entry.h"
#include "control/event_walk.h"
#include "control/handlers.h"
#include "control/index_wait.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::PathParams;
using http::Request;
using http::Responder;
using http::Response;

struct Question {
  EventFilter filter;
  WalkOptions walk;
  UnixMicros since_us = 0;
  std::optional<UnixMicros> until_us;
  std::size_t limit = 0;
  std::optional<WalkPlaces> cursor;
};

Result<std::optional<UnixMicros>> ReadTime(std::string_view query, std::string_view field) {
  std::string text;
  if (!http::QueryParameter(query, field, text)) return std::nullopt;
  const auto at = ParseIso8601(text);
  if (!at) return WrongField(field, "must be a time such as 2026-11-21T09:33:48Z");
  return at;
}

Result<bool> ReadChoice(std::string_view query, std::string_view field, std::string_view yes,
                        std::string_view no, bool otherwise) {
  std::string text;
  if (!http::QueryParameter(query, field, text)) return otherwise;
  if (text == yes || text == no) return text == yes;
  return WrongField(field, "must be " + std::string(yes) + " or " + std::string(no));
}

// "d" or "a" for the direction, then one place per partition: "d-1200", "a-7-0-12-3".
std::string CursorText(const WalkPlaces& places, bool newest_first) {
  std::string text = newest_first ? "d" : "a";
  for (const log::Offset place : places) text += "-" + std::to_string(place);
  return text;
}

Result<WalkPlaces> ReadCursor(std::string_view text, bool newest_first, std::uint32_t partitions) {
  const auto broken = [] { return WrongField("cursor", "is not one that this list gave out"); };
  if (text.empty() || (text.front() != 'd' && text.front() != 'a')) return broken();
  if ((text.front() == 'd') != newest_first) {
    return WrongField("cursor", "is of a list in the other order");
  }
  text.remove_prefix(1);
  WalkPlaces places;
  while (text.starts_with('-')) {
    text.remove_prefix(1);
    log::Offset place = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), place);
    if (error != std::errc()) return broken();
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    places.push_back(place);
  }
  if (!text.empty() || places.size() != partitions) return broken();
  return places;
}

Result<Question> ReadQuestion(std::string_view query, const SourceNames& names,
                              std::uint32_t partitions) {
  TRY_ASSIGN(const PageRequest page, ReadPage(query, {"since", "until", "source", "type", "name",
                                                      "key", "kind", "order", "duplicates"}));
  Question question;
  TRY_ASSIGN(question.filter, ReadEventFilter(query, names));
  TRY_ASSIGN(question.walk.newest_first, ReadChoice(query, "order", "desc", "asc", true));
  TRY_ASSIGN(question.walk.duplicates, ReadChoice(query, "duplicates", "true", "false", false));
  TRY_ASSIGN(const auto since, ReadTime(query, "since"));
  TRY_ASSIGN(question.until_us, ReadTime(query, "until"));
  question.since_us = since.value_or(0);
  if (question.until_us && *question.until_us <= question.since_us) {
    return WrongField("until", "must be after since");
  }
  question.limit = page.limit;
  if (!page.cursor.empty()) {
    TRY_ASSIGN(question.cursor, ReadCursor(page.cursor, question.walk.newest_first, partitions));
  }
  return question;
}

struct Range {
  WalkPlaces low, high;
};

// What the question is about, as offsets: [low, high) of each partition, of what is decided.
Result<Range> RangeOf(const ControlWorld& world, const Question& question) {
  Range range;
  for (log::Partition p = 0; p < world.log->partitions(); ++p) {
    log::Offset low = world.log->first(p);
    log::Offset high = world.verdicts->decided(p);
    if (question.since_us > 0) {
      TRY_ASSIGN(const log::Offset at, world.log->OffsetAtTime(p, question.since_us));
      low = std::max(low, at);
    }
    if (question.until_us) {
      TRY_ASSIGN(const log::Offset at, world.log->OffsetAtTime(p, *question.until_us));
      high = std::min(high, at);
    }
    range.low.push_back(low);
    range.high.push_back(std::max(low, high));
  }
  return range;
}

// Where this page begins: at the cursor, held to what there still is.
WalkPlaces StartOf(const Question& question, const Range& range) {
  const bool back = question.walk.newest_first;
  WalkPlaces start = back ? range.high : range.low;
  for (std::size_t p = 0; question.cursor && p < start.size(); ++p) {
    start[p] = std::clamp((*question.cursor)[p], range.low[p], range.high[p]);
  }
  return start;
}

// On the worker.
Result<std::string> ReadPageOf(const ControlWorld& world, const SourceNames& names,
                               const Question& question) {
  TRY_ASSIGN(const Range range, RangeOf(world, question));
  EventWalk walk(*world.log, *world.verdicts, question.filter, question.walk, WalkBudget(),
                 StartOf(question, range), question.walk.newest_first ? range.low : range.high);
  std::vector<std::string> entries;
  std::size_t bytes = 0;
  while (entries.size() < question.limit && bytes < kEventPageBytesMax) {
    TRY_ASSIGN(const auto step, walk.Next());
    if (!step) break;
    entries.push_back(EventEntry(step->record, step->duplicate, names));
    bytes += entries.back().size();
  }
  const std::string cursor = CursorText(walk.places(), question.walk.newest_first);
  return PageText(entries, walk.ended() ? nullptr : &cursor);
}

}  // namespace

void AddEventListHandler(const ControlWorld& world, Blocking& blocking, const SourceNames& names,
                         http::Router& router) {
  const auto handle = [&world, &blocking, &names](const Request& request, const PathParams&,
                                                  Responder responder) {
    auto question = ReadQuestion(request.query, names, world.log->partitions());
    if (!question) return responder.Send(http::ErrorResponse(question.error()));
    WaitForDedupe(world, Reached::kDecided,
                  [&world, &blocking, &names, question = *std::move(question),
                   responder = std::move(responder)](const Status& decided) mutable {
                    if (!decided) return responder.Send(http::ErrorResponse(decided.error()));
                    AnswerFromWorker(blocking, std::move(responder),
                                     [&world, &names, question = std::move(question)] {
                                       return ReadPageOf(world, names, question);
                                     });
                  });
  };
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/events",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Lists events, newest first.",
              .statuses = {200, 504},
              .docs = {.query = {"limit", "cursor", "since", "until", "source", "type", "name",
                                 "key", "kind", "order", "duplicates"},
                       .answer = schema::PageOf(shapes::Event())},
              .handle = handle});
}

}  // namespace tributary::control
