// `tributary verify` of what dedupe keeps: reads the index and the verdicts, changes nothing. For a
// directory that no process uses. May block.
//
// Nothing in these files is lost for good: the server makes again what is named here, from the log.
// Verdicts above the end of the index are not judged: they are decided anew at every start.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/fs.h"

namespace tributary::dedupe {

struct DedupeDamage {
  std::string file;  // below the data directory
  std::string what;
};

struct DedupeReport {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::vector<DedupeDamage> damage;
};

// Of DATA/dedupe and the verdicts in DATA/log; what is not there is nothing.
Result<DedupeReport> VerifyDedupe(os::FileSystem& fs, const std::string& data_dir);

}  // namespace tributary::dedupe
