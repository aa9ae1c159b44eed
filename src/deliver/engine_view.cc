// What the engine shows: destinations as JSON, stats, traces as text.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "codec/base64.h"
#include "codec/standard_webhooks.h"
#include "config/json_text.h"
#include "deliver/engine_impl.h"
#include "deliver/engine_replay.h"
#include "deliver/json_fields.h"

namespace tributary::deliver {

using nlohmann::json;

namespace {

constexpr std::size_t kDestinationsPageMax = 1'000;

std::unexpected<Error> NotFound(std::string_view name) {
  return Fail(ErrorCode::kNotFound, "name",
              "there is no destination named \"" + std::string(name) + "\"");
}

// The last name of a page. Written so that nobody takes it for one, or makes one up.
constexpr std::string_view kCursorMark = "after:";

std::string CursorOf(std::string_view name) {
  return codec::Base64UrlEncode(std::string(kCursorMark) + std::string(name));
}

// "" of an empty cursor.
Result<std::string> NameOfCursor(std::string_view cursor) {
  if (cursor.empty()) return std::string();
  const auto text = codec::Base64Decode(cursor, codec::Base64::kUrl);
  if (!text || !text->starts_with(kCursorMark) || text->size() == kCursorMark.size()) {
    return Fail(ErrorCode::kInvalid, "cursor", "cursor is none that a list answered");
  }
  return text->substr(kCursorMark.size());
}

// Adds an option of one type to those that destinations can have.
void AddTypeOption(const DestinationType& type, const config::OptionSpec& spec,
                   std::vector<config::OptionSpec>& all,
                   std::map<std::string, std::string>& types_of) {
  const auto known = std::ranges::find(all, spec.name, &config::OptionSpec::name);
  if (known == all.end()) {
    all.push_back(spec);
    all.back().required = false;  // by the types that have it only
    types_of[spec.name] = type.name;
    return;
  }
  if (const auto types = types_of.find(spec.name); types != types_of.end()) {
    types->second += " or " + std::string(type.name);
  }
  // The types differ in what it means.
  const bool same = known->type == spec.type && known->choices == spec.choices;
  if (!same) known->type = config::OptionType::kJson;
}

}  // namespace

EngineImpl::EntryPtr EngineImpl::Find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::vector<LaneRef> EngineImpl::LaneRefs() const {
  std::vector<LaneRef> lanes;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : by_name_) {
      lanes.push_back(
          {.id = entry->id, .name = name, .lane = entry->lane, .loop = entry->loop->loop.executor});
    }
  }
  // What a replay gave up is a dead letter of its destination too.
  for (const ReplayTable::LaneRef& replay : replay_table_->lanes()) {
    lanes.push_back({.id = replay.id,
                     .name = replay.name,
                     .lane = replay.lane,
                     .loop = replay.loop->loop.executor,
                     .replay = ReplayId(replay.id)});
  }
  std::ranges::sort(lanes, {}, &LaneRef::id);
  return lanes;
}

std::vector<LaneRef> EngineImpl::AllLaneRefs() const {
  std::vector<LaneRef> lanes = LaneRefs();
  const std::size_t live = lanes.size();
  for (auto& deleted : deleted_lanes_.all()) {
    // For a moment a lane is both.
    const auto end = lanes.begin() + static_cast<std::ptrdiff_t>(live);
    const auto same = std::ranges::lower_bound(lanes.begin(), end, deleted->id(), {}, &LaneRef::id);
    if (same != end && same->id == deleted->id()) continue;
    lanes.push_back({.id = deleted->id(), .name = deleted->name(), .deleted = std::move(deleted)});
  }
  std::ranges::sort(lanes, {}, &LaneRef::id);
  return lanes;
}

std::vector<config::OptionSpec> EngineImpl::options() const {
  std::vector<config::OptionSpec> all = config::OptionList<LaneOptions>::Specs();
  const std::vector<config::OptionSpec>& rule = world_.matchers->specs();
  all.insert(all.end(), rule.begin(), rule.end());
  std::vector<std::string> types;
  std::map<std::string, std::string> types_of;  // by the option that only they have
  for (const DestinationType* type : RegisteredTypes()) {
    types.emplace_back(type->name);
    for (const config::OptionSpec& spec : type->specs()) AddTypeOption(*type, spec, all, types_of);
  }
  for (config::OptionSpec& spec : all) {
    if (spec.name == "type") {
      spec.type = config::OptionType::kEnum;
      spec.choices = types;
    }
    const auto only = types_of.find(spec.name);
    if (only != types_of.end()) spec.help += " Of the type " + only->second + ".";
  }
  return all;
}

