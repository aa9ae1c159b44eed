#include "config/difference.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "config/json_text.h"
#include "config/option_list.h"
#include "config/option_values.h"

namespace tributary::config {
namespace {

using nlohmann::json;

// Groups and options that TakeOver() takes.
constexpr std::string_view kAtOnce[] = {"sources", "destinations", "tokens", "egress", "logging"};

// The same thing twice: as it is, to compare, and without its secrets, to show.
struct Shown {
  json plain;
  json redacted;
};
using Named = std::map<std::string, Shown>;

const json& At(const json& object, const std::string& name) {
  static const json null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

// Objects are entered, so that a change names the option and not its whole group.
void Compare(const std::string& path, const Shown& before, const Shown& after,
             std::vector<FieldChange>& out) {
  if (before.plain == after.plain) return;
  if (!before.plain.is_object() || !after.plain.is_object()) {
    out.push_back({path, DumpText(before.redacted), DumpText(after.redacted)});
    return;
  }
  json names = before.plain;
  names.update(after.plain);
  for (const auto& [name, unused] : names.items()) {
    Compare(internal::JoinPath(path, name), {At(before.plain, name), At(before.redacted, name)},
            {At(after.plain, name), At(after.redacted, name)}, out);
  }
}

std::vector<FieldChange> FieldsOf(const Shown& before, const Shown& after) {
  std::vector<FieldChange> fields;
  Compare("", before, after, fields);
  return fields;
}

Named SourcesOf(const Shown& settings) {
  Named named;
  const json& plain = settings.plain.at("sources");
  const json& redacted = settings.redacted.at("sources");
  for (std::size_t i = 0; i < plain.size(); ++i) {
    named[plain[i].at("name").get<std::string>()] = {plain[i], redacted[i]};
  }
  return named;
}

Result<Named> DestinationsOf(const Settings& settings, const Normal& normal) {
  Named named;
  for (const JsonText& destination : settings.destinations) {
    TRY_ASSIGN(const std::string plain, normal(destination.text, false));
    TRY_ASSIGN(const std::string redacted, normal(destination.text, true));
    Shown shown{json::parse(plain), json::parse(redacted)};
    const std::string name = shown.plain.at("name").get<std::string>();
    named[name] = std::move(shown);
  }
  return named;
}

void CompareNamed(Difference::Kind kind, const Named& before, const Named& after,
                  std::vector<Difference>& out) {
  Named all = before;
  all.insert(after.begin(), after.end());
  for (const auto& [name, unused] : all) {
    const auto was = before.find(name);
    const auto is = after.find(name);
    Difference difference{.kind = kind, .name = name};
    difference.needs_restart = !AppliesAtOnce(difference.path());
    if (is == after.end()) {
      difference.action = Difference::Action::kPause;
    } else if (was == before.end()) {
      difference.action = Difference::Action::kAdd;
      difference.fields = FieldsOf({json::object(), json::object()}, is->second);
    } else {
      difference.fields = FieldsOf(was->second, is->second);
      if (difference.fields.empty()) continue;
    }
    out.push_back(std::move(difference));
  }
}

Shown ShownOf(const Settings& settings) {
  const auto& specs = OptionList<Settings>::Specs();
  return {WriteObject(specs, &settings, false), WriteObject(specs, &settings, true)};
}

}  // namespace

std::string Difference::path() const {
  switch (kind) {
    case Kind::kSource:
      return "sources." + name;
    case Kind::kDestination:
      return "destinations." + name;
    case Kind::kSetting:
      break;
  }
  return name;
}

bool AppliesAtOnce(std::string_view path) {
  const std::string_view group = path.substr(0, path.find_first_of(".["));
  return std::ranges::find(kAtOnce, group) != std::end(kAtOnce);
}

void TakeOver(Settings& into, const Settings& from) {
  into.sources = from.sources;
  into.destinations = from.destinations;
  into.tokens = from.tokens;
  into.egress = from.egress;
  into.logging = from.logging;
}

Result<std::vector<Difference>> DifferencesOf(const Settings& before, const Settings& after,
                                              const Normal& normal) {
  Shown was = ShownOf(before);
  Shown is = ShownOf(after);
  std::vector<Difference> out;
  CompareNamed(Difference::Kind::kSource, SourcesOf(was), SourcesOf(is), out);
  TRY_ASSIGN(const Named destinations_before, DestinationsOf(before, normal));
  TRY_ASSIGN(const Named destinations_after, DestinationsOf(after, normal));
  CompareNamed(Difference::Kind::kDestination, destinations_before, destinations_after, out);
  for (Shown* shown : {&was, &is}) {
    for (const char* name : {"sources", "destinations"}) {
      shown->plain.erase(name);
      shown->redacted.erase(name);
    }
  }
  for (FieldChange& field : FieldsOf(was, is)) {
    Difference difference{.name = field.field, .needs_restart = !AppliesAtOnce(field.field)};
    difference.fields.push_back(std::move(field));
    out.push_back(std::move(difference));
  }
  return out;
}

std::string DifferencesJson(const std::vector<Difference>& differences) {
  constexpr const char* kKinds[] = {"source", "destination", "setting"};
  constexpr const char* kActions[] = {"add", "change", "pause"};
  json list = json::array();
  for (const Difference& d : differences) {
    json fields = json::array();
    for (const FieldChange& f : d.fields) {
      fields.push_back(
          {{"field", f.field}, {"before", json::parse(f.before)}, {"after", json::parse(f.after)}});
    }
    list.push_back({{"kind", kKinds[static_cast<int>(d.kind)]},
                    {"name", d.name},
                    {"action", kActions[static_cast<int>(d.action)]},
                    {"needs_restart", d.needs_restart},
                    {"fields", std::move(fields)}});
  }
  return DumpText(list);
}

}  // namespace tributary::config
