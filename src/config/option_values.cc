#include "config/option_values.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "config/json_text.h"

namespace tributary::config {

using nlohmann::json;

std::string_view OptionTypeName(OptionType type) {
  switch (type) {
    case OptionType::kString:
      return "text";
    case OptionType::kSecret:
      return "secret";
    case OptionType::kBool:
      return "true or false";
    case OptionType::kInteger:
      return "whole number";
    case OptionType::kNumber:
      return "number";
    case OptionType::kDuration:
      return "duration";
    case OptionType::kBytes:
      return "size";
    case OptionType::kEnum:
      return "choice";
    case OptionType::kStringList:
      return "list of texts";
    case OptionType::kSecretList:
      return "list of secrets";
    case OptionType::kDurationList:
      return "list of durations";
    case OptionType::kStringMap:
      return "map of texts";
    case OptionType::kSecretMap:
      return "map of secrets";
    case OptionType::kObject:
      return "group";
    case OptionType::kObjectList:
      return "list of groups";
    case OptionType::kJson:
      return "any value";
    case OptionType::kJsonList:
      return "list of objects";
  }
  return "";
}

namespace internal {
namespace {

// Reads into, and writes from, a member of a known C++ type.
Status Read(const json& value, std::string& out, const Bounds& bounds) {
  if (!value.is_string()) return Wrong("must be a text");
  const auto& text = value.get_ref<const std::string&>();
  TRY(CheckCount(text.size(), bounds, kOptionTextBytesMax, "bytes"));
  out = text;
  return {};
}
json Write(const std::string& value, bool) {
  return value;
}

Status Read(const json& value, Secret& out, const Bounds& bounds) {
  if (value.is_string() && value.get_ref<const std::string&>() == kRedacted) {
    // What a GET showed comes back unchanged in a PATCH: the secret itself stays.
    if (!out.empty()) return {};
    return Wrong("must be the secret itself; *** only stands for one that is already set");
  }
  std::string text;
  TRY(Read(value, text, bounds));
  out = Secret(std::move(text));
  return {};
}
json Write(const Secret& value, bool redact) {
  return redact && !value.empty() ? std::string(kRedacted) : value.Reveal();
}

Status Read(const json& value, bool& out, const Bounds&) {
  if (!value.is_boolean()) return Wrong("must be true or false");
  out = value.get<bool>();
  return {};
}
json Write(bool value, bool) {
  return value;
}

Status Read(const json& value, double& out, const Bounds& bounds) {
  if (!value.is_number()) return Wrong("must be a number");
  const double number = value.get<double>();
  // So that NaN, which YAML has a name for, is neither below nor above but wrong.
  if (!(number >= static_cast<double>(bounds.min) && number <= static_cast<double>(bounds.max))) {
    return Wrong("must be from " + std::to_string(bounds.min) + " to " +
                 std::to_string(bounds.max));
  }
  out = number;
  return {};
}
json Write(double value, bool) {
  return value;
}

Status Read(const json& value, JsonText& out, const Bounds& bounds) {
  std::string text = DumpText(value);
  TRY(CheckCount(text.size(), bounds, kOptionTextBytesMax, "bytes"));
  out.text = std::move(text);
  return {};
}
// Nobody here knows which part of it is secret, so all of it is.
json Write(const JsonText& value, bool redact) {
  if (value.text.empty()) return nullptr;
  return redact ? json(kRedacted) : json::parse(value.text, nullptr, false);
}

Status ReadDuration(const json& value, MonoNanos& out, const Bounds& bounds) {
  TRY_ASSIGN(const std::int64_t span, ReadInteger(value, OptionType::kDuration));
  TRY(CheckBounds(span, bounds, OptionType::kDuration));
  out = span;
  return {};
}
Status ReadEntry(const json& value, std::string& out) {
  return Read(value, out, {});
}
Status ReadEntry(const json& value, Secret& out) {
  return Read(value, out, {});
}
Status ReadEntry(const json& value, MonoNanos& out) {
  return ReadDuration(value, out, {.min = 0});
}
Status ReadEntry(const json& value, JsonText& out) {
  if (!value.is_object()) return Wrong("must be an object");
  return Read(value, out, {});
}

template <class V>
Status Read(const json& value, std::vector<V>& out, const Bounds& bounds) {
  if (!value.is_array()) return Wrong("must be a list");
  TRY(CheckCount(value.size(), bounds, kOptionEntriesMax, "entries"));
  std::vector<V> list(value.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (const Status status = ReadEntry(value[i], list[i]); !status) {
      return Fail(Below("[" + std::to_string(i) + "]", status.error()));
    }
  }
  out = std::move(list);
  return {};
}
template <class V>
json Write(const std::vector<V>& list, bool redact) {
  json out = json::array();
  for (const V& entry : list) {
    if constexpr (std::same_as<V, MonoNanos>) {
      out.push_back(FormatDuration(entry));
    } else {
      out.push_back(Write(entry, redact));
    }
  }
  return out;
}

template <class V>
Status Read(const json& value, std::map<std::string, V>& out, const Bounds& bounds) {
  if (!value.is_object()) return Wrong("must be an object");
  std::map<std::string, V> map = out;
  for (const auto& [key, entry] : value.items()) {
    if (entry.is_null()) {
      map.erase(key);
    } else if (const Status status = Read(entry, map[key], Bounds{}); !status) {
      return Fail(Below(key, status.error()));
    }
  }
  TRY(CheckCount(map.size(), bounds, kOptionEntriesMax, "entries"));
  out = std::move(map);
  return {};
}
template <class V>
json Write(const std::map<std::string, V>& map, bool redact) {
  json out = json::object();
  for (const auto& [key, entry] : map) out[key] = Write(entry, redact);
  return out;
}

template <class V>
OptionSpec Value(OptionSpec spec, const Get& get, Bounds bounds) {
  spec.read = [get, bounds](const json& value, void* target) {
    return Read(value, *static_cast<V*>(get(target)), bounds);
  };
  spec.write = [get](const void* target, bool redact) {
    // The getter only computes an address; what it points to is not changed here.
    return Write(*static_cast<const V*>(get(const_cast<void*>(target))), redact);
  };
  return spec;
}

std::string Shown(std::int64_t value, OptionType type) {
  if (type == OptionType::kDuration) return FormatDuration(value);
  if (type == OptionType::kBytes) return FormatBytes(value);
  return std::to_string(value);
}

}  // namespace

std::string JoinPath(std::string_view outer, std::string_view inner) {
  std::string path(outer);
  if (!path.empty() && !inner.empty() && inner.front() != '[') path += '.';
  return path += inner;
}

Error Below(std::string_view outer, const Error& error) {
  return Error(error.code(), JoinPath(outer, error.field()), error.message());
}

Status CheckBounds(std::int64_t value, const Bounds& bounds, OptionType type) {
  if (value >= bounds.min && value <= bounds.max) return {};
  if (bounds.max == std::numeric_limits<std::int64_t>::max()) {
    return Wrong("must be at least " + Shown(bounds.min, type));
  }
  if (bounds.min == std::numeric_limits<std::int64_t>::min()) {
    return Wrong("must be at most " + Shown(bounds.max, type));
  }
  return Wrong("must be from " + Shown(bounds.min, type) + " to " + Shown(bounds.max, type));
}

Status CheckCount(std::size_t count, const Bounds& bounds, std::int64_t max_otherwise,
                  std::string_view what) {
  const std::int64_t max = bounds.max == Bounds{}.max ? max_otherwise : bounds.max;
  const auto n = static_cast<std::int64_t>(count);
  if (n < bounds.min) {
    if (bounds.min == 1) return Wrong("must not be empty");
    return Wrong("must have at least " + std::to_string(bounds.min) + " " + std::string(what));
  }
  if (n > max) {
    return Wrong("must have at most " + std::to_string(max) + " " + std::string(what));
  }
  return {};
}

Result<std::int64_t> ReadInteger(const json& value, OptionType type) {
  if (type == OptionType::kDuration) {
    if (!value.is_string()) return Wrong("must be a duration such as \"250ms\", \"5s\" or \"7d\"");
    auto span = ParseDuration(value.get_ref<const std::string&>());
    if (!span) return Wrong("must be a duration: " + span.error().message());
    return *span;
  }
  if (type == OptionType::kBytes && value.is_string()) {
    auto bytes = ParseBytes(value.get_ref<const std::string&>());
    if (!bytes) return Wrong("must be a size: " + bytes.error().message());
    return static_cast<std::int64_t>(*bytes);
  }
  const bool too_big = value.is_number_unsigned() &&
                       value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max();
  if (!value.is_number_integer() || too_big) {
    return Wrong(type == OptionType::kBytes ? "must be a size such as 512, \"64KiB\" or \"2GiB\""
                                            : "must be a whole number");
  }
  return value.get<std::int64_t>();
}

std::string FormatBytes(std::int64_t bytes) {
  static constexpr std::pair<std::string_view, int> kUnits[] = {
      {"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}};
  for (const auto& [name, shift] : kUnits) {
    if (bytes != 0 && bytes % (1LL << shift) == 0) {
      return std::to_string(bytes >> shift) + std::string(name);
    }
  }
  return std::to_string(bytes);
}

OptionSpec MakeValue(OptionSpec spec, const Get& get, Bounds bounds) {
  const bool text = spec.type == OptionType::kString || spec.type == OptionType::kSecret;
  if (text && spec.required) bounds.min = std::max<std::int64_t>(bounds.min, 1);
  switch (spec.type) {
    case OptionType::kString:
      return Value<std::string>(std::move(spec), get, bounds);
    case OptionType::kSecret:
      return Value<Secret>(std::move(spec), get, bounds);
    case OptionType::kBool:
      return Value<bool>(std::move(spec), get, bounds);
    case OptionType::kNumber:
      return Value<double>(std::move(spec), get, bounds);
    case OptionType::kStringList:
      return Value<std::vector<std::string>>(std::move(spec), get, bounds);
    case OptionType::kSecretList:
      return Value<std::vector<Secret>>(std::move(spec), get, bounds);
    case OptionType::kDurationList:
      return Value<std::vector<MonoNanos>>(std::move(spec), get, bounds);
    case OptionType::kStringMap:
      return Value<std::map<std::string, std::string>>(std::move(spec), get, bounds);
    case OptionType::kSecretMap:
      return Value<std::map<std::string, Secret>>(std::move(spec), get, bounds);
    case OptionType::kJson:
      return Value<JsonText>(std::move(spec), get, bounds);
    case OptionType::kJsonList:
      return Value<std::vector<JsonText>>(std::move(spec), get, bounds);
    default:
      break;  // made by the functions below
  }
  CheckFailed("an option type that MakeValue knows", __FILE__, __LINE__, spec.name);
}

OptionSpec MakeInteger(OptionSpec spec, const IntegerAccess& access, Bounds bounds) {
  const OptionType type = spec.type;
  spec.read = [type, access, bounds](const json& value, void* target) -> Status {
    TRY_ASSIGN(const std::int64_t number, ReadInteger(value, type));
    TRY(CheckBounds(number, bounds, type));
    access.set(target, number);
    return {};
  };
  spec.write = [type, access](const void* target, bool) -> json {
    const std::int64_t number = access.get(target);
    return type == OptionType::kInteger ? json(number) : json(Shown(number, type));
  };
  return spec;
}

OptionSpec MakeEnum(OptionSpec spec, const IntegerAccess& access,
                    const std::vector<std::int64_t>& values) {
  const std::vector<std::string> words = spec.choices;
  spec.read = [words, values, access](const json& value, void* target) -> Status {
    const std::string given = value.is_string() ? value.get<std::string>() : std::string();
    const auto found = std::find(words.begin(), words.end(), given);
    if (found == words.end() || !value.is_string()) {
      std::string list;
      for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
      const std::string guess = Suggestion(given, words);
      return Wrong("must be one of: " + list +
                   (guess.empty() ? "" : " (did you mean '" + guess + "'?)"));
    }
    access.set(target, values[static_cast<std::size_t>(found - words.begin())]);
    return {};
  };
  spec.write = [words, values, access](const void* target, bool) -> json {
    const auto at = std::find(values.begin(), values.end(), access.get(target));
    CHECK(at != values.end());
    return words[static_cast<std::size_t>(at - values.begin())];
  };
  return spec;
}

}  // namespace internal
}  // namespace tributary::config
