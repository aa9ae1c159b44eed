// Says in which of up to 64 runs an id may have been seen: "surely in none" mostly, else the runs
// to look into. One such filter is a generation of the window.
//
// An open table of 16-bit cells: 10 bits of fingerprint and 6 bits of run. A look-up is one cache
// line; that it names the run is why this is no Bloom filter, whose every "perhaps" would cost a
// search in all runs of its generation. At three quarters full, 21 bits per id, less than 1 % of
// the look-ups of a strange id name a run in vain.
//
// Never forgets an id (no false "none"). Memory is touched only where ids are. One thread.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "dedupe/id_entry.h"

namespace tributary::dedupe {

class IdFilter {
 public:
  static constexpr unsigned kRunsMax = 64;

  // `cells` of two bytes; holds three quarters as many ids.
  IdFilter(std::size_t cells, std::uint64_t seed);

  // `run` < kRunsMax. There must be room().
  void Add(const Hash128& id, unsigned run);
  // Bit r: run r may hold the id.
  std::uint64_t RunsOf(const Hash128& id) const;
  void Prefetch(const Hash128& id) const {
    __builtin_prefetch(&cells_[HomeOf(Scatter(id, seed_))]);
  }

  std::size_t size() const { return size_; }
  std::size_t room() const { return IdsIn(count_) - size_; }
  std::size_t cells() const { return count_; }
  std::size_t bytes() const { return (count_ + kLane) * sizeof(Cell); }
  static std::size_t IdsIn(std::size_t cells) { return cells / 4 * 3; }

 private:
  using Cell = std::uint16_t;  // 0: empty
  static constexpr std::size_t kLane =
      8;  // cells compared at once; the first are repeated at the end
  struct Free {
    void operator()(Cell* cells) const { std::free(cells); }
  };
  std::size_t HomeOf(std::uint64_t scattered) const {
    return static_cast<std::size_t>(((scattered >> 32) * count_) >> 32);
  }
  static unsigned FingerprintOf(std::uint64_t scattered) {
    const auto bits = static_cast<unsigned>(scattered & 0x3ff);
    return bits == 0 ? 1 : bits;
  }

  const std::size_t count_;
  const std::uint64_t seed_;
  std::size_t size_ = 0;
  std::unique_ptr<Cell[], Free> cells_;
};

}  // namespace tributary::dedupe
