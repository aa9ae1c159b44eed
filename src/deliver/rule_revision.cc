#include "deliver/rule_revision.h"

#include <nlohmann/json.hpp>

#include "store/keys.h"

namespace tributary::deliver {

namespace keys = store::keys;

Result<std::vector<RuleRevisions::Rule>> RuleRevisions::Read(LaneId lane) const {
  std::vector<Rule> rules;
  bool broken = false;
  TRY(store_.ScanPrefix(store::Family::kOwned, keys::RevisionsOf(lane),
                        [&](std::string_view key, std::string_view value) {
                          const auto number = keys::ParseRevision(key);
                          // Behind the version byte.
                          const auto stored = nlohmann::json::parse(
                              value.empty() ? value : value.substr(1), nullptr, false);
                          broken = !number || !stored.is_object() || !stored.contains("from");
                          if (broken) return store::Visit::kStop;
                          rules.push_back({.revision = number->revision,
                                           .from = stored["from"].get<std::vector<log::Offset>>()});
                          return store::Visit::kContinue;
                        }));
  if (broken) return Fail(ErrorCode::kCorrupt, "a stored revision is broken");
  return rules;
}

Result<std::uint32_t> RuleRevisions::At(LaneId lane, Position at) {
  auto found = known_.find(lane);
  if (found == known_.end()) {
    TRY_ASSIGN(auto rules, Read(lane));
    found = known_.emplace(lane, std::move(rules)).first;
  }
  std::uint32_t revision = 0;
  for (const Rule& rule : found->second) {
    if (at.partition < rule.from.size() && rule.from[at.partition] <= at.offset) {
      revision = rule.revision;
    }
  }
  return revision;
}

}  // namespace tributary::deliver
