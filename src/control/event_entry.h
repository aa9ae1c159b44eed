// One record as lists, tails and traces show it: its header as fields, its payload as it is.
#pragma once

#include <string>

#include "control/source_names.h"
#include "log/record.h"

namespace tributary::control {

// {"message_id","source","kind","type","name","key","received_at","event_time","partition",
// "offset","duplicate","historical","test","event"} in one line.
// `source` is null when its number is not known, `event` when the payload is no JSON object (only
// kinds other than `event` may hold such).
std::string EventEntry(const log::RecordView& record, bool duplicate, const SourceNames& names);

}  // namespace tributary::control
