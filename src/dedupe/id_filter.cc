#include "dedupe/id_filter.h"

#include <emmintrin.h>

#include <bit>

#include "base/check.h"

namespace tributary::dedupe {

// calloc: the kernel gives zero pages for a large table, which cost nothing until they are used.
IdFilter::IdFilter(std::size_t cells, std::uint64_t seed)
    : count_(cells),
      seed_(seed),
      cells_(static_cast<Cell*>(std::calloc(cells + kLane, sizeof(Cell)))) {
  CHECK(cells >= kLane);
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
  if (at < kLane) cells_[count_ + at] = cell;
  ++size_;
}

// Eight cells at a time up to the first empty one: about ten lie before it when the table is full.
std::uint64_t IdFilter::RunsOf(const Hash128& id) const {
  const std::uint64_t scattered = Scatter(id, seed_);
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(FingerprintOf(scattered) << 6));
  const __m128i fingerprint_bits = _mm_set1_epi16(static_cast<short>(0xffc0));
  std::uint64_t runs = 0;
  for (std::size_t at = HomeOf(scattered);;) {
    const __m128i cells = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&cells_[at]));
    // Two bits per cell.
    auto same = static_cast<unsigned>(
        _mm_movemask_epi8(_mm_cmpeq_epi16(_mm_and_si128(cells, fingerprint_bits), wanted)));
    const auto empty =
        static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi16(cells, _mm_setzero_si128())));
    if (empty != 0) same &= (empty & -empty) - 1;  // only what lies before the first empty cell
    for (; same != 0; same &= same - 1, same &= same - 1) {
      runs |= 1ULL << (cells_[at + static_cast<unsigned>(std::countr_zero(same)) / 2] & 63);
    }
    if (empty != 0) return runs;
    at += kLane;
    if (at >= count_) at -= count_;
  }
}

}  // namespace tributary::dedupe
