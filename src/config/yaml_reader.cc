#include "config/yaml_reader.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>

#include "config/option_values.h"

namespace tributary::config::internal {

using nlohmann::json;

namespace {

constexpr std::string_view kPlainTag = "?";  // yaml-cpp's mark of a scalar without quotes

// In `[${A}]` YAML takes the brace for the start of a map. While it parses, the braces of variables
// are these two bytes, which YAML allows nowhere; they are as long, so that columns stay right.
constexpr char kOpenMark = '\x02';
constexpr char kCloseMark = '\x03';

template <class T>
std::optional<T> Number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// YAML 1.2's core schema: what a scalar without quotes means when nothing is declared.
json CoreValue(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto integer = Number<std::int64_t>(text)) return *integer;
  const bool number_like = text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  if (const auto number = Number<double>(text); number && number_like) return *number;
  return text;
}

// The declaration of what stands inside `spec`'s value; texts for lists and maps of texts.
const OptionSpec* EntrySpec(const OptionSpec* spec) {
  static const OptionSpec text{.name = "", .type = OptionType::kString};
  if (spec == nullptr) return nullptr;
  switch (spec->type) {
    case OptionType::kStringList:
    case OptionType::kSecretList:
    case OptionType::kDurationList:
    case OptionType::kStringMap:
    case OptionType::kSecretMap:
      return &text;
    default:
      return nullptr;
  }
}

const OptionSpec* Child(const OptionSpec* spec, std::string_view name) {
  if (spec == nullptr) return nullptr;
  for (const OptionSpec& child : spec->children) {
    if (child.name == name) return &child;
  }
  return EntrySpec(spec);
}

std::size_t NameEnd(std::string_view text, std::size_t from) {
  while (from < text.size() &&
         ((text[from] >= 'A' && text[from] <= 'Z') || (text[from] >= 'a' && text[from] <= 'z') ||
          (text[from] >= '0' && text[from] <= '9') || text[from] == '_')) {
    ++from;
  }
  return from;
}

std::string MarkVariables(std::string_view text) {
  std::string out(text);
  for (std::size_t at = out.find("${"); at != std::string::npos; at = out.find("${", at + 1)) {
    const std::size_t end = NameEnd(out, at + 2);
    if (end == at + 2 || end >= out.size() || out[end] != '}') continue;
    out[at + 1] = kOpenMark;
    out[end] = kCloseMark;
  }
  return out;
}

std::string Unmarked(std::string text) {
  std::ranges::replace(text, kOpenMark, '{');
  std::ranges::replace(text, kCloseMark, '}');
  return text;
}

// What a sentence about `path` begins with. A path inside an alias that holds itself has no end.
std::string Subject(const std::string& path) {
  constexpr std::size_t kShownMax = 64;
  if (path.empty()) return "the file";
  return path.size() > kShownMax ? path.substr(0, kShownMax) + "…" : path;
}

bool HasControlBytes(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && c != '\t' && c != '\n' && c != '\r');
  });
}

}  // namespace

json ScalarValue(const std::string& text, const OptionSpec* spec, bool plain) {
  if (spec == nullptr) return plain ? CoreValue(text) : json(text);
  switch (spec->type) {
    case OptionType::kBool:
      if (text == "true" || text == "false") return text == "true";
      return text;
    case OptionType::kInteger:
      if (const auto integer = Number<std::int64_t>(text)) return *integer;
      return text;
    case OptionType::kNumber:
      if (const auto number = Number<double>(text)) return *number;
      return text;
    case OptionType::kJson:
    case OptionType::kJsonList:
      return plain ? CoreValue(text) : json(text);
    default:
      return text;
  }
}

}  // namespace tributary::config::internal

namespace tributary::config {

std::set<std::string, std::less<>> VariablesIn(std::string_view text) {
  std::set<std::string, std::less<>> names;
  for (std::size_t at = text.find("${"); at != std::string_view::npos;
       at = text.find("${", at + 2)) {
    const std::size_t end = internal::NameEnd(text, at + 2);
    if (end < text.size() && text[end] == '}') names.emplace(text.substr(at + 2, end - at - 2));
  }
  return names;
}

}  // namespace tributary::config

