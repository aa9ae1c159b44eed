// Waits until what was durable when somebody asked has passed the dedupe stage, so that nothing
// acknowledged before a question is missing from its answer.
#pragma once

#include <functional>

#include "base/result.h"
#include "control/control.h"

namespace tributary::control {

enum class Reached {
  kIndexed,  // the message-id index finds it
  kDecided,  // it is known which are duplicates; after a start that is so much earlier
};

// `then` on the loop, at once if nothing has to be waited for: success, kDeadline after
// kTraceWaitMax, or kUnavailable when too many wait. On the loop's thread.
void WaitForDedupe(const ControlWorld& world, Reached what,
                   std::move_only_function<void(const Status&)> then);

}  // namespace tributary::control
