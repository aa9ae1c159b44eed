// SIGHUP: the configuration file is read again, and what came of it is recorded as every other
// change is (control/audit_log.h): before it is made, and again with what changed; a refused file
// leaves no record. Nobody waits for an answer.
#pragma once

#include "control/audit_log.h"
#include "control/front.h"
#include "control/reload.h"
#include "os/executor.h"

namespace tributary::app {

// From any thread; the work is done on `blocking`, which outlives it, as do the others.
void ReloadBySignal(control::Configuration& configuration, const control::Journal& journal,
                    os::Executor& blocking);

}  // namespace tributary::app
