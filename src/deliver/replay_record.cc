#include "deliver/replay_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/time.h"
#include "config/json_text.h"
#include "config/option_list.h"
#include "deliver/json_fields.h"

namespace tributary::deliver {

using nlohmann::json;

namespace {

constexpr char kReplayVersion = 1;
constexpr std::string_view kReplayIdPrefix = "rpl_";
constexpr std::int64_t kRateMax = 1'000'000;  // per second
constexpr std::array<std::string_view, 4> kReplayStates{"running", "done", "cancelled", "failed"};

json CountsJson(const Counts& counts) {
  return {{"delivered", counts.delivered},
          {"filtered", counts.filtered},
          {"dead_lettered", counts.dead_lettered},
          {"dropped", counts.dropped}};
}

}  // namespace

void ReplayRequest::Describe(config::OptionList<ReplayRequest>& o) {
  o.Required("destination", &ReplayRequest::destination, "Where to.");
  o.Required("from", &ReplayRequest::from, "First moment: a time, earliest, or how long ago.");
  o.Optional("to", &ReplayRequest::to, "The moment after the last; now at the latest.");
  o.Optional("rate", &ReplayRequest::rate, "Attempts per second at most; 0: the destination's.",
             {.min = 0, .max = kRateMax});
}

Result<ReplayRequest> ReadReplayRequest(std::string_view json_text,
                                        const std::vector<config::OptionSpec>& conditions) {
  TRY_ASSIGN(json object,
             config::ParseJson(json_text, config::kOptionsBytesMax, config::kOptionsDepthMax));
  if (!object.is_object()) return Fail(ErrorCode::kInvalid, "a replay is a JSON object");
  json own = json::object();
  for (const config::OptionSpec& spec : conditions) {
    const auto found = object.find(spec.name);
    if (found == object.end()) continue;
    if (!found->is_null()) own[spec.name] = *found;
    object.erase(found);
  }
  ReplayRequest request;
  TRY(config::ReadObject(config::OptionList<ReplayRequest>::Specs(), object, &request));
  request.own = own.dump();
  return request;
}

std::optional<UnixMicros> ParseReplayTime(std::string_view text, UnixMicros now_us) {
  if (text == "now") return now_us;
  if (text == "earliest") return 0;
  if (const auto at = ParseIso8601(text)) return at;
  if (const auto ago = ParseDuration(text)) return now_us - *ago / 1000;
  return std::nullopt;
}

std::string_view ReplayStateName(ReplayState state) {
  return kReplayStates.at(static_cast<std::size_t>(state));
}

std::uint64_t ReplayRecord::total() const {
  std::uint64_t sum = 0;
  for (std::size_t p = 0; p < starts.size(); ++p) sum += ends[p] - starts[p];
  return sum;
}

std::string EncodeReplay(const ReplayRecord& r) {
  json object{{"destination", r.destination},
              {"name", r.name},
              {"from_us", r.from_us},
              {"to_us", r.to_us},
              {"starts", r.starts},
              {"ends", r.ends},
              {"own", r.own},
              {"rule", r.rule},
              {"own_rule", r.own_rule},
              {"rate", r.rate},
              {"created_at_us", r.created_at_us},
              {"state", ReplayStateName(r.state)},
              {"reason", r.reason},
              {"finished_at_us", nullptr},
              {"counts", CountsJson(r.counts)},
              {"left", r.left}};
  if (r.finished_at_us) object["finished_at_us"] = *r.finished_at_us;
  return kReplayVersion + config::DumpText(object);
}

Result<ReplayRecord> DecodeReplay(std::string_view bytes) {
  const auto broken = Fail(ErrorCode::kCorrupt, "a stored replay is broken");
  if (bytes.empty() || bytes.front() != kReplayVersion) return broken;
  try {
    const json object = json::parse(bytes.substr(1));
    const json& counts = object.at("counts");
    ReplayRecord r{.destination = object.at("destination"),
                   .name = object.at("name"),
                   .from_us = object.at("from_us"),
                   .to_us = object.at("to_us"),
                   .starts = object.at("starts").get<std::vector<log::Offset>>(),
                   .ends = object.at("ends").get<std::vector<log::Offset>>(),
                   .own = object.at("own"),
                   .rule = object.at("rule"),
                   .own_rule = object.at("own_rule"),
                   .rate = object.at("rate"),
                   .created_at_us = object.at("created_at_us"),
                   .reason = object.at("reason"),
                   .counts = {.delivered = counts.at("delivered"),
                              .filtered = counts.at("filtered"),
                              .dead_lettered = counts.at("dead_lettered"),
                              .dropped = counts.at("dropped")},
                   .left = object.at("left")};
    const auto state = std::ranges::find(kReplayStates, object.at("state").get<std::string>());
    if (state == kReplayStates.end() || r.starts.size() != r.ends.size()) return broken;
    r.state = static_cast<ReplayState>(state - kReplayStates.begin());
    if (!object.at("finished_at_us").is_null()) r.finished_at_us = object["finished_at_us"];
    return r;
  } catch (const json::exception&) {
    return broken;
  }
}

std::string ReplayId(LaneId lane) {
  return std::string(kReplayIdPrefix) + std::to_string(lane);
}

std::optional<LaneId> ParseReplayId(std::string_view id) {
  if (!id.starts_with(kReplayIdPrefix)) return std::nullopt;
  LaneId lane = 0;
  const char* end = id.data() + id.size();
  const auto [stopped, error] = std::from_chars(id.data() + kReplayIdPrefix.size(), end, lane);
  // Only as it is written: "rpl_007" is nobody.
  if (error != std::errc{} || stopped != end || ReplayId(lane) != id) return std::nullopt;
  return lane;
}

std::string ReplayJson(LaneId lane, const ReplayRecord& r, const ReplayProgress& progress) {
  json object = json::parse(r.own);
  for (const char* condition : {"filter", "pattern"}) {
    if (!object.contains(condition)) object[condition] = nullptr;
  }
  object.update(CountsJson(progress.counts));
  object.update({{"id", ReplayId(lane)},
                 {"destination", r.name},
                 {"from", FormatIso8601(r.from_us)},
                 {"to", FormatIso8601(r.to_us)},
                 {"state", progress.paused ? "paused" : ReplayStateName(r.state)},
                 {"reason", r.reason},
                 {"rate", r.rate},
                 {"total", r.total()},
                 {"scanned", r.total() - std::min(progress.lag, r.total())},
                 {"retrying", progress.retrying},
                 {"in_flight", progress.in_flight},
                 {"lag", progress.lag},
                 {"created_at", FormatIso8601(r.created_at_us)},
                 {"finished_at", TimeOrNull(r.finished_at_us)}});
  return config::DumpText(object);
}

}  // namespace tributary::deliver
