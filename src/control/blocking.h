// Work that may block (disk, store) for a handler that must not: it runs on the worker, and what it
// found comes back to the handler's loop.
//
// Threads: Run() and on_loop on the loop, work on the worker. Both executors outlive every task.
// Bounds: at most kBlockingWaitingMax pieces wait at one time; past it Run() refuses.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "http/error_response.h"
#include "http/server.h"
#include "os/executor.h"

namespace tributary::control {

inline constexpr std::size_t kBlockingWaitingMax = 256;  // of one loop

class Blocking {
 public:
  Blocking(os::Executor& loop, os::Executor& worker) : loop_(loop), worker_(worker) {}

  // False, with nothing run, when too much waits already: answer 503.
  template <class Work, class OnLoop>
  [[nodiscard]] bool Run(Work work, OnLoop on_loop) {
    if (waiting_ >= kBlockingWaitingMax) return false;
    RunAnyway(std::move(work), std::move(on_loop));
    return true;
  }

  // For the end of something whose beginning Run() let in, so that it is bounded by its caller:
  // what was begun must end, however much waits.
  template <class Work, class OnLoop>
  void RunAnyway(Work work, OnLoop on_loop) {
    ++waiting_;
    worker_.Post([this, work = std::move(work), on_loop = std::move(on_loop)]() mutable {
      loop_.Post([this, result = work(), on_loop = std::move(on_loop)]() mutable {
        --waiting_;
        on_loop(std::move(result));
      });
    });
  }
  os::Executor& loop() { return loop_; }

 private:
  os::Executor& loop_;
  os::Executor& worker_;
  std::size_t waiting_ = 0;  // the loop's thread only
};

// The JSON that `work` makes (a Result<std::string>) as the answer 200, or its error; 503 when too
// much waits.
template <class Work>
void AnswerFromWorker(Blocking& blocking, http::Responder responder, Work work) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const bool taken = blocking.Run(std::move(work), [shared](Result<std::string> text) {
    shared->Send(text ? http::Response::Json(200, *std::move(text))
                      : http::ErrorResponse(text.error()));
  });
  if (taken) return;
  shared->Send(http::ErrorResponse(Error(ErrorCode::kUnavailable, "too much is asked at once")));
}

}  // namespace tributary::control
