// The ids of the run that is being gathered, exactly: a vector in order of arrival and an open
// table over it. Small at first, doubles as ids come, never more than `ids_max`.
//
// One thread, or under its owner's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dedupe/id_entry.h"

namespace tributary::dedupe {

class IdTable {
 public:
  IdTable(std::uint32_t ids_max, std::uint64_t seed) : ids_max_(ids_max), seed_(seed) {}

  // The latest entry with this id that is no duplicate.
  const IdEntry* LatestOriginal(const Hash128& id) const;
  void Prefetch(const Hash128& id) const;
  // In order of arrival. Must not be full.
  void Add(const IdEntry& entry);

  bool full() const { return entries_.size() >= ids_max_; }
  const std::vector<IdEntry>& entries() const { return entries_; }
  void Clear();
  std::size_t bytes() const {
    return entries_.capacity() * sizeof(IdEntry) + slots_.capacity() * sizeof(Slot);
  }

 private:
  struct Slot {
    std::uint32_t index_plus_1 = 0;  // into entries_; 0: empty
    std::uint32_t tag = 0;           // spares most looks at an entry that only shares the place
  };
  void Grow();
  void Place(const Hash128& id, std::uint32_t index);

  const std::uint32_t ids_max_;
  const std::uint64_t seed_;
  std::vector<IdEntry> entries_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace tributary::dedupe
