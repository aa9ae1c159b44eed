// What makes a lane a replay's: an end, and a live lane that it answers to.
//
// Such a lane reads from its cursor to `ends` and no further, has outcomes, rows and a rate of its
// own, and never touches the pairs of the live lane. It sends only while the live lane may: a
// destination that is paused, disabled or not enabled gets nothing from its replays either.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deliver/stored.h"

namespace tributary::deliver {

class Lane;

struct ReplayPart {
  DestinationId destination = 0;  // webhook ids are the ones of its live pairs
  std::string id;                 // sent as Tributary-Replay
  std::vector<log::Offset> ends;  // per partition, exclusive
  std::shared_ptr<Lane> live;     // of the same loop; nullptr: it was deleted before the start
  bool cancelled = false;         // what is left is counted as dropped, not sent
  bool orphan = false;            // its destination was deleted: dead letters are dropped too
  // On the loop, when every pair of the range has a durable outcome: `left` says that dead letters
  // are among them. If so, once more when none is left, however they went. Never after that.
  std::function<void(bool left)> finished;
  bool told = false;  // it was called, with dead letters left
};

}  // namespace tributary::deliver
