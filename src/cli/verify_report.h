// What `tributary verify` says. Pure functions.
#pragma once

#include <string>

#include "dedupe/verify.h"
#include "deliver/delivery_log_verify.h"
#include "log/open.h"
#include "store/verify.h"

namespace tributary::cli {

struct DirectoryReport {
  log::VerifyReport log;
  deliver::DeliveryLogReport attempts;
  dedupe::DedupeReport dedupe;
  store::StoreReport store;
  bool store_missing = false;  // although the log has segments
  bool ok() const {
    return log.damage.empty() && attempts.damage.empty() && dedupe.damage.empty() &&
           store.damage.empty() && !store_missing;
  }
};

// One line per damage, then a summary; of the log, the delivery log, dedupe and the store. The last
// two are left out where there is no file of theirs.
std::string VerifyText(const DirectoryReport& report);
// The same of a log alone.
std::string VerifyText(const log::VerifyReport& report);
// {"ok","segments","records","bytes","damage":[{"partition","segment","position","first","end",
// "what"}],"store":"present|missing|damaged","store_tables":{"files","bytes","damage":[{"file",
// "what"}]},"dedupe":{the same},"delivery_log":{"files","attempts","bytes","damage":[{"file",
// "position","what"}]}}; `end` is one past the last offset lost.
std::string VerifyJson(const DirectoryReport& report);

}  // namespace tributary::cli
