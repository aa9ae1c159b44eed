// Joins route/ (what a rule says) to deliver/ (when it counts): app/ gives the result to the
// engine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "deliver/matcher.h"

namespace tributary::destinations {

// The id of a source by its name; nullopt when there is none. Thread-safe.
using FindSourceId = std::function<std::optional<log::SourceId>(std::string_view name)>;

// `programs` compiles filters and outlives the result; without it they are refused.
std::unique_ptr<deliver::MatcherFactory> MakeRouteMatchers(FindSourceId find_source,
                                                           deliver::Programs* programs = nullptr);

}  // namespace tributary::destinations
