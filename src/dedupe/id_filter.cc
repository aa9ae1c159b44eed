#include "dedupe/id_filter.h"

#include "base/check.h"

namespace tributary::dedupe {

// calloc: the kernel gives zero pages for a large table, which cost nothing until they are used.
IdFilter::IdFilter(std::size_t cells, std::uint64_t seed)
    : count_(cells), seed_(seed), cells_(static_cast<Cell*>(std::calloc(cells, sizeof(Cell)))) {
  CHECK(cells >= 4);
  CHECK(cells_ != nullptr);
}

void IdFilter::Add(const Hash128& id, unsigned run) {
  CHECK_OP(run, <, kRunsMax);
  CHECK(room() > 0);
  const std::uint64_t scattered = Scatter(id, seed_);
  const auto cell = static_cast<Cell>(FingerprintOf(scattered) << 6 | run);
  std::size_t at = HomeOf(scattered);
  while (cells_[at] != 0) {
    if (cells_[at] == cell) return;  // says already what this id needs said
    if (++at == count_) at = 0;
  }
  cells_[at] = cell;
  ++size_;
}

std::uint64_t IdFilter::RunsOf(const Hash128& id) const {
  const std::uint64_t scattered = Scatter(id, seed_);
  const unsigned fingerprint = FingerprintOf(scattered);
  std::uint64_t runs = 0;
  for (std::size_t at = HomeOf(scattered); cells_[at] != 0;) {
    if (static_cast<unsigned>(cells_[at] >> 6) == fingerprint) runs |= 1ULL << (cells_[at] & 63);
    if (++at == count_) at = 0;
  }
  return runs;
}

}  // namespace tributary::dedupe
