// Short names of spans that tests are full of.
#pragma once

#include "base/time.h"

namespace tributary {

inline constexpr MonoNanos kMs = kNanosPerMilli;
inline constexpr MonoNanos kS = kNanosPerSecond;

}  // namespace tributary
