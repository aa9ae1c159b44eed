// Ids by number, for dedupe's own tests.
#pragma once

#include <cstdint>
#include <string>

#include "dedupe/id_table.h"

namespace tributary::dedupe {

inline Hash128 Id(std::uint64_t n) {
  std::string scratch;
  return IdOf(1, std::to_string(n), scratch);
}

}  // namespace tributary::dedupe
