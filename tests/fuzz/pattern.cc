// Patterns: no text may crash the reader, and what was read may crash on no event. The first line
// is a pattern, the rest an event.
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "route/pattern.h"

namespace event = tributary::event;
namespace route = tributary::route;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const auto json = nlohmann::json::parse(text.substr(0, line), nullptr, false);
  if (json.is_discarded()) return 0;
  const auto pattern = route::Pattern::Read(json);
  if (!pattern) {
    CHECK(pattern.error().message().starts_with(pattern.error().field()));
    return 0;
  }
  if (line == std::string::npos) return 0;
  event::JsonDocument document;
  const auto value = document.Parse(std::string_view(text).substr(line + 1));
  if (value) (void)pattern->Matches(*value);
  return 0;
}
