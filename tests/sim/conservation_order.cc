// What the oracle says of the requests themselves: their order by key, their ids, and whether one
// came twice without need.
#include <algorithm>

#include "sim/conservation_oracle.h"

namespace tributary::deliver::conserve {
namespace {

bool WasIn(const Request& request, std::uint64_t serial) {
  return std::ranges::find(request.serials, serial) != request.serials.end();
}

}  // namespace

void Oracle::CheckOrder(const Lane& lane, const Facts& facts) {
  CheckOrderWithinRuns(lane);
  CheckOrderAcrossRuns(lane, facts);
}

// While a program runs, the requests of a key only go forward, one at a time. What failed together
// in one batch may come again one by one: nothing of it has passed the others. A redriven dead
// letter may come late.
void Oracle::CheckOrderWithinRuns(const Lane& lane) {
  std::map<std::string, KeyRun> runs;
  auto cut = history_.cuts.begin();
  const auto& requests = receivers_.requests();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    for (; cut != history_.cuts.end() && cut->requests <= i; ++cut) runs.clear();
    if (!Concerns(requests[i], lane)) continue;
    std::map<std::string, std::vector<std::uint64_t>> by_key;
    for (const std::uint64_t serial : requests[i].serials) {
      const Position at = history_.by_serial.at(serial);
      if (!lane.made->redriven.contains(at)) by_key[history_.EventAt(at).key].push_back(serial);
    }
    for (const auto& [key, serials] : by_key) CheckOrderOf(lane, requests[i], serials, runs[key]);
  }
}

// `serials` are those of one key in this request, as they stand in it.
void Oracle::CheckOrderOf(const Lane& lane, const Request& request,
                          const std::vector<std::uint64_t>& serials, KeyRun& run) {
  const Seen& seen = receivers_.SeenOf(request);
  const Seen* before = std::exchange(run.last, &seen);
  if (before != nullptr && (!before->answered || before->answered_at > seen.when)) {
    Say(Name(lane, history_.by_serial.at(serials.front())) +
        " was sent while another one of its key was on its way");
  }
  std::set<log::Offset> here;
  log::Offset taken_below = 0;
  for (const std::uint64_t serial : serials) {
    const Position at = history_.by_serial.at(serial);
    if ((at.offset < run.end && !run.again.contains(at.offset)) ||
        (!here.empty() && at.offset < *here.rbegin())) {
      Say(Name(lane, at) + " was sent after a later one of its key");
    }
    here.insert(at.offset);
    if (request.Took(serial)) taken_below = std::max(taken_below, at.offset);
  }
  // What comes again now was passed by nothing that was sent without it, or was taken.
  const log::Offset newest = *here.rbegin();
  run.again.insert(here.begin(), here.end());
  std::erase_if(run.again, [&](log::Offset offset) {
    return offset < taken_below || (offset < newest && !here.contains(offset));
  });
  run.end = std::max(run.end, newest + 1);
}

// Nothing is sent before what came before it of its key has been taken or given up, whatever the
// power did. A giving up that was not durable when the power went never was: what went after it
// comes again, in its place.
void Oracle::CheckOrderAcrossRuns(const Lane& lane, const Facts& facts) {
  std::map<std::string, std::vector<std::pair<Position, const PairFacts*>>> taken;  // of each key
  for (const auto& [at, pair] : facts) {
    if (lane.made->redriven.contains(at)) continue;
    auto& earlier = taken[history_.EventAt(at).key];
    for (const auto& [before, of_before] : earlier) CheckPassed(lane, before, *of_before, at, pair);
    if (pair.taken) earlier.emplace_back(at, &pair);
  }
}

void Oracle::CheckPassed(const Lane& lane, Position first, const PairFacts& of_first, Position at,
                         const PairFacts& pair) {
  const std::uint64_t first_serial = history_.EventAt(first).serial;
  const MonoNanos newest = receivers_.SeenOf(*pair.sent.back()).when;
  bool passed = pair.taken && newest < of_first.first_taken;
  for (const Request* request : pair.sent) {
    const MonoNanos when = receivers_.SeenOf(*request).when;
    if (when >= of_first.first_taken || WasIn(*request, first_serial)) {
      continue;
    }
    passed = passed || !history_.MayBeLost(when, of_first.first_taken);
  }
  if (!passed) return;
  Say(Name(lane, at) + " was sent before " + std::to_string(first.offset) +
      ", an earlier one of its key, had arrived");
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
