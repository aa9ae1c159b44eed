// Live tails of one loop: GET /api/v1/events/tail, events as they come, as server-sent events.
//
// A tail is a place in the log and a filter. Steps along the log run on the worker, one at a time
// per tail; what they find is written to the stream. A stream that is full stops its tail, and
// nothing else, until its reader has taken what there is (http/server.h cuts off one that takes
// nothing); what it then is too far behind for is skipped and said to be (tail_reader.h). Per tail
// at most one piece waits here, and the stream's own buffer. A tail whose token was taken away ends
// within a second.
//
// Threads: the loop's, but for the wake-up from the dedupe thread, which only posts.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>

#include "control/blocking.h"
#include "control/control.h"
#include "control/source_names.h"
#include "control/tail_reader.h"

namespace tributary::control {

class EventTails {
 public:
  EventTails(const ControlWorld& world, Blocking& blocking, const SourceNames& names);
  EventTails(const EventTails&) = delete;
  EventTails& operator=(const EventTails&) = delete;

  void AddRoute(http::Router& router);

 private:
  struct Tail {
    std::shared_ptr<http::Responder::Target> stream;
    std::function<bool()> still_may;  // its token may have been taken away meanwhile
    EventFilter filter;
    TailPlace place;
    bool stepping = false;     // a step is on the worker
    std::string refused;       // a piece that the stream had no room for
    MonoNanos written_ns = 0;  // when something was written last
  };
  using TailPtr = std::shared_ptr<Tail>;
  struct Question {
    EventFilter filter;
    TailPlace place;
  };

  void Handle(const http::Request& request, http::Responder responder);
  Result<Question> Read(const http::Request& request) const;
  void Open(Question question, std::function<bool()> still_may, http::Responder responder);
  void Changed(const TailPtr& tail);
  void Advance(const TailPtr& tail);
  void Stepped(const TailPtr& tail, Result<TailStep> step);
  void Write(Tail& tail, std::string text);
  void Remove(const TailPtr& tail);
  // The dedupe stage has moved on.
  void Wake();
  void AdvanceAll();
  void Arm();
  void Tick();

  const ControlWorld& world_;
  Blocking& blocking_;
  const SourceNames& names_;
  std::list<TailPtr> tails_;
  std::shared_ptr<std::atomic<bool>> armed_ = std::make_shared<std::atomic<bool>>(false);
  MonoNanos advanced_ns_ = 0;
  bool advance_planned_ = false;
  bool ticking_ = false;
};

}  // namespace tributary::control
