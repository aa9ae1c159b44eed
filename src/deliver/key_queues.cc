#include "deliver/key_queues.h"

#include "base/check.h"

namespace tributary::deliver {

void KeyQueues::Free(Key key) {
  const auto found = held_.find(key);
  CHECK(found != held_.end() && found->second.pairs > 0);
  if (--found->second.pairs > 0) return;
  held_.erase(found);
  if (HasFollowers(key)) ready_.push_back(key);
}

std::uint32_t KeyQueues::held(Key key) const {
  const auto found = held_.find(key);
  return found == held_.end() ? 0 : found->second.pairs;
}

bool KeyQueues::HasFollowers(Key key) const {
  const auto first = followers_.lower_bound({key, Position{}});
  return first != followers_.end() && first->first == key;
}

void KeyQueues::Follow(Key key, Position at) {
  // Its head went before a restart, or is still to come.
  if (!Taken(key)) ready_.push_back(key);
  followers_.insert({key, at});
}

std::optional<std::pair<KeyQueues::Key, Position>> KeyQueues::TakeReady(bool any) {
  if (any && !followers_.empty()) return followers_.extract(followers_.begin()).value();
  while (!ready_.empty()) {
    const Key key = ready_.front();
    const auto first = followers_.lower_bound({key, Position{}});
    if (held(key) > 0 || first == followers_.end() || first->first != key) {
      ready_.pop_front();
      continue;
    }
    const auto taken = *first;
    followers_.erase(first);
    return taken;
  }
  return std::nullopt;
}

std::optional<Position> KeyQueues::TakeNext(Key key) {
  const auto first = followers_.lower_bound({key, Position{}});
  if (first == followers_.end() || first->first != key) return std::nullopt;
  return followers_.extract(first).value().second;
}

std::optional<Position> KeyQueues::TakeOverdue(Key key) {
  const auto found = held_.find(key);
  if (found == held_.end()) return std::nullopt;
  return std::exchange(found->second.overdue, std::nullopt);
}

}  // namespace tributary::deliver
