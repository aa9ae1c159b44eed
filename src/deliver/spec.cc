#include "deliver/spec.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/time.h"
#include "config/json_text.h"
#include "deliver/engine.h"
#include "deliver/order_key.h"

namespace tributary::deliver {
namespace {

using config::OptionSpec;
using nlohmann::json;

constexpr MonoNanos kDay = 86'400 * kNanosPerSecond;
constexpr MonoNanos kScheduleEntryMax = 366 * kDay;
constexpr std::int64_t kRateLimitMax = 1'000'000;  // per second
constexpr std::int64_t kStatusesMax = 300;
constexpr std::array kShownOnly{
    "id", "revision", "status", "status_reason", "breaker", "declared", "signing_public_key"};
constexpr const char* kOldSecrets = "old_signing_secrets";

const OptionSpec* Find(const std::vector<OptionSpec>& specs, std::string_view name) {
  const auto found = std::ranges::find(specs, name, &OptionSpec::name);
  return found == specs.end() ? nullptr : &*found;
}

Result<json> ParseObject(std::string_view text) {
  TRY_ASSIGN(json object,
             config::ParseJson(text, config::kOptionsBytesMax, config::kOptionsDepthMax));
  if (!object.is_object()) return Fail(ErrorCode::kInvalid, "a destination is a JSON object");
  // A pattern with another number than was written would match other events.
  TRY(config::CheckNumbersAreKept(text));
  return object;
}

// A whole replacement spelled as a merge patch: null stands for "back to the default", so that
// "***" can still mean the old secret. `old` is the same thing as it was written before.
json AsPatch(const std::vector<OptionSpec>& specs, const json& old, const json& wanted) {
  json patch = wanted;
  for (const OptionSpec& spec : specs) {
    if (!wanted.contains(spec.name)) {
      patch[spec.name] = nullptr;
      continue;
    }
    const json& value = wanted[spec.name];
    if (!value.is_object() || !old.contains(spec.name)) continue;
    if (!spec.children.empty()) {
      patch[spec.name] = AsPatch(spec.children, old[spec.name], value);
    } else if (old[spec.name].is_object()) {
      for (const auto& [key, unused] : old[spec.name].items()) {
        if (!value.contains(key)) patch[spec.name][key] = nullptr;
      }
    }
  }
  return patch;
}

bool HasControlBytes(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

Status CheckName(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return WrongField("name", "must have 1 to " + std::to_string(kNameBytesMax) + " bytes");
  }
  if (HasControlBytes(name)) return WrongField("name", "must not have control characters");
  return {};
}

Status CheckStart(std::string_view start) {
  if (start == "now" || start == "earliest" || ParseIso8601(start)) return {};
  return WrongField("start",
                    "must be \"now\", \"earliest\" or a time such as 2026-01-31T12:00:00Z");
}

std::string AllTypeNames() {
  std::string names;
  for (const DestinationType* type : RegisteredTypes()) {
    if (!names.empty()) names += ", ";
    names += type->name;
  }
  return names;
}

Result<const DestinationType*> TypeOf(const json& object, const DestinationType* old) {
  const auto found = object.find("type");
  if (found == object.end() && old != nullptr) return old;
  if (found == object.end() || !found->is_string()) {
    return Fail(ErrorCode::kInvalid, "type", "type is required: one of " + AllTypeNames());
  }
  const DestinationType* type = FindType(found->get_ref<const std::string&>());
  if (type == nullptr) {
    return Fail(ErrorCode::kInvalid, "type", "type must be one of " + AllTypeNames());
  }
  return type;
}

}  // namespace

void RetryOptions::Describe(config::OptionList<RetryOptions>& o) {
  o.Durations("schedule", &RetryOptions::schedule,
              "Wait before each attempt; the first entry is before the first attempt.",
              {.min = 1, .max = kScheduleEntriesMax});
  o.Duration("total", &RetryOptions::total_ns,
             "No attempt begins later than this after the first one: the event is dead-lettered "
             "then, whatever the schedule says; 0s: no limit but the schedule.",
             {.min = 0, .max = kScheduleEntryMax});
  o.Optional("statuses", &RetryOptions::statuses,
             "HTTP statuses that are tried again, such as \"429\" or \"5xx\"; others of 300 and "
             "above are final, and 410 disables the destination unless it stands here. Network "
             "errors are always tried again.",
             {.min = 0, .max = kStatusesMax});
}

void BatchOptions::Describe(config::OptionList<BatchOptions>& o) {
  o.Optional(
      "size", &BatchOptions::size,
      "Events per request at most; more than 1: the body is a JSON array, and its webhook-id "
      "is made of its members'.",
      {.min = 1, .max = kBatchEventsMax});
  o.Duration("wait", &BatchOptions::wait_ns,
             "How long the first event of a batch waits for others; 0s: what there is at once goes "
             "together.",
             {.min = 0, .max = kBatchWaitMax});
  o.Bytes("bytes", &BatchOptions::bytes, "Bytes of a body at most; a larger event goes alone.",
          {.min = 1, .max = kBatchBytesMax});
  o.Optional(
      "split", &BatchOptions::split,
      "Whether a batch that is refused for good is sent again in halves, until the event that "
      "cannot be delivered is alone and only that one is dead-lettered; false: all of them "
      "are.");
}

void LaneOptions::Describe(config::OptionList<LaneOptions>& o) {
  o.Required("name", &LaneOptions::name, "Its name; unique.");
  o.Required("type", &LaneOptions::type, "One of the destination types.");
  o.Optional("enabled", &LaneOptions::enabled, "false: matches nothing and sends nothing.");
  o.Optional("mapping", &LaneOptions::mapping,
             "A jq program that makes the body from the event; it must have exactly one output.",
             {.min = 0, .max = kProgramBytesMax});
  o.Enum("order", &LaneOptions::order, {{"none", Order::kNone}, {"key", Order::kKey}},
         "key: events of one key one after another, in the order they were accepted; while one "
         "waits for a retry, later ones of its key wait behind it.");
  o.Optional("order_by", &LaneOptions::order_by,
             "Of `order: key`: path of the key in the event, such as properties.vin or "
             "context.device.id; an event that has no number or string there, and an empty path, "
             "mean the event's own key. Refused with `order: none`.");
  o.Duration("order_wait", &LaneOptions::order_wait_ns,
             "Of `order: key`: an event that still fails so long after its first attempt is "
             "dead-lettered if others wait behind it; 0s: they wait until its retries are over.",
             {.min = 0, .max = kScheduleEntryMax});
  o.Optional("start", &LaneOptions::start, "Where it begins: now, earliest or a time.");
  o.Optional("concurrency", &LaneOptions::concurrency, "Requests in flight at most.",
             {.min = 1, .max = kConcurrencyMax});
  o.Optional("rate_limit", &LaneOptions::rate_limit, "Attempts per second at most; 0: no limit.",
             {.min = 0, .max = kRateLimitMax});
  o.Duration("timeout", &LaneOptions::timeout_ns, "Of one attempt.",
             {.min = 10 * kNanosPerMilli, .max = 3600 * kNanosPerSecond});
  o.Object("retry", &LaneOptions::retry, "When to try again.");
  o.Object("batch", &LaneOptions::batch, "Several events in one request.");
}

Status LaneOptions::Check() const {
  TRY(CheckName(name));
  TRY(CheckStart(start));
  for (std::size_t i = 0; i < retry.schedule.size(); ++i) {
    if (retry.schedule[i] > kScheduleEntryMax) {
      return WrongField("retry.schedule[" + std::to_string(i) + "]", "must be at most 366d");
    }
  }
  TRY(RetriedStatuses::Of(retry.statuses));
  TRY(ParseOrderBy(order_by));
  if (!order_by.empty() && order != Order::kKey) {
    return WrongField("order_by", "has a meaning with `order: key` only");
  }
  return {};
}

log::Kind Spec::kind() const {
  const json fields = json::parse(rule.fields, nullptr, false);
  const bool system = fields.is_object() && fields.value("kind", "event") == "system";
  return system ? log::Kind::kSystem : log::Kind::kEvent;
}

// The object's fields, sorted by who reads them.
struct SpecReader::Parts {
  json lane = json::object();
  json rule = json::object();
  json type = json::object();
};

Result<SpecReader::Parts> SpecReader::Split(const json& object, const DestinationType& type) const {
  const auto& lane_specs = config::OptionList<LaneOptions>::Specs();
  Parts parts;
  for (const auto& [key, value] : object.items()) {
    if (Find(lane_specs, key) != nullptr) {
      parts.lane[key] = value;
    } else if (Find(matchers_.specs(), key) != nullptr) {
      parts.rule[key] = value;
    } else if (Find(type.specs(), key) != nullptr) {
      parts.type[key] = value;
    } else {
      std::vector<std::string> names;
      for (const auto* specs : {&lane_specs, &matchers_.specs(), &type.specs()}) {
        for (const OptionSpec& spec : *specs) names.push_back(spec.name);
      }
      const std::string near = config::Suggestion(key, names);
      return Fail(ErrorCode::kInvalid, key,
                  key + " is no option of a destination of type " + std::string(type.name) +
                      (near.empty() ? "" : "; did you mean " + near + "?"));
    }
  }
  return parts;
}

Result<Spec> SpecReader::Read(const Spec& base, const json& object,
                              const MatcherFactory::Compiled* before) const {
  TRY_ASSIGN(const Parts parts, Split(object, *base.type));
  Spec spec = base;
  TRY(config::ReadObject(config::OptionList<LaneOptions>::Specs(), parts.lane, &spec.lane));
  spec.lane.type = spec.type->name;
  TRY(spec.lane.Check());
  if (spec.lane.batch.size > 1 && !spec.type->batches) {
    return std::unexpected(WrongField("batch.size", "must be 1: a destination of type " +
                                                        std::string(spec.type->name) +
                                                        " takes one event at a time")
                               .error());
  }
  json rule = base.rule.fields.empty() ? json::object() : json::parse(base.rule.fields);
  rule.merge_patch(parts.rule);
  TRY_ASSIGN(
      spec.rule,
      matchers_.Compile(rule, {.name = spec.lane.name, .type = spec.lane.type, .before = before}));
  TRY(CheckMapping(spec.lane.mapping));
  const std::shared_ptr<void> options = spec.type->copy_options(base.options.get());
  TRY(config::ReadObject(spec.type->specs(), parts.type, options.get()));
  spec.options = options;
  return spec;
}

Status SpecReader::CheckMapping(const std::string& text) const {
  if (text.empty()) return {};
  if (programs_ == nullptr)
    return WrongField("mapping", "cannot be used here: no programs are run");
  if (const auto program = programs_->Compile(ProgramUse::kMapping, text); !program) {
    return Fail(program.error().code(), "mapping", "mapping: " + program.error().message());
  }
  return {};
}

Status SpecReader::Check(const Spec& spec) const {
  return spec.type->check(spec.options.get(), check_);
}

Result<Spec> SpecReader::Create(std::string_view json_text) const {
  TRY_ASSIGN(const json object, ParseObject(json_text));
  Spec base;
  TRY_ASSIGN(base.type, TypeOf(object, nullptr));
  TRY_ASSIGN(Spec spec, Read(base, object));
  TRY(Check(spec));
  return spec;
}

Result<Spec> SpecReader::Change(const Spec& old, const json& object, bool replace) const {
  Spec base = old;
  TRY_ASSIGN(base.type, TypeOf(object, replace ? nullptr : old.type));
  const bool same_type = base.type == old.type;
  if (!same_type) base.options = nullptr;  // secrets of one type mean nothing to another
  json patch = object;
  if (replace) {
    const json before = Write(old, false);
    patch = AsPatch(config::OptionList<LaneOptions>::Specs(), before, patch);
    if (same_type) patch = AsPatch(base.type->specs(), before, patch);
    base.rule = {};
    if (!object.contains("start")) patch.erase("start");
  }
  TRY_ASSIGN(Spec spec, Read(base, patch, &old.rule));
  if (spec.lane.name != old.lane.name)
    return std::unexpected(WrongField("name", "cannot be changed").error());
  if (spec.lane.start != old.lane.start) {
    return std::unexpected(WrongField("start", "counts only when a destination is made").error());
  }
  if (spec.kind() != old.kind()) {
    // Its pairs are records of that kind; with another one its counts would mean nothing.
    return std::unexpected(
        WrongField("kind", "cannot be changed; make another destination").error());
  }
  TRY(Check(spec));
  return spec;
}

Result<Spec> SpecReader::Replace(const Spec& old, std::string_view json_text) const {
  TRY_ASSIGN(json object, ParseObject(json_text));
  // What a GET showed may be sent back whole: what it only shows is not asked for.
  for (const char* shown : kShownOnly) object.erase(shown);
  if (!object.contains("name")) object["name"] = old.lane.name;
  return Change(old, object, true);
}

Result<Spec> SpecReader::Patch(const Spec& old, std::string_view json_text) const {
  TRY_ASSIGN(json object, ParseObject(json_text));
  // A secret that is replaced, not rotated, ends at once, and with it those before it.
  const json was = Write(old, false);
  if (was.contains(kOldSecrets) && object.contains(kSigningSecret) &&
      object[kSigningSecret] != was[kSigningSecret] &&
      object[kSigningSecret] != config::kRedacted && !object.contains(kOldSecrets)) {
    object[kOldSecrets] = nullptr;
  }
  return Change(old, object, false);
}

json SpecReader::Write(const Spec& spec, bool redact) const {
  json object = config::WriteObject(config::OptionList<LaneOptions>::Specs(), &spec.lane, redact);
  object.update(json::parse(spec.rule.fields));
  object.update(config::WriteObject(spec.type->specs(), spec.options.get(), redact));
  return object;
}

Result<Spec> SpecReader::Load(const json& stored, std::string rule_stored) const {
  Spec base;
  TRY_ASSIGN(base.type, TypeOf(stored, nullptr));
  TRY_ASSIGN(const Parts parts, Split(stored, *base.type));
  Spec spec = base;
  TRY(config::ReadObject(config::OptionList<LaneOptions>::Specs(), parts.lane, &spec.lane));
  const std::shared_ptr<void> options = spec.type->copy_options(nullptr);
  TRY(config::ReadObject(spec.type->specs(), parts.type, options.get()));
  spec.options = options;
  // Not compiled again: a source it names may be gone by now, and the rule stands as it was made.
  spec.rule = {.fields = parts.rule.dump(), .stored = std::move(rule_stored)};
  return spec;
}

}  // namespace tributary::deliver
