// What `tributary verify` says of a log. Pure functions.
#pragma once

#include <string>

#include "log/open.h"

namespace tributary::cli {

// One line per damage, then a summary.
std::string VerifyText(const log::VerifyReport& report);
// {"ok","segments","records","bytes","damage":[{"partition","segment","position","first","end",
// "what"}]}; `end` is one past the last offset lost.
std::string VerifyJson(const log::VerifyReport& report);

}  // namespace tributary::cli
