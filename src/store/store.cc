#include "store/store.h"

namespace tributary::store {

Status Store::ScanPrefix(Family family, std::string_view prefix, const Visitor& visitor) const {
  return Scan(family, prefix, PrefixEnd(prefix), false, visitor);
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  // 0xff has no successor of the same length, so it is cut and the byte before it counts up.
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace tributary::store
