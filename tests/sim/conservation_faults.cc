#include "sim/conservation_faults.h"

namespace tributary::deliver::conserve {

Fault Faults::Begin(bool reads) {
  if (!chance_.Percent(30)) return now_;
  now_ = static_cast<Fault>(1 + chance_.Pick(reads ? 4 : 3));
  const Error failed(ErrorCode::kIo, "input/output error");
  switch (now_) {
    case Fault::kNone:
      break;
    case Fault::kStoreWrites:
      world_.store.FailWrites(chance_.Percent(50) ? "no space left on device"
                                                  : "input/output error");
      since_ = world_.sim.Monotonic();
      break;
    case Fault::kLogSync:
      world_.log.FailPending(failed);
      world_.log.RefuseAppends(failed);
      break;
    case Fault::kLogFull:
      world_.log.RefuseAppends(Error(ErrorCode::kExhausted, "no space left on device"));
      break;
    case Fault::kLogReads:
      world_.log.FailReads(failed);
      break;
  }
  return now_;
}

bool Faults::NeedsRestart() const {
  return now_ == Fault::kStoreWrites || now_ == Fault::kLogSync;
}

void Faults::End() {
  world_.log.RefuseAppends(std::nullopt);
  world_.log.FailReads(std::nullopt);
  now_ = Fault::kNone;
  since_.reset();
}

}  // namespace tributary::deliver::conserve
