#include "config/loader.h"

#include <nlohmann/json.hpp>
#include <set>

#include "config/option_list.h"
#include "config/option_values.h"
#include "config/yaml_reader.h"

namespace tributary::config {

using internal::Place;
using internal::YamlDocument;
using internal::YamlReader;
using nlohmann::json;

namespace {

constexpr std::string_view kPrefix = "TRIBUTARY_";

Problem ProblemAt(const Place& place, std::string field, std::string message) {
  return {place.origin, place.line, place.column, std::move(field), std::move(message)};
}

// One option that a variable or the command line can set.
struct Leaf {
  std::string path;
  const OptionSpec* spec;
};

void CollectLeaves(const std::vector<OptionSpec>& specs, const std::string& outer,
                   std::vector<Leaf>& out) {
  for (const OptionSpec& spec : specs) {
    const std::string path = internal::JoinPath(outer, spec.name);
    if (spec.type == OptionType::kObject) {
      CollectLeaves(spec.children, path, out);
    } else {
      out.push_back({path, &spec});
    }
  }
}

std::string VariableName(std::string_view path) {
  std::string name(kPrefix);
  for (const char c : path) {
    name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

// "retention.age" -> {"retention", "age"}; "sources[0].name" -> {"sources", "0", "name"}.
json::json_pointer Pointer(std::string_view path) {
  json::json_pointer pointer;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find_first_of(".[", 1), path.size());
    std::string_view part = path.substr(0, end);
    path.remove_prefix(end);
    if (part.starts_with('.') || part.starts_with('[')) part.remove_prefix(1);
    if (part.ends_with(']')) part.remove_suffix(1);
    pointer /= std::string(part);
  }
  return pointer;
}

json SplitList(std::string_view text) {
  json list = json::array();
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) list.push_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

bool IsTextList(OptionType type) {
  return type == OptionType::kStringList || type == OptionType::kSecretList ||
         type == OptionType::kDurationList;
}

bool IsStructured(OptionType type) {
  return type == OptionType::kObjectList || type == OptionType::kJsonList ||
         type == OptionType::kStringMap || type == OptionType::kSecretMap ||
         type == OptionType::kJson;
}

class Loader {
 public:
  explicit Loader(const LoadInput& input) : input_(input) {}

  std::expected<Loaded, Problems> Run() {
    CollectLeaves(OptionList<Settings>::Specs(), "", leaves_);
    ReadFile();
    for (const Leaf& leaf : leaves_) ApplyVariable(leaf);
    for (const auto& [path, text] : input_.overrides) ApplyOverride(path, text);
    WarnOfSlips();
    Loaded loaded;
    ReadSettings(loaded.settings);
    if (problems_.empty()) CheckSettings(loaded.settings);
    if (problems_.empty()) CheckDestinations(loaded.settings);
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    loaded.warnings = std::move(warnings_);
    document_.value = nullptr;
    loaded.place = [document = std::move(document_)](const Error& error) {
      return ProblemAt(document.Find(error.field()), error.field(), error.message());
    };
    return loaded;
  }

 private:
  void ReadFile() {
    if (input_.text.size() > kConfigBytesMax) {
      problems_.push_back(
          {input_.file_name, 0, 0, "",
           "the file is longer than " + std::to_string(kConfigBytesMax) + " bytes"});
      return;
    }
    YamlReader reader(input_.file_name, &input_.environment, input_.may_expand);
    document_ = reader.ReadDocument(input_.text, OptionList<Settings>::Specs());
    TakeProblems();
  }

  void TakeProblems() {
    for (Problem& problem : document_.problems) problems_.push_back(std::move(problem));
    document_.problems.clear();
  }

  void ApplyVariable(const Leaf& leaf) {
    const std::string name = VariableName(leaf.path);
    const auto found = input_.environment.find(name);
    if (found == input_.environment.end()) return;
    Set(leaf, found->second, "environment variable " + name);
  }

  void ApplyOverride(const std::string& path, const std::string& text) {
    for (const Leaf& leaf : leaves_) {
      if (leaf.path == path) return Set(leaf, text, "--" + std::string(path));
    }
    problems_.push_back({"command line", 0, 0, path, path + " is not a known option"});
  }

  void Set(const Leaf& leaf, const std::string& text, const std::string& origin) {
    // Whatever stood in the file below this path is no longer meant.
    std::erase_if(document_.places, [&](const auto& entry) {
      return entry.first.starts_with(leaf.path + "[") || entry.first.starts_with(leaf.path + ".");
    });
    document_.places[leaf.path] = {origin, 0, 0};
    json value = ValueOf(leaf, text, origin);
    if (json* parent = MakeParent(leaf.path)) (*parent)[leaf.spec->name] = std::move(value);
    TakeProblems();
  }

