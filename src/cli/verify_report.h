// What `tributary verify` says. Pure functions.
#pragma once

#include <string>

#include "deliver/delivery_log_verify.h"
#include "log/open.h"

namespace tributary::cli {

struct DirectoryReport {
  log::VerifyReport log;
  deliver::DeliveryLogReport attempts;
  bool store_missing = false;  // although the log has segments
  bool ok() const { return log.damage.empty() && attempts.damage.empty() && !store_missing; }
};

// One line per damage, then a summary; of the log, the delivery log and the store.
std::string VerifyText(const DirectoryReport& report);
// The same of a log alone.
std::string VerifyText(const log::VerifyReport& report);
// {"ok","segments","records","bytes","damage":[{"partition","segment","position","first","end",
// "what"}],"store":"present|missing","delivery_log":{"files","attempts","bytes","damage":[{"file",
// "position","what"}]}}; `end` is one past the last offset lost.
std::string VerifyJson(const DirectoryReport& report);

}  // namespace tributary::cli
