#include "route/name_pattern.h"

namespace tributary::route {

NamePattern::NamePattern(std::string_view text) {
  for (;;) {
    const std::size_t star = text.find('*');
    parts_.emplace_back(text.substr(0, star));
    if (star == std::string_view::npos) return;
    text.remove_prefix(star + 1);
  }
}

// Each middle part is taken where it first occurs: with '*' on both sides, taking it later could
// only leave less room for the rest. So no backtracking, and time is linear in the name per part.
bool NamePattern::Matches(std::string_view name) const {
  if (exact()) return name == parts_.front();
  const std::string& head = parts_.front();
  const std::string& tail = parts_.back();
  if (name.size() < head.size() + tail.size()) return false;
  if (!name.starts_with(head) || !name.ends_with(tail)) return false;
  name = name.substr(head.size(), name.size() - head.size() - tail.size());
  for (std::size_t i = 1; i + 1 < parts_.size(); ++i) {
    const std::size_t at = name.find(parts_[i]);
    if (at == std::string_view::npos) return false;
    name.remove_prefix(at + parts_[i].size());
  }
  return true;
}

}  // namespace tributary::route
