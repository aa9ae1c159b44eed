// What the oracle says of the requests themselves: their order by key, their ids, and whether one
// came twice without need.
#include <algorithm>

#include "sim/conservation_oracle.h"

namespace tributary::deliver::conserve {

void Oracle::CheckOrder(const Lane& lane, const Facts& facts) {
  CheckOrderWithinRuns(lane);
  CheckOrderAcrossRuns(lane, facts);
}

// While a program runs, the requests of a key only go forward, one at a time. A redriven dead
// letter may come late.
void Oracle::CheckOrderWithinRuns(const Lane& lane) {
  struct Last {
    Position at;
    const Seen* seen = nullptr;
    std::uint64_t request = 0;
  };
  std::map<std::string, Last> last;
  auto cut = history_.cuts.begin();
  const auto& requests = receivers_.requests();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    for (; cut != history_.cuts.end() && cut->requests <= i; ++cut) last.clear();
    if (!Concerns(requests[i], lane)) continue;
    const Seen& seen = receivers_.SeenOf(requests[i]);
    for (const std::uint64_t serial : requests[i].serials) {
      const Position at = history_.by_serial.at(serial);
      if (lane.made->redriven.contains(at)) continue;
      Last& before = last[history_.EventAt(at).key];
      const bool other = before.seen != nullptr && before.request != i;
      if (other && (!before.seen->answered || before.seen->answered_at > seen.when)) {
        Say(Name(lane, at) + " was sent while another one of its key was on its way");
      }
      if (before.seen != nullptr && at.offset < before.at.offset) {
        Say(Name(lane, at) + " was sent after " + std::to_string(before.at.offset) +
            ", which has its key");
      }
      before = {.at = at, .seen = &seen, .request = i};
    }
  }
}

// Nothing is sent before what is delivered of its key and came before it, whatever the power did.
void Oracle::CheckOrderAcrossRuns(const Lane& lane, const Facts& facts) {
  std::map<std::string, MonoNanos> taken;  // when the last of a key was first taken
  for (const auto& [at, pair] : facts) {
    if (lane.made->redriven.contains(at)) continue;
    MonoNanos& newest = taken[history_.EventAt(at).key];
    if (pair.first_attempt < newest) {
      Say(Name(lane, at) + " was sent before an earlier one of its key had arrived");
    }
    if (pair.taken) newest = std::max(newest, pair.first_taken);
  }
}

// Something taken comes again only when the power went before its outcome was durable.
void Oracle::CheckRepeats() {
  std::map<std::tuple<std::size_t, std::string, std::uint64_t>, const Seen*> last;
  for (const Request& request : receivers_.requests()) {
    const Seen& seen = receivers_.SeenOf(request);
    for (const std::uint64_t serial : request.serials) {
      if (!request.Took(serial)) continue;
      const Seen*& before = last[{request.destination, request.replay, serial}];
      if (before != nullptr && history_.WasDurable(*before, seen.when)) {
        Say("event " + std::to_string(serial) + " came again to " +
            history_.made[request.destination].name + " without need");
      }
      before = &seen;
    }
  }
}

// An event has one id at a destination, live or replayed; a batch's id stands for its members.
void Oracle::CheckIds() {
  std::map<std::pair<std::size_t, std::uint64_t>, std::string> of_event;
  std::map<std::string, const Request*> of_batch;
  for (const Request& request : receivers_.requests()) {
    if (request.batch) {
      const Request*& before = of_batch[request.webhook_id];
      if (before != nullptr && before->serials != request.serials) {
        Say("batch " + request.webhook_id + " changed its members");
      }
      before = &request;
      continue;
    }
    std::string& before = of_event[{request.destination, request.serials.front()}];
    if (!before.empty() && before != request.webhook_id) {
      Say("event " + std::to_string(request.serials.front()) + " changed its webhook-id");
    }
    before = request.webhook_id;
  }
}

}  // namespace tributary::deliver::conserve
