#include "control/event_tail.h"

#include <algorithm>

#include "base/logging.h"
#include "control/query.h"
#include "control/shapes.h"
#include "http/error_response.h"

namespace tributary::control {
namespace {

using http::Request;
using http::Responder;
using http::Response;

// Events of one commit come together, and commits of so long: a wake-up for each would cost more
// than the events.
constexpr MonoNanos kGatherNs = 10 * kNanosPerMilli;
constexpr MonoNanos kTickNs = kNanosPerSecond;
constexpr std::string_view kHello = "retry: 2000\n\n";
constexpr std::string_view kHeartbeat = ":\n\n";

Response StreamHead() {
  return {.status = 200,
          .headers = {{"Content-Type", "text/event-stream"},
                      {"Cache-Control", "no-store"},
                      {"X-Accel-Buffering", "no"}},  // proxies that would hold it back
          .body = {}};
}

}  // namespace

EventTails::EventTails(const ControlWorld& world, Blocking& blocking, const SourceNames& names)
    : world_(world), blocking_(blocking), names_(names) {
  world_.verdicts->OnProgress([this, armed = armed_, &loop = *world_.loop] {
    if (armed->exchange(false)) loop.Post([this] { Wake(); });
  });
}

void EventTails::AddRoute(http::Router& router) {
  router.Add({.method = http::Method::kGet,
              .pattern = "/api/v1/events/tail",
              .scope = http::Scope::kRead,
              .body_bytes_max = 0,
              .summary = "Streams events as they come, as server-sent events.",
              .docs = {.query = {"source", "type", "name", "key", "kind"},
                       .answer = schema::Text(),
                       .answer_type = "text/event-stream"},
              .handle = [this](const Request& request, const http::PathParams&,
                               Responder responder) { Handle(request, std::move(responder)); }});
}

// ---- Opening --------------------------------------------------------------------------------

Result<EventTails::Question> EventTails::Read(const Request& request) const {
  TRY(CheckQuery(request.query, {"source", "type", "name", "key", "kind"}));
  Question question;
  TRY_ASSIGN(question.filter, ReadEventFilter(request.query, names_));
  const std::string_view last_id = request.header("Last-Event-ID");
  if (!last_id.empty()) {
    TRY_ASSIGN(question.place.next, ReadTailId(last_id, *world_.log));
    question.place.resumed = true;
    return question;
  }
  for (log::Partition p = 0; p < world_.log->partitions(); ++p) {
    question.place.next.push_back(world_.log->committed(p));
  }
  return question;
}

void EventTails::Handle(const Request& request, Responder responder) {
  auto question = Read(request);
  if (!question) return responder.Send(http::ErrorResponse(question.error()));
  if (world_.tails->fetch_add(1) < kTailsMax) {
    return Open(*std::move(question), world_.access->StillMay(http::Scope::kRead, request),
                std::move(responder));
  }
  --*world_.tails;
  responder.Send(http::ErrorResponse(Error(
      ErrorCode::kUnavailable, std::to_string(kTailsMax) + " tails are open, which is the limit")));
}

// One of the open tails is this one from here on, until Remove().
void EventTails::Open(Question question, std::function<bool()> still_may, Responder responder) {
  auto tail = std::make_shared<Tail>();
  tail->still_may = std::move(still_may);
  tail->filter = std::move(question.filter);
  tail->place = std::move(question.place);
  tail->stream = responder.StartStream(StreamHead());
  tail->written_ns = world_.loop->Now();
  tails_.push_back(tail);
  tail->stream->Watch([this, weak = std::weak_ptr(tail)] {
    if (const TailPtr changed = weak.lock()) Changed(changed);
  });
  Write(*tail, std::string(kHello));
  if (!ticking_) Tick();
  Advance(tail);
  Arm();
}

// ---- Going on -------------------------------------------------------------------------------

// The stream has room again, or is gone.
void EventTails::Changed(const TailPtr& tail) {
  if (!tail->stream->gone() && !tail->refused.empty()) {
    Write(*tail, std::exchange(tail->refused, {}));
  }
  Advance(tail);
}

void EventTails::Advance(const TailPtr& tail) {
  if (tail->stepping) return;
  if (tail->stream->gone()) return Remove(tail);
  if (!tail->refused.empty()) return;
  bool behind = false;
  for (log::Partition p = 0; p < tail->place.next.size(); ++p) {
    behind |= tail->place.next[p] < world_.verdicts->decided(p);
  }
  if (!behind) return;
  // Refused when too much waits for the worker: the next tick tries again.
  tail->stepping = blocking_.Run(
      [this, tail] {
        return ReadTail(*world_.log, *world_.verdicts, tail->filter, names_, tail->place);
      },
      [this, tail](Result<TailStep> step) { Stepped(tail, std::move(step)); });
}

void EventTails::Stepped(const TailPtr& tail, Result<TailStep> step) {
  tail->stepping = false;
  if (!step) {
    LogWarn("tail_ended", {{"reason", step.error().message()}});
    tail->stream->EndStream();
    return Remove(tail);
  }
  tail->place = std::move(step->place);
  if (!step->text.empty()) Write(*tail, std::move(step->text));
  Advance(tail);
}

void EventTails::Write(Tail& tail, std::string text) {
  if (tail.stream->WriteStream(text)) {
    tail.written_ns = world_.loop->Now();
  } else {
    tail.refused = std::move(text);
  }
}

void EventTails::Remove(const TailPtr& tail) {
  if (tails_.remove(tail) > 0) --*world_.tails;
}

void EventTails::Wake() {
  const MonoNanos now = world_.loop->Now();
  if (now - advanced_ns_ >= kGatherNs) return AdvanceAll();
  if (std::exchange(advance_planned_, true)) return;
  world_.loop->At(advanced_ns_ + kGatherNs, [this] {
    advance_planned_ = false;
    AdvanceAll();
  });
}

void EventTails::AdvanceAll() {
  advanced_ns_ = world_.loop->Now();
  // Armed first: what is decided after this look wakes again.
  Arm();
  for (const TailPtr& tail : std::list<TailPtr>(tails_)) Advance(tail);
}

void EventTails::Arm() {
  if (!tails_.empty()) armed_->store(true);
}

void EventTails::Tick() {
  ticking_ = !tails_.empty();
  if (!ticking_) return;
  const MonoNanos now = world_.loop->Now();
  for (const TailPtr& tail : std::list<TailPtr>(tails_)) {
    if (!tail->still_may()) {
      tail->stream->EndStream();
      Remove(tail);
      continue;
    }
    const bool silent = tail->refused.empty() && now - tail->written_ns >= kTailHeartbeatNs;
    // One that finds no room is not kept: the stream is not silent then.
    if (silent && tail->stream->WriteStream(kHeartbeat)) tail->written_ns = now;
    Advance(tail);
  }
  world_.loop->At(now + kTickNs, [this] { Tick(); });
}

}  // namespace tributary::control
