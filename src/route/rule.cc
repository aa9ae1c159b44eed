#include "route/rule.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "route/integrations.h"

namespace tributary::route {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<std::string_view, log::EventType>, 6> kTypes{{
    {"track", log::EventType::kTrack},
    {"identify", log::EventType::kIdentify},
    {"page", log::EventType::kPage},
    {"screen", log::EventType::kScreen},
    {"group", log::EventType::kGroup},
    {"alias", log::EventType::kAlias},
}};

// Numbers past 31 are kinds and types of a later version: nobody asked for them.
std::uint32_t Bit(auto value) {
  const auto n = static_cast<unsigned>(value);
  return n < 32 ? 1U << n : 0;
}

std::string At(std::string_view list, std::size_t i) {
  return std::string(list) + "[" + std::to_string(i) + "]";
}

std::vector<std::string> TypeNames(std::uint32_t types) {
  std::vector<std::string> out;
  if (types == ~0U) return out;
  for (const auto& [name, type] : kTypes) {
    if ((types & Bit(type)) != 0) out.emplace_back(name);
  }
  return out;
}

}  // namespace

void RuleOptions::Describe(config::OptionList<RuleOptions>& o) {
  const config::Bounds entries{.min = 0, .max = kRuleEntriesMax};
  o.Enum("kind", &RuleOptions::kind, {{"event", RuleKind::kEvent}, {"system", RuleKind::kSystem}},
         "event: what was collected. system: what the program tells of itself, such as an opened "
         "breaker; names are then its types.");
  o.Optional("events", &RuleOptions::events,
             "Types it wants: track, identify, page, screen, group, alias. Empty: all.", entries);
  o.Optional("names", &RuleOptions::names,
             "Names of events, pages and screens it wants; * stands for anything. Empty: all.",
             entries);
  o.Optional("sources", &RuleOptions::sources, "Names of the sources it wants. Empty: all.",
             entries);
  o.Optional("include_historical", &RuleOptions::include_historical,
             "Also imported (historical) events.");
  o.Optional(
      "pattern", &RuleOptions::pattern,
      "A pattern on the event's JSON, as Amazon EventBridge writes them: evaluated natively.",
      {.min = 0, .max = kPatternBytesMax});
  o.Optional("filter", &RuleOptions::filter,
             "A jq condition on the event: it is wanted when the first output is neither false nor "
             "null.",
             {.min = 0, .max = kFilterBytesMax});
}

Status Rule::SetEvents(const std::vector<std::string>& events) {
  if (events.empty()) return {};
  types_ = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto* found = std::ranges::find(kTypes, events[i], &decltype(kTypes)::value_type::first);
    if (found == kTypes.end()) {
      return Fail(ErrorCode::kInvalid, At("events", i),
                  At("events", i) + " must be one of track, identify, page, screen, group, alias");
    }
    types_ |= Bit(found->second);
  }
  return {};
}

Status Rule::SetNames(std::vector<std::string> names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || names[i].size() > kRuleEntryBytesMax) {
      return Fail(
          ErrorCode::kInvalid, At("names", i),
          At("names", i) + " must have 1 to " + std::to_string(kRuleEntryBytesMax) + " bytes");
    }
    NamePattern pattern(names[i]);
    if (pattern.exact()) {
      exact_names_.insert(names[i]);
    } else {
      patterns_.push_back(std::move(pattern));
    }
  }
  names_ = std::move(names);
  return {};
}

Status Rule::SetPattern(const std::string& text) {
  if (text.empty() || text == "null") return {};
  const json pattern = json::parse(text, nullptr, false);
  TRY_ASSIGN(Pattern read, Pattern::Read(pattern));
  pattern_ = std::move(read);
  pattern_text_ = text;
  return {};
}

