// Whether a rule wanted a record, by all that it says, its jq condition included: for everybody who
// asks afterwards (trace, lists, audit). The lane itself asks as it goes.
#pragma once

#include <functional>
#include <memory>

#include "deliver/matcher.h"
#include "log/record.h"
#include "os/executor.h"

namespace tributary::deliver {

// `rule`: the one in force at the record's offset (Lane::RuleAt); nullptr wants nothing. `programs`
// may be nullptr when no rule has a condition. The record is looked at during this call only.
//
// `done` exactly once, on `loop`, never from inside this call, and never after Programs::Close().
// Errors are those of Programs::Run: kInvalid and kDeadline mean that the condition failed on this
// record, so that its pair was dead-lettered; kUnavailable that it may be asked again.
void JudgeRecord(const std::shared_ptr<const Matcher>& rule, const log::RecordView& record,
                 Programs* programs, os::Executor& loop,
                 std::move_only_function<void(Result<bool>)> done);

}  // namespace tributary::deliver
