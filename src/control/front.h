// What every changing call of the control API passes through, whichever handler it has: an audit
// record, and the memory of `Idempotency-Key`.
//
// Order of one call: its record and its key are written (no sync; the change's own covers them),
// the handler runs, what came of it is written with a sync, the answer is sent. So no change is
// durable without its record, and no answer is sent that a repeat would not get.
//
// Threads: one Front per loop, on its thread; the Journal is shared by all, and what may block runs
// on the worker.
#pragma once

#include <memory>
#include <string>

#include "control/access.h"
#include "control/audit_log.h"
#include "control/blocking.h"
#include "control/idempotency.h"
#include "deliver/engine.h"
#include "http/router.h"

namespace tributary::control {

class SourceRegistry;

// How long a repeat waits for the first of its key, and how many of one loop may.
inline constexpr MonoNanos kIdempotencyWaitMax = 10 * kNanosPerSecond;
inline constexpr std::size_t kIdempotencyWaitersMax = 64;
// Changes of one loop that are begun and not ended. Each needs the worker once more to end, which
// is granted however much waits there: a change whose end is refused would be under way for ever.
inline constexpr std::size_t kChangesUnderWayMax = 256;

struct Journal {
  store::Store* store = nullptr;
  AuditLog* audit = nullptr;
  Idempotency* idempotency = nullptr;
};

class Front {
 public:
  struct World {
    const Access* access = nullptr;
    Journal journal;
    deliver::Engine* engine = nullptr;
    const SourceRegistry* sources = nullptr;
  };
  Front(World world, Blocking& blocking) : world_(world), blocking_(blocking) {}

  // For Router::SetAround. The front outlives the router's last request.
  http::Router::Around around();

 private:
  struct Call;
  using CallPtr = std::shared_ptr<Call>;
  class Target;

  void Run(const http::Route& route, const http::Request& request, const http::PathParams& params,
           http::Responder responder);
  void Begin(const CallPtr& call);
  static void Refuse(Call& call);
  void Begun(const CallPtr& call, Idempotency::State state);
  void WaitFor(CallPtr call);
  void Replay(const CallPtr& call);
  void Handle(CallPtr call);
  void Finish(const CallPtr& call, http::Response response);
  std::string Show(const std::string& kind, const std::string& name) const;

  const World world_;
  Blocking& blocking_;
  // Gone with the front: an answer that comes after it (the program is ending) is only dropped.
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::size_t waiting_ = 0;
  std::size_t under_way_ = 0;
};

}  // namespace tributary::control
