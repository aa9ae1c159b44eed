// `tributary verify` of the store: reads every block of every table with its checksum, changes
// nothing. For a directory that no process uses. May block.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tributary::store {

struct StoreDamage {
  std::string file;  // in the directory of the store; "" when it is more than one
  std::string what;
};

struct StoreReport {
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;  // of tables
  std::vector<StoreDamage> damage;
};

// `dir` is DATA/store, as OpenRocksStore left it; `progress` is told the bytes of each table that
// was read. What follows a torn end of the write-ahead log is no damage, as it is none at a start.
Result<StoreReport> VerifyRocksStore(const std::string& dir,
                                     const std::function<void(std::uint64_t)>& progress);

}  // namespace tributary::store
