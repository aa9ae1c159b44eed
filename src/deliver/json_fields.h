// Members of JSON answers that may be absent.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/time.h"

namespace tributary::deliver {

nlohmann::json TimeOrNull(std::optional<UnixMicros> at_us);
nlohmann::json TextOrNull(const std::string& text);  // null for ""

}  // namespace tributary::deliver