Result<Rule> Rule::Compile(const RuleOptions& options, const RuleOwner& owner,
                           const FindSourceId& find_source) {
  Rule rule;
  if (options.kind == RuleKind::kSystem) {
    if (!options.events.empty()) {
      return Fail(ErrorCode::kInvalid, "events",
                  "events must be empty with kind system: use names");
    }
    rule.kind_ = log::Kind::kSystem;
  }
  rule.owner_ = owner;
  rule.filter_ = options.filter;
  TRY(rule.SetPattern(options.pattern.text));
  TRY(rule.SetEvents(options.events));
  TRY(rule.SetNames(options.names));
  for (std::size_t i = 0; i < options.sources.size(); ++i) {
    const auto id = find_source(options.sources[i]);
    if (!id) {
      return Fail(ErrorCode::kInvalid, At("sources", i),
                  At("sources", i) + ": there is no source named \"" + options.sources[i] + "\"");
    }
    rule.sources_.push_back(*id);
  }
  std::ranges::sort(rule.sources_);
  rule.include_historical_ = options.include_historical;
  return rule;
}

std::string Rule::Store() const {
  json object{{"events", TypeNames(types_)},
              {"names", names_},
              {"source_ids", sources_},
              {"include_historical", include_historical_},
              {"kind", kind_ == log::Kind::kSystem ? "system" : "event"},
              {"owner", {{"name", owner_.name}, {"type", owner_.type}}}};
  if (pattern_) object["pattern"] = json::parse(pattern_text_);
  if (!filter_.empty()) object["filter"] = filter_;
  return object.dump();
}

Result<Rule> Rule::Load(std::string_view stored) {
  try {
    const json object = json::parse(stored);
    Rule rule;
    if (object.value("kind", "event") == "system") rule.kind_ = log::Kind::kSystem;
    TRY(rule.SetEvents(object.at("events").get<std::vector<std::string>>()));
    TRY(rule.SetNames(object.at("names").get<std::vector<std::string>>()));
    rule.sources_ = object.at("source_ids").get<std::vector<log::SourceId>>();
    rule.include_historical_ = object.at("include_historical").get<bool>();
    if (const auto owner = object.find("owner"); owner != object.end()) {
      rule.owner_ = {.name = owner->at("name"), .type = owner->at("type")};
    }
    if (object.contains("pattern")) TRY(rule.SetPattern(object["pattern"].dump()));
    rule.filter_ = object.value("filter", "");
    return rule;
  } catch (const json::exception& e) {
    return Fail(ErrorCode::kCorrupt, std::string("a stored rule is broken: ") + e.what());
  }
}

bool Rule::NameMatches(std::string_view name) const {
  if (names_.empty()) return true;
  if (exact_names_.contains(name)) return true;
  return std::ranges::any_of(patterns_, [&](const NamePattern& p) { return p.Matches(name); });
}

bool Rule::SourceMatches(log::SourceId source) const {
  return sources_.empty() || std::ranges::binary_search(sources_, source);
}

bool Rule::Matches(const log::RecordFields& fields) const {
  if (fields.kind != kind_) return false;
  if ((types_ & Bit(fields.type)) == 0) return false;
  if ((fields.flags & log::kFlagHistorical) != 0 && !include_historical_) return false;
  return SourceMatches(fields.source) && NameMatches(fields.name);
}

bool Rule::MatchesInside(const log::RecordFields& fields, std::string_view payload) const {
  const bool may_exclude = (fields.flags & log::kFlagForAll) == 0;
  const bool asks = may_exclude && !owner_.name.empty() && MentionsIntegrations(payload);
  if (!asks && !pattern_) return true;
  // A scratch pad per thread: making one costs more than reading an event.
  thread_local event::JsonDocument document;
  const auto event = document.Parse(payload);
  if (!event) return !pattern_;  // what came in by another door may be no JSON
  if (asks && ExcludedByIntegrations(*event, owner_.name, owner_.type)) return false;
  return !pattern_ || pattern_->Matches(*event);
}

std::string_view Rule::WhyNot(const log::RecordFields& fields, std::string_view payload) const {
  if (fields.kind != kind_) return "kind";
  if ((types_ & Bit(fields.type)) == 0) return "events";
  if ((fields.flags & log::kFlagHistorical) != 0 && !include_historical_) {
    return "include_historical";
  }
  if (!SourceMatches(fields.source)) return "sources";
  if (!NameMatches(fields.name)) return "names";
  event::JsonDocument document;
  const auto event = document.Parse(payload);
  if (event && !owner_.name.empty() && ExcludedByIntegrations(*event, owner_.name, owner_.type)) {
    return "integrations";
  }
  if (pattern_ && !(event && pattern_->Matches(*event))) return "pattern";
  return "";
}

}  // namespace tributary::route
