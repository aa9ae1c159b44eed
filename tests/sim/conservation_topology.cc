#include "sim/conservation_topology.h"

namespace tributary::deliver::conserve {
namespace {

using nlohmann::json;

std::string Ms(std::uint64_t ms) {
  return std::to_string(ms) + "ms";
}

json RandomRetry(Chance& chance) {
  json schedule = json::array({chance.Percent(10) ? "20ms" : "0s"});
  for (std::uint64_t n = chance.Pick(5); n > 0; --n) schedule.push_back(Ms(10 + chance.Pick(400)));
  json retry{{"schedule", schedule}};
  if (chance.Percent(10)) retry["total"] = "2s";
  return retry;
}

json RandomBatch(Chance& chance) {
  if (!chance.Percent(40)) return {{"size", 1}};
  return {{"size", 2 + chance.Pick(5)},
          {"wait", chance.Percent(50) ? "0s" : "20ms"},
          {"split", chance.Percent(80)},
          {"bytes", chance.Percent(80) ? 1 << 20 : 120}};
}

json RandomMapping(Chance& chance) {
  const std::string tag = std::to_string(chance.Pick(9));
  if (chance.Percent(60)) return nullptr;
  return (chance.Percent(60) ? "map " : "strict ") + tag;
}

}  // namespace

bool Rule::WantsNatively(const Event& event) const {
  return enabled && (names.empty() || names.contains(event.name)) &&
         (pattern.empty() || event.Has(pattern));
}

std::optional<bool> Rule::Wants(const Event& event) const {
  if (!WantsNatively(event)) return false;
  return Judge(filter, event);
}

json Rule::Fields() const {
  return {{"names", names}, {"pattern", pattern}, {"filter", filter}, {"enabled", enabled}};
}

const Rule& Made::At(Position at) const {
  const Rule* found = &rules.front();
  for (const Rule& rule : rules) {
    if (rule.from[at.partition] <= at.offset) found = &rule;
  }
  return *found;
}

bool MadeReplay::WantsNatively(const Event& event) const {
  return rule.WantsNatively(event) && (own_pattern.empty() || event.Has(own_pattern));
}

std::optional<bool> MadeReplay::Wants(const Event& event) const {
  if (!WantsNatively(event)) return false;
  const auto first = Judge(rule.filter, event);
  return first == true ? Judge(own_filter, event) : first;
}

Rule RandomRule(Chance& chance) {
  Rule rule;
  for (const char* name : {"A", "B", "C"}) {
    if (chance.Percent(45)) rule.names.insert(name);
  }
  if (chance.Percent(25)) rule.pattern = kNative;
  if (chance.Percent(25)) rule.filter = "has " + std::string(kWanted);
  return rule;
}

json RandomDestination(Chance& chance, const std::string& name, Made& made) {
  made.name = name;
  made.sink = chance.Percent(15);
  json fields{{"name", name},
              {"type", made.sink ? "sink" : "sim"},
              {"concurrency", 1 + chance.Pick(8)},
              {"retry", RandomRetry(chance)}};
  const Rule rule = RandomRule(chance);
  fields.update(rule.Fields());
  made.rules.push_back(rule);
  if (const json mapping = RandomMapping(chance); !mapping.is_null()) fields["mapping"] = mapping;
  if (made.sink) return fields;
  made.ordered = chance.Percent(45);
  fields["order"] = made.ordered ? "key" : "none";
  if (made.ordered && chance.Percent(50)) fields["order_wait"] = chance.Percent(50) ? "1s" : "20s";
  fields["batch"] = RandomBatch(chance);
  if (chance.Percent(20)) fields["rate_limit"] = 50 + chance.Pick(200);
  made.order_kept = made.ordered;
  return fields;
}

json RandomChange(Chance& chance, Made& made) {
  json patch{{"concurrency", 1 + chance.Pick(8)}};
  if (chance.Percent(40)) patch["mapping"] = RandomMapping(chance);
  if (chance.Percent(30)) patch["retry"] = RandomRetry(chance);
  if (made.sink) return patch;
  if (chance.Percent(30)) patch["batch"] = RandomBatch(chance);
  if (chance.Percent(20)) patch["rate_limit"] = chance.Percent(50) ? 0 : 50 + chance.Pick(200);
  if (chance.Percent(10)) {
    made.ordered = !made.ordered;
    made.order_kept = false;
    patch["order"] = made.ordered ? "key" : "none";
  }
  return patch;
}

}  // namespace tributary::deliver::conserve
