// Damage found since the log was opened: each place once, warned about once, counted.
// Thread-safe. Takes at most kDamageListMax places, so that a ruined disk cannot fill the memory.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "log/log.h"

namespace tributary::log {

inline constexpr std::size_t kDamageListMax = 1'000;

class DamageLog {
 public:
  void Report(Damage damage);
  std::vector<Damage> list() const;
  std::uint64_t records() const;

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<std::string, std::uint64_t>> places_;
  std::vector<Damage> list_;
  std::uint64_t records_ = 0;
};

}  // namespace tributary::log
