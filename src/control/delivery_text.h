// What lists of deliveries have in common: their JSON, and the parameters that select.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/source_names.h"
#include "deliver/engine.h"

namespace tributary::control {

// The JSON of a pair as DESIGN.md has it; `more` are further fields, each after a comma. For a
// worker: `names` may read the store.
std::string DeliveryText(SourceNames& names, const deliver::PairTrace& pair, log::SourceId source,
                         std::string_view message_id, std::string_view more = {});

// Parameters of a query that CheckQuery let through; nullopt when absent, kInvalid names them.
std::optional<std::string> TextParameter(std::string_view query, std::string_view name);
Result<std::optional<UnixMicros>> TimeParameter(std::string_view query, std::string_view name);
// The numbers that sources of that name have or had; empty without a name.
Result<std::vector<log::SourceId>> SourcesOfName(const SourceNames& names,
                                                 const std::optional<std::string>& name);

}  // namespace tributary::control
