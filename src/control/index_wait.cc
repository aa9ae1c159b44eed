#include "control/index_wait.h"

#include <memory>
#include <vector>

namespace tributary::control {
namespace {

struct Waiting {
  const ControlWorld* world;
  std::move_only_function<void(const Status&)> then;
  // Per partition, when the question came; nullopt: nothing to wait for.
  std::vector<std::optional<log::Offset>> durable;
  MonoNanos deadline;
};

// One partition after the other; mostly all of them are ready at once.
void WaitFrom(const std::shared_ptr<Waiting>& waiting, log::Partition partition) {
  while (partition < waiting->durable.size() && !waiting->durable[partition]) ++partition;
  if (partition == waiting->durable.size()) return waiting->then({});
  os::Executor& loop = *waiting->world->loop;
  const auto next = [waiting, partition](bool indexed) {
    if (indexed) return WaitFrom(waiting, partition + 1);
    waiting->then(Fail(ErrorCode::kDeadline, "the message-id index is too far behind"));
  };
  const Status taken = waiting->world->events->WhenIndexed(
      partition, *waiting->durable[partition], waiting->deadline,
      [&loop, next](bool indexed) { loop.Post([next, indexed] { next(indexed); }); });
  if (!taken) {
    waiting->then(Fail(ErrorCode::kUnavailable, "too many traces are asked for at once"));
  }
}

}  // namespace

void WaitForDedupe(const ControlWorld& world, Reached what,
                   std::move_only_function<void(const Status&)> then) {
  auto waiting = std::make_shared<Waiting>(&world, std::move(then));
  for (log::Partition p = 0; p < world.log->partitions(); ++p) {
    const log::Offset durable = world.log->committed(p);
    const bool decided = what == Reached::kDecided && world.verdicts->decided(p) >= durable;
    waiting->durable.push_back(decided ? std::nullopt : std::optional(durable));
  }
  waiting->deadline = world.loop->Now() + kTraceWaitMax;
  WaitFrom(waiting, 0);
}

}  // namespace tributary::control
