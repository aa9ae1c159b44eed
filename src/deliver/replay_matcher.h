// The rule of a replay: what its destination's rule wants and its own condition wants too.
#pragma once

#include <memory>

#include "deliver/matcher.h"

namespace tributary::deliver {

// `own` may be nullptr. Of `own` only what looks inside an event counts: by header a replay wants
// what the destination wants. Two programs become one, for which `programs` is asked; its errors
// have the field "filter".
Result<std::shared_ptr<const Matcher>> MatchBoth(std::shared_ptr<const Matcher> rule,
                                                 std::shared_ptr<const Matcher> own,
                                                 Programs* programs);

}  // namespace tributary::deliver
