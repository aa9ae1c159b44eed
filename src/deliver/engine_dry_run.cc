#include "deliver/engine_dry_run.h"

#include "base/check.h"
#include "deliver/engine_impl.h"

namespace tributary::deliver {

void EngineDryRuns::DryRun(const std::string& name, const log::RecordView& record,
                           std::move_only_function<void(Result<std::string>)> done) {
  const auto entry = engine_.Find(name);
  if (entry == nullptr) {
    done(Fail(ErrorCode::kNotFound, "there is no destination named \"" + name + "\""));
    return;
  }
  const Spec spec = engine_.SpecOf(*entry);
  auto matcher = engine_.MatcherOf(spec);
  CHECK(matcher.has_value());
  const bool batch = spec.lane.batch.size > 1;
  DryRunInput input{
      .matcher = std::move(*matcher),
      .mapping = engine_.MappingOf(spec),
      .destination = nullptr,
      .record = EncodeKept(record),
      .batch = batch,
      .webhook_id = batch ? WebhookIdAlone(entry->id, record) : WebhookId(entry->id, record),
      .now_us = engine_.world_.clock->Now()};
  os::Executor* loop = entry->loop->loop.executor;
  AskProgram ask = [programs = engine_.world_.programs, loop](auto program, std::string event,
                                                              auto answered) {
    programs->Run(std::move(program), std::move(event), *loop, std::move(answered));
  };
  auto answer = [name, done = std::move(done)](Result<DryRunResult> result) mutable {
    if (result) {
      done(result->ToJson(name));
    } else {
      done(std::unexpected(std::move(result).error()));
    }
  };
  // The lane's own destination is asked what it would send, on its loop.
  loop->Post([lane = entry->lane, input = std::move(input), ask = std::move(ask),
              answer = std::move(answer)]() mutable {
    input.destination = lane->receiver();
    RunDry(std::move(input), std::move(ask), std::move(answer));
  });
}

Spec EngineImpl::SpecOf(const Entry& entry) const {
  const std::lock_guard lock(mutex_);
  return entry.spec;
}

}  // namespace tributary::deliver