  // The object that holds `path`; nullptr when the file has something else in its place, which is
  // reported when the settings are read.
  json* MakeParent(std::string_view path) {
    json* at = &document_.value;
    for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
      at = &(*at)[std::string(path.substr(0, dot))];
      if (at->is_null()) *at = json::object();
      if (!at->is_object()) return nullptr;
      path.remove_prefix(dot + 1);
    }
    return at;
  }

  json ValueOf(const Leaf& leaf, const std::string& text, const std::string& origin) {
    const bool flow = text.starts_with('[') || text.starts_with('{');
    if (IsTextList(leaf.spec->type) && !flow) return SplitList(text);
    if (!IsTextList(leaf.spec->type) && !IsStructured(leaf.spec->type)) {
      return internal::ScalarValue(text, leaf.spec, false);
    }
    json value;
    YamlReader(origin, nullptr).ReadValue(text, *leaf.spec, leaf.path, document_, value);
    return value;
  }

  // Reads, and on a problem takes that option out and reads again, so that all of them are seen.
  void ReadSettings(Settings& settings) {
    while (problems_.size() < kProblemsMax) {
      settings = Settings();
      Status status = ReadObject(OptionList<Settings>::Specs(), document_.value, &settings);
      const bool fields_are_good = status.has_value();
      if (status) status = SpanningRules(settings);
      if (status) return;
      const Error& e = status.error();
      problems_.push_back(ProblemAt(document_.Find(e.field()), e.field(), e.message()));
      if (fields_are_good || !TakeOut(e.field())) return;
    }
  }

  static Status SpanningRules(const Settings& settings) {
    const Status status = settings.Check();
    if (status) return {};
    const Error& e = status.error();
    return Fail(e.code(), e.field(), e.field() + " " + e.message());
  }

  bool TakeOut(const std::string& path) {
    const std::size_t cut = path.find_last_of(".[");
    if (path.empty() || path.ends_with(']')) return false;  // the entries after it would move
    if (cut == std::string::npos) return document_.value.erase(path) > 0;
    const json::json_pointer parent = Pointer(std::string_view(path).substr(0, cut));
    if (!document_.value.contains(parent)) return false;
    json& object = document_.value.at(parent);
    return object.is_object() && object.erase(path.substr(cut + 1)) > 0;
  }

  void CheckSettings(const Settings& settings) {
    if (!input_.check_settings) return;
    for (const Error& e : input_.check_settings(settings)) Report(e.field(), e.message());
  }

  void CheckDestinations(const Settings& settings) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < settings.destinations.size(); ++i) {
      const std::string at = "destinations[" + std::to_string(i) + "]";
      const json object = json::parse(settings.destinations[i].text);
      const std::string name = object.contains("name") && object["name"].is_string()
                                   ? object["name"].get<std::string>()
                                   : std::string();
      if (!name.empty() && !names.insert(name).second) {
        Report(at + ".name", "is the name of an earlier destination");
      } else if (input_.check_destination) {
        CheckDestination(at, settings.destinations[i].text);
      }
    }
  }

  void CheckDestination(const std::string& at, const std::string& text) {
    const Status status = input_.check_destination(text);
    if (status) return;
    const std::string field = internal::JoinPath(at, status.error().field());
    problems_.push_back(
        ProblemAt(document_.Find(field), field, at + ": " + status.error().message()));
  }

  void Report(const std::string& field, const std::string& message) {
    problems_.push_back(ProblemAt(document_.Find(field), field, field + " " + message));
  }

  // What the client commands read (cli/), not the server.
  static constexpr std::array<std::string_view, 3> kClientVariables = {"TOKEN", "URL", "WRITE_KEY"};

  // Only near misses of what comes after the prefix: orchestrators set variables with our prefix of
  // their own for a service of that name.
  void WarnOfSlips() {
    std::vector<std::string> names;
    names.reserve(leaves_.size());
    for (const Leaf& leaf : leaves_) {
      names.push_back(VariableName(leaf.path).substr(kPrefix.size()));
    }
    for (auto it = input_.environment.lower_bound(kPrefix);
         it != input_.environment.end() && it->first.starts_with(kPrefix); ++it) {
      const std::string name = it->first.substr(kPrefix.size());
      if (std::ranges::find(names, name) != names.end()) continue;
      if (std::ranges::find(kClientVariables, name) != kClientVariables.end()) continue;
      const std::string guess = Suggestion(name, names);
      if (guess.empty()) continue;
      warnings_.push_back(it->first + " sets nothing; did you mean " + std::string(kPrefix) +
                          guess + "?");
    }
  }

  const LoadInput& input_;
  std::vector<Leaf> leaves_;
  YamlDocument document_;
  Problems problems_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::string Problem::ToString() const {
  std::string out = origin.empty() ? "configuration" : origin;
  if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
  return out + ": " + message;
}

std::expected<Loaded, Problems> Load(const LoadInput& input) {
  return Loader(input).Run();
}

}  // namespace tributary::config