Result<EngineImpl::EntryPtr> EngineImpl::FindForChange(std::string_view name) const {
  EntryPtr entry = Find(name);
  if (entry == nullptr) return NotFound(name);
  if (entry->declared && entry->listed) {
    return Fail(
        ErrorCode::kConflict, "name",
        "\"" + std::string(name) + "\" is declared in the configuration file; change it there");
  }
  return entry;
}

std::string EngineImpl::JsonOf(const Entry& entry) const {
  const std::lock_guard lock(mutex_);
  return JsonLocked(entry);
}

std::string EngineImpl::JsonLocked(const Entry& entry) const {
  json object = reader_.Write(entry.spec, true);
  const StoredLane status = entry.lane->status();
  object["id"] = entry.id;
  object["revision"] = entry.revision;
  object["status"] = LaneStatusName(status.status);
  object["status_reason"] = status.reason;
  object["breaker"] = json::parse(entry.lane->breaker().ToJson());
  object["declared"] = entry.declared;
  if (object.contains("signing_secret")) {
    const json open = reader_.Write(entry.spec, false);
    object["signing_public_key"] =
        codec::PublicKeyOfWebhookSecret(open["signing_secret"].get_ref<const std::string&>());
  }
  return config::DumpText(object);
}

Result<std::string> EngineImpl::Get(std::string_view name) const {
  const EntryPtr entry = Find(name);
  if (entry == nullptr) return NotFound(name);
  return JsonOf(*entry);
}

// The cursor is the last name shown: what is made or deleted meanwhile cannot shift a page.
Result<Engine::Page> EngineImpl::List(std::string_view cursor, std::size_t limit) const {
  limit = std::clamp<std::size_t>(limit, 1, kDestinationsPageMax);
  TRY_ASSIGN(const std::string after, NameOfCursor(cursor));
  Page page;
  const std::lock_guard lock(mutex_);
  auto it = after.empty() ? by_name_.begin() : by_name_.upper_bound(after);
  for (; it != by_name_.end() && page.data.size() < limit; ++it) {
    page.data.push_back(JsonLocked(*it->second));
  }
  if (it != by_name_.end()) page.next_cursor = CursorOf(std::prev(it)->first);
  return page;
}

Result<LaneStats> EngineImpl::Stats(std::string_view name) const {
  const EntryPtr entry = Find(name);
  if (entry == nullptr) return NotFound(name);
  return entry->lane->stats();
}

std::string BreakerView::ToJson() const {
  return config::DumpText(
      {{"state", state}, {"since", TimeOrNull(since_us)}, {"error", TextOrNull(error)}});
}

std::string LaneStats::ToJson() const {
  json by_rule = json::object();
  for (std::size_t i = 0; i < dropped_by.size(); ++i) {
    if (dropped_by[i] == 0) continue;
    by_rule[std::string(DropRuleName(static_cast<DropRule>(i + 1)))] = dropped_by[i];
  }
  return config::DumpText({{"delivered", delivered},
                           {"filtered", filtered},
                           {"dead_lettered", dead_lettered},
                           {"dropped", dropped},
                           {"dropped_by", std::move(by_rule)},
                           {"retrying", retrying},
                           {"followers", followers},
                           {"in_flight", in_flight},
                           {"lag", lag},
                           {"p50_ms", p50_ms},
                           {"p95_ms", p95_ms},
                           {"success_rate", success_rate},
                           {"breaker", breaker},
                           {"breaker_since", TimeOrNull(breaker_since_us)},
                           {"breaker_error", TextOrNull(breaker_error)},
                           {"window", window}});
}

std::string PairTraceJson(const PairTrace& pair) {
  json attempts = json::array();
  for (const Attempt& a : pair.attempts) {
    attempts.push_back({{"at", FormatIso8601(a.at_us)},
                        {"status", a.status},
                        {"duration_ms", a.duration_ms},
                        {"error", TextOrNull(a.error)},
                        {"response", a.response},
                        {"revision", a.revision}});
  }
  json object{{"id", pair.delivery_id},
              {"webhook_id", pair.webhook_id},
              {"destination", pair.destination},
              {"state", PairStateName(pair.state)},
              {"rule_revision", pair.rule_revision == 0 ? json(nullptr) : json(pair.rule_revision)},
              {"attempts", std::move(attempts)},
              {"attempts_total", pair.attempts_total},
              {"next_attempt_at", TimeOrNull(pair.next_attempt_at_us)}};
  if (!pair.rule.empty()) object["rule"] = pair.rule;
  if (!pair.reason.empty()) object["reason"] = pair.reason;
  if (pair.deleted_at_us) object["destination_deleted_at"] = FormatIso8601(*pair.deleted_at_us);
  return config::DumpText(object);
}

}  // namespace tributary::deliver
