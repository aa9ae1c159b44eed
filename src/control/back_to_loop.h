// A completion that may come on any thread, brought back to the loop of the request it answers.
#pragma once

#include <utility>

#include "base/result.h"
#include "os/executor.h"

namespace tributary::control {

// The completion of an engine call: posts `then(Result<T>)` to the loop. What `then` holds (the
// responder) is only touched there.
template <class T, class Then>
auto BackToLoop(os::Executor& loop, Then then) {
  return [&loop, then = std::move(then)](Result<T> result) mutable {
    loop.Post([then = std::move(then), result = std::move(result)]() mutable {
      then(std::move(result));
    });
  };
}

}  // namespace tributary::control
