#include "deliver/destination.h"

#include <algorithm>
#include <deque>

#include "base/check.h"

namespace tributary::deliver {
namespace {

// It has copies: what Register() makes may be a temporary, of which the static object is the copy.
// Their addresses stay.
std::deque<DestinationType>& Table() {
  static std::deque<DestinationType> table;
  return table;
}

bool SameLetters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

DestinationRegistration::DestinationRegistration(DestinationType the_type) : type(the_type) {
  Table().push_back(type);
}

std::vector<const DestinationType*> RegisteredTypes() {
  std::vector<const DestinationType*> types;
  for (const DestinationType& type : Table()) types.push_back(&type);
  std::ranges::sort(types, {}, &DestinationType::name);
  return types;
}

const DestinationType* FindType(std::string_view name) {
  const DestinationType* near = nullptr;
  for (const DestinationType& type : Table()) {
    if (type.name == name) return &type;
    if (SameLetters(type.name, name)) near = &type;
  }
  return near;
}

}  // namespace tributary::deliver
