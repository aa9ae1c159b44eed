// What a plan or a reload says, for people.
#pragma once

#include <string>
#include <string_view>

#include "cli/registry.h"

namespace tributary::cli {

//   + destination "hook"
//       type  webhook
//   ~ destination "old"
//       concurrency  16 -> 3
//   - source "web": no longer declared, is paused
//   ~ retention.age  7d -> 3d (needs a restart)
std::string PlanText(std::string_view body);
// One line for what was applied, one for what needs a restart.
std::string ReloadText(std::string_view body);
// Whether a plan has any change.
bool PlanHasChanges(std::string_view body);

// Every problem of a refused configuration, as check-config says it; answers kExitUsage.
// Anything else that the server says: kExitFailed.
int ComplainOfConfig(Context& context, const ApiAnswer& answer);

}  // namespace tributary::cli
