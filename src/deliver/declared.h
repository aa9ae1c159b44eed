// A part of the engine's door: the destinations of the configuration file, said anew while running.
//
// Apply() makes the declared destinations what the list says: new ones are made, others brought up
// to date; one that the list no longer has is paused and keeps its state until it is deleted; one
// that comes back is resumed, if it was paused for that. What did not change is not touched. All of
// it or nothing: everything is judged before the first change, and no other change comes between.
//
// Errors: kConflict when the API made a destination of that name; what Create() says of a wrong
// object, the field below "destinations[i]"; kExhausted past the most destinations there may be.
//
// Durability: `done` is called with success once every change is durable and in force.
// Threads: any; `done` on the committer thread, where it must only post.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tributary::deliver {

class Declared {
 public:
  virtual ~Declared() = default;
  // Whether names and number of the list allow it; the objects themselves are judged by Apply().
  virtual Status Check(const std::vector<std::string>& declared) const = 0;
  virtual void Apply(std::vector<std::string> declared,
                     std::move_only_function<void(const Status&)> done) = 0;
};

}  // namespace tributary::deliver
