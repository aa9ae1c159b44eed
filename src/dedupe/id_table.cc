#include "dedupe/id_table.h"

#include "base/check.h"

namespace tributary::dedupe {
namespace {
constexpr std::size_t kSlotsMin = 256;
}  // namespace

const IdEntry* IdTable::LatestOriginal(const Hash128& id) const {
  if (slots_.empty()) return nullptr;
  const std::uint64_t scattered = Scatter(id, seed_);
  const auto tag = static_cast<std::uint32_t>(scattered >> 32);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = scattered & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.index_plus_1 == 0) return nullptr;
    if (slot.tag != tag) continue;
    const IdEntry& entry = entries_[slot.index_plus_1 - 1];
    if (entry.id == id) return &entry;
  }
}

void IdTable::Prefetch(const Hash128& id) const {
  if (!slots_.empty()) __builtin_prefetch(&slots_[Scatter(id, seed_) & (slots_.size() - 1)]);
}

void IdTable::Add(const IdEntry& entry) {
  CHECK(!full());
  entries_.push_back(entry);
  // Duplicates are entries for the index on disk only; nothing is a repeat of a duplicate.
  if (entry.duplicate()) return;
  if (entries_.size() * 2 > slots_.size()) Grow();
  Place(entry.id, static_cast<std::uint32_t>(entries_.size() - 1));
}

void IdTable::Place(const Hash128& id, std::uint32_t index) {
  const std::uint64_t scattered = Scatter(id, seed_);
  const auto tag = static_cast<std::uint32_t>(scattered >> 32);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = scattered & mask;
  // An id that is there already (the window was shorter than the run) gives its slot to the later.
  while (slots_[at].index_plus_1 != 0 &&
         !(slots_[at].tag == tag && entries_[slots_[at].index_plus_1 - 1].id == id)) {
    at = (at + 1) & mask;
  }
  slots_[at] = {index + 1, tag};
}

void IdTable::Grow() {
  slots_.assign(std::max(kSlotsMin, slots_.size() * 2), Slot{});
  for (std::uint32_t i = 0; i + 1 < entries_.size(); ++i) {
    if (!entries_[i].duplicate()) Place(entries_[i].id, i);
  }
}

void IdTable::Clear() {
  entries_.clear();
  std::fill(slots_.begin(), slots_.end(), Slot{});
}

}  // namespace tributary::dedupe
