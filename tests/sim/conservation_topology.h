// Random destinations, changes of them, and replays, as the JSON that is asked for; and what the
// oracle remembers of each.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "deliver/destination.h"
#include "sim/conservation_events.h"

namespace tributary::deliver::conserve {

// The rule fields that were asked for, and from which offsets they count.
struct Rule {
  std::vector<log::Offset> from;
  std::set<std::string> names;
  std::string pattern;
  std::string filter;
  bool enabled = true;

  // By name and pattern: what retention counts as lost where there is no time to ask a program.
  bool WantsNatively(const Event& event) const;
  // nullopt: its condition fails on this event, which is a dead letter.
  std::optional<bool> Wants(const Event& event) const;
  nlohmann::json Fields() const;
};

// One destination that was made; a name that is made again is another one.
struct Made {
  std::string name;
  LaneId lane = 0;
  bool sink = false;
  bool ordered = false;
  bool order_kept = true;  // it was `order: key` all the time
  bool alive = true;
  std::vector<log::Offset> start;
  std::vector<Rule> rules;
  std::set<Position> redriven;  // once asked for
  std::set<Position> deleted;   // dead letters that somebody asked to delete

  const Rule& At(Position at) const;
};

struct MadeReplay {
  std::string id;
  std::size_t destination = 0;  // index of its Made
  std::vector<log::Offset> from, to;
  Rule rule;
  std::string own_pattern, own_filter;
  bool ordered = false;
  bool deleted = false;

  bool WantsNatively(const Event& event) const;
  std::optional<bool> Wants(const Event& event) const;
};

Rule RandomRule(Chance& chance);
// A whole destination, and `made` filled in with what the oracle needs of it.
nlohmann::json RandomDestination(Chance& chance, const std::string& name, Made& made);
// A merge patch of anything but the rule fields: mapping, batches, order, retries, rate, window.
nlohmann::json RandomChange(Chance& chance, Made& made);

}  // namespace tributary::deliver::conserve
