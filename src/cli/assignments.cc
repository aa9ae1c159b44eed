#include "cli/assignments.h"

#include <nlohmann/json.hpp>

#include "cli/registry.h"
#include "config/json_text.h"

namespace tributary::cli {

using nlohmann::json;

Result<std::string> ObjectOf(const std::vector<std::string>& assignments) {
  json object = json::object();
  for (const std::string& text : assignments) {
    const auto wrong = [&text](const char* why) { return WrongUsage("'" + text + "' " + why); };
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return wrong("must be NAME=VALUE");
    std::string_view name = std::string_view(text).substr(0, equals);
    json* at = &object;
    for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
      at = &(*at)[std::string(name.substr(0, dot))];
      if (at->is_null()) *at = json::object();
      if (!at->is_object()) return wrong("goes into what an earlier one set");
      name.remove_prefix(dot + 1);
    }
    const std::string value = text.substr(equals + 1);
    json parsed = json::parse(value, nullptr, false);
    (*at)[std::string(name)] = parsed.is_discarded() ? json(value) : std::move(parsed);
  }
  return config::DumpText(object);
}

}  // namespace tributary::cli
