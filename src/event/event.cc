#include "event/event.h"

#include <array>

namespace tributary::event {
namespace {
constexpr std::array<std::string_view, 7> kTypeNames = {"",       "track", "identify", "page",
                                                        "screen", "group", "alias"};
}

std::string_view TypeName(Type type) {
  return kTypeNames[static_cast<std::size_t>(type)];
}

Type TypeFromName(std::string_view name) {
  for (std::size_t i = 1; i < kTypeNames.size(); ++i) {
    if (kTypeNames[i] == name) return static_cast<Type>(i);
  }
  return Type::kOther;
}

}  // namespace tributary::event
