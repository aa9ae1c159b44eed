// `order: key`: which keys are on their way, and who waits behind each.
//
// A key is held from the moment one of its records is taken until that pair has ended, retries
// included. What comes later in the log follows, in the order of the log; when nobody holds the key
// any more its first follower may go. Keys are hashes: two that meet only wait for each other.
//
// Not thread-safe. Memory: about 100 bytes per key in use or follower.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/time.h"
#include "deliver/stored.h"

namespace tributary::deliver {

class KeyQueues {
 public:
  using Key = std::uint64_t;  // never 0

  // A pair of the key is on its way: one more, one less.
  void Hold(Key key) { ++held_[key].pairs; }
  void Free(Key key);
  std::uint32_t held(Key key) const;
  bool HasFollowers(Key key) const;
  // What comes now must follow: the key is held, or others wait for it.
  bool Taken(Key key) const { return held(key) > 0 || HasFollowers(key); }

  void Follow(Key key, Position at);
  // Takes the first follower of a key that nobody holds (the one that became free first), or with
  // `any` the first of all. The caller holds the key if it shall stay in order.
  std::optional<std::pair<Key, Position>> TakeReady(bool any);

  // The first follower of this key, whoever holds it.
  std::optional<Position> TakeNext(Key key);

  // The head of this key has failed for too long for somebody to wait behind it; nobody did yet.
  void SetOverdue(Key key, Position head) { held_[key].overdue = head; }
  std::optional<Position> TakeOverdue(Key key);

  std::size_t followers() const { return followers_.size(); }

 private:
  struct Held {
    std::uint32_t pairs = 0;
    std::optional<Position> overdue;
  };
  std::unordered_map<Key, Held> held_;
  std::set<std::pair<Key, Position>> followers_;
  std::deque<Key> ready_;  // keys that became free while others waited; looked at again when taken
};

}  // namespace tributary::deliver
