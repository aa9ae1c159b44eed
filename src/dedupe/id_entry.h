// One collected event as the message-id index knows it: 24 bytes, the same in memory and on disk.
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>

#include "base/bytes.h"
#include "base/hash.h"
#include "log/record.h"

namespace tributary::dedupe {

struct IdEntry {
  static constexpr std::uint32_t kDuplicateBit = 1U << 31;

  Hash128 id;                    // of (source, message id)
  std::uint32_t place = 0;       // offset from the run's first; top bit: it is a duplicate
  std::uint32_t received_s = 0;  // whole seconds after the run's base

  bool duplicate() const { return (place & kDuplicateBit) != 0; }
  std::uint32_t relative() const { return place & ~kDuplicateBit; }

  // The order on disk. Among equal ids originals come before duplicates and later ones before
  // earlier: the first of them answers "what would a repeat of this be a repeat of", however often
  // one id was sent.
  friend bool operator<(const IdEntry& a, const IdEntry& b) {
    if (a.id.high != b.id.high) return a.id.high < b.id.high;  // nearly always decides
    return std::tuple(a.id.low, a.duplicate(), b.relative()) <
           std::tuple(b.id.low, b.duplicate(), a.relative());
  }
};
static_assert(sizeof(IdEntry) == 24, "entries are written as they lie in memory");

// The identity of an event. `scratch` is reused between calls, so that nothing is allocated.
inline Hash128 IdOf(log::SourceId source, std::string_view message_id, std::string& scratch) {
  scratch.clear();
  AppendLe(scratch, source);
  scratch.append(message_id);
  return HashOf128(scratch);
}

// Where in a table an id belongs. Seeded per process: a client that can choose message ids cannot
// choose which of them collide.
inline std::uint64_t Scatter(const Hash128& id, std::uint64_t seed) {
  std::uint64_t x = (id.low ^ seed) * 0x9E3779B97F4A7C15ULL;
  x ^= x >> 32;
  x = (x + id.high) * 0xD6E8FEB86659FD93ULL;
  return x ^ (x >> 32);
}

}  // namespace tributary::dedupe
