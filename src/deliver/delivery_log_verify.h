// `tributary verify` of the delivery log: reads everything, changes nothing. For a directory that
// no process uses. May block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/fs.h"

namespace tributary::deliver {

struct DeliveryLogDamage {
  std::string file;
  std::uint64_t position = 0;
  std::string what;
};

struct DeliveryLogReport {
  std::uint64_t files = 0;
  std::uint64_t attempts = 0;
  std::uint64_t bytes = 0;  // of whole blocks and heads
  std::vector<DeliveryLogDamage> damage;
};

// `dir` is DATA/delivery_log; when it is not there, there is nothing. A torn end is no damage where
// the server would cut it: of a live file, and of the newest archive. What the server has put aside
// already (`*.damaged`) is passed over.
Result<DeliveryLogReport> VerifyDeliveryLog(os::FileSystem& fs, const std::string& dir);

}  // namespace tributary::deliver
