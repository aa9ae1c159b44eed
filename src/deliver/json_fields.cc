#include "deliver/json_fields.h"

#include <nlohmann/json.hpp>

namespace tributary::deliver {

using nlohmann::json;

json TimeOrNull(std::optional<UnixMicros> at_us) {
  return at_us ? json(FormatIso8601(*at_us)) : json(nullptr);
}

json TextOrNull(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

}  // namespace tributary::deliver