namespace tributary::config::internal {

Result<std::string> ExpandVariables(std::string_view text, const Environment& environment,
                                    const MayExpand& may_expand) {
  std::string out;
  while (true) {
    const std::size_t at = text.find("${");
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    if (out.ends_with('$')) {
      out += "{";
      text.remove_prefix(at + 2);
      continue;
    }
    const std::size_t end = NameEnd(text, at + 2);
    if (end == at + 2 || end >= text.size() || text[end] != '}') {
      return Fail(ErrorCode::kInvalid,
                  "has '${' that is not followed by a name and '}'; "
                  "write $${ for the two characters themselves");
    }
    const std::string_view name = text.substr(at + 2, end - at - 2);
    if (may_expand && !may_expand(name)) {
      return Fail(ErrorCode::kInvalid, std::string(name),
                  "uses ${" + std::string(name) +
                      "}, which the server's own file does not use; only that file may name new "
                      "variables of its environment");
    }
    const auto found = environment.find(name);
    if (found == environment.end()) {
      return Fail(ErrorCode::kInvalid, std::string(name),
                  "uses ${" + std::string(name) + "}, which is not set in the environment");
    }
    out += found->second;
    text.remove_prefix(end + 1);
  }
}

Place YamlDocument::Find(std::string_view path) const {
  while (true) {
    if (const auto found = places.find(path); found != places.end()) return found->second;
    const std::size_t cut = path.find_last_of(".[");
    if (path.empty()) return {};
    path = path.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
}

// One walk over a tree of YAML nodes. Bounded in depth and in nodes, because aliases can make a
// small text large (or endless).
class YamlReader::Walk {
 public:
  Walk(const YamlReader& reader, YamlDocument& document) : reader_(reader), document_(document) {}

  json Value(const YAML::Node& node, const OptionSpec* spec, const std::string& path, int depth) {
    if (++nodes_ > kYamlNodesMax || depth > kYamlDepthMax) {
      if (!stopped_) {
        Report(node.Mark(), path,
               Subject(path) + " is nested too deep or repeats too much by aliases");
      }
      stopped_ = true;
      return nullptr;
    }
    document_.places.try_emplace(path, PlaceOf(node.Mark()));
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return Scalar(node, spec, path);
      case YAML::NodeType::Sequence:
        return Sequence(node, spec, path, depth);
      case YAML::NodeType::Map:
        return Map(node, spec, path, depth);
      default:
        return nullptr;
    }
  }

 private:
  json Scalar(const YAML::Node& node, const OptionSpec* spec, const std::string& path) {
    const std::string text = Unmarked(node.Scalar());
    auto expanded = reader_.environment_ == nullptr
                        ? Result<std::string>(text)
                        : ExpandVariables(text, *reader_.environment_, reader_.may_expand_);
    if (!expanded) {
      Report(node.Mark(), path, path + " " + expanded.error().message());
      return nullptr;
    }
    // The content of an expanded variable must not choose a type.
    const bool plain = node.Tag() == kPlainTag && *expanded == text;
    return ScalarValue(*expanded, spec, plain);
  }

  json Sequence(const YAML::Node& node, const OptionSpec* spec, const std::string& path,
                int depth) {
    // An entry of a list of groups has the group's own options.
    const bool groups = spec != nullptr && spec->type == OptionType::kObjectList;
    json out = json::array();
    for (std::size_t i = 0; i < node.size() && !stopped_; ++i) {
      const std::string entry = path + "[" + std::to_string(i) + "]";
      out.push_back(Value(node[i], groups ? spec : EntrySpec(spec), entry, depth + 1));
    }
    return out;
  }

  json Map(const YAML::Node& node, const OptionSpec* spec, const std::string& path, int depth) {
    json out = json::object();
    std::set<std::string> seen;
    for (const auto& pair : node) {
      if (stopped_) break;
      if (!pair.first.IsScalar()) {
        Report(pair.first.Mark(), path, "a key must be a plain word");
        continue;
      }
      const std::string key = Unmarked(pair.first.Scalar());
      const std::string inner = JoinPath(path, key);
      if (!seen.insert(key).second) {
        Report(pair.first.Mark(), inner, inner + " is given twice");
        continue;
      }
      document_.places.insert_or_assign(inner, PlaceOf(pair.first.Mark()));
      out[key] = Value(pair.second, Child(spec, key), inner, depth + 1);
    }
    return out;
  }

  Place PlaceOf(const YAML::Mark& mark) const {
    if (mark.is_null()) return {reader_.origin_, 0, 0};
    return {reader_.origin_, mark.line + 1, mark.column + 1};
  }
  void Report(const YAML::Mark& mark, const std::string& field, std::string message) {
    if (document_.problems.size() >= kProblemsMax) return;
    const Place place = PlaceOf(mark);
    document_.problems.push_back(
        {place.origin, place.line, place.column, field, std::move(message)});
  }

  const YamlReader& reader_;
  YamlDocument& document_;
  std::size_t nodes_ = 0;
  bool stopped_ = false;
};

YamlDocument YamlReader::ReadDocument(std::string_view text, const std::vector<OptionSpec>& specs) {
  YamlDocument document;
  document.places[""] = {origin_, 0, 0};
  OptionSpec root;
  root.type = OptionType::kObject;
  root.children = specs;
  json value;
  ReadValue(text, root, "", document, value);
  if (value.is_object()) {
    document.value = std::move(value);
  } else if (!value.is_null() && document.problems.empty()) {
    document.problems.push_back({origin_, 1, 1, "", "the file must be a map of options"});
  }
  return document;
}

void YamlReader::ReadValue(std::string_view text, const OptionSpec& spec, const std::string& path,
                           YamlDocument& document, json& out) {
  if (HasControlBytes(text)) {
    document.problems.push_back({origin_, 0, 0, path, Subject(path) + " has control characters"});
    return;
  }
  try {
    const std::vector<YAML::Node> nodes = YAML::LoadAll(MarkVariables(text));
    if (nodes.size() > 1) {
      document.problems.push_back(
          {origin_, 0, 0, path, Subject(path) + " holds more than one YAML document"});
    } else if (nodes.size() == 1) {
      out = Walk(*this, document).Value(nodes[0], &spec, path, 0);
    }
  } catch (const YAML::Exception& e) {
    const bool placed = !e.mark.is_null();
    document.problems.push_back({origin_, placed ? e.mark.line + 1 : 0,
                                 placed ? e.mark.column + 1 : 0, path, "not valid YAML: " + e.msg});
  }
}

}  // namespace tributary::config::internal
