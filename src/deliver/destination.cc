#include "deliver/destination.h"

#include <algorithm>

#include "base/check.h"

namespace tributary::deliver {
namespace {

std::vector<const DestinationType*>& Table() {
  static std::vector<const DestinationType*> table;
  return table;
}

bool SameLetters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

DestinationRegistration::DestinationRegistration(DestinationType the_type) : type(the_type) {
  Table().push_back(&type);
}

std::vector<const DestinationType*> RegisteredTypes() {
  std::vector<const DestinationType*> types = Table();
  std::ranges::sort(types, {}, &DestinationType::name);
  return types;
}

const DestinationType* FindType(std::string_view name) {
  const DestinationType* near = nullptr;
  for (const DestinationType* type : Table()) {
    if (type->name == name) return type;
    if (SameLetters(type->name, name)) near = type;
  }
  return near;
}

}  // namespace tributary::deliver
