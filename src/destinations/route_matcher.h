// Joins route/ (what a rule says) to deliver/ (when it counts): app/ gives the result to the
// engine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "deliver/matcher.h"

namespace tributary::destinations {

// The id of a source by its name; nullopt when there is none. Thread-safe.
using FindSourceId = std::function<std::optional<log::SourceId>(std::string_view name)>;

// Every id that a source of this name has or had. Thread-safe.
using FindSourceIds = std::function<std::vector<log::SourceId>(std::string_view name)>;

// `programs` compiles filters and outlives the result; without it they are refused. A source that
// is gone may stay in a rule that had it: `past_sources` tells its id; without it it may not.
std::unique_ptr<deliver::MatcherFactory> MakeRouteMatchers(FindSourceId find_source,
                                                           deliver::Programs* programs = nullptr,
                                                           FindSourceIds past_sources = nullptr);

}  // namespace tributary::destinations
