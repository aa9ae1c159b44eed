#include "deliver/outcome.h"

namespace tributary::deliver {

std::string_view PairStateName(PairState state) {
  switch (state) {
    case PairState::kPending:
      return "pending";
    case PairState::kDelivered:
      return "delivered";
    case PairState::kRetrying:
      return "retrying";
    case PairState::kDeadLettered:
      return "dead_lettered";
    case PairState::kFiltered:
      return "filtered";
    case PairState::kDropped:
      return "dropped";
  }
  return "pending";
}

}  // namespace tributary::deliver
