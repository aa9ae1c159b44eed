// The ids of which a run holds repeats, as 32 bits each: for who looks for all that is known of an
// id and would rather not open files that do not have it. Never forgets one; past a number of ids
// it says "perhaps" to everything. Immutable.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "dedupe/id_entry.h"

namespace tributary::dedupe {

class RepeatSet {
 public:
  static constexpr std::size_t kIdsMax = 4'096;  // 16 KiB a run

  RepeatSet() = default;
  explicit RepeatSet(std::span<const IdEntry> entries) {
    for (const IdEntry& entry : entries) {
      if (!entry.duplicate()) continue;
      ids_.push_back(ShortOf(entry.id));
      if (ids_.size() == 2 * kIdsMax) Settle();
      if (too_many_) return;
    }
    Settle();
    ids_.shrink_to_fit();
  }

  bool MayHold(const Hash128& id) const {
    return too_many_ || std::ranges::binary_search(ids_, ShortOf(id));
  }

 private:
  static std::uint32_t ShortOf(const Hash128& id) { return static_cast<std::uint32_t>(id.low); }
  void Settle() {
    std::ranges::sort(ids_);
    const auto rest = std::ranges::unique(ids_);
    ids_.erase(rest.begin(), rest.end());
    too_many_ = ids_.size() > kIdsMax;
    if (too_many_) ids_.clear();
  }

  std::vector<std::uint32_t> ids_;  // in order
  bool too_many_ = false;
};

}  // namespace tributary::dedupe
