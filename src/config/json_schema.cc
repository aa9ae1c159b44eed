#include "config/json_schema.h"

#include <nlohmann/json.hpp>

#include "base/check.h"

namespace tributary::config::schema {
namespace {

using nlohmann::json;

enum class Use { kWrite, kChange, kShow };

json OfOptions(const std::vector<OptionSpec>& specs, Use use);

json TypeOf(std::string_view type) {
  return {{"type", type}};
}

json ListOfType(json entry) {
  return {{"type", "array"}, {"items", std::move(entry)}};
}

json MapOfType(json value) {
  return {{"type", "object"}, {"additionalProperties", std::move(value)}};
}

// As it reads, without what may be null.
json OfOption(const OptionSpec& option, Use use) {
  switch (option.type) {
    case OptionType::kString:
    case OptionType::kSecret:
      return TypeOf("string");
    case OptionType::kDuration:
      return {{"type", "string"}, {"examples", {"250ms", "5s", "10m", "7d"}}};
    case OptionType::kBool:
      return TypeOf("boolean");
    case OptionType::kInteger:
      return TypeOf("integer");
    case OptionType::kNumber:
      return TypeOf("number");
    case OptionType::kBytes:
      return {{"type", {"integer", "string"}}, {"examples", {512, "64KiB", "2GiB"}}};
    case OptionType::kEnum:
      return {{"type", "string"}, {"enum", option.choices}};
    case OptionType::kStringList:
    case OptionType::kSecretList:
    case OptionType::kDurationList:
      return ListOfType(TypeOf("string"));
    case OptionType::kStringMap:
    case OptionType::kSecretMap:
      return use == Use::kShow ? MapOfType(TypeOf("string"))
                               : MapOfType({{"type", {"string", "null"}}});
    case OptionType::kObject:
      return OfOptions(option.children, use == Use::kWrite ? Use::kChange : use);
    case OptionType::kObjectList:
      return ListOfType(OfOptions(option.children, use == Use::kChange ? Use::kWrite : use));
    case OptionType::kJson:
      return json::object();
    case OptionType::kJsonList:
      return ListOfType(json::object());
  }
  return json::object();
}

json OrNullJson(json schema) {
  if (schema.empty()) return schema;  // anything may be null already
  return {{"anyOf", {std::move(schema), TypeOf("null")}}};
}

json OfOptions(const std::vector<OptionSpec>& specs, Use use) {
  json object = {
      {"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}};
  for (const OptionSpec& option : specs) {
    json schema = OfOption(option, use);
    // Null is how a change goes back to a default; nothing that is shown is null.
    if (use != Use::kShow && !option.required) schema = OrNullJson(std::move(schema));
    schema["description"] = option.help;
    object["properties"][option.name] = std::move(schema);
    if (use == Use::kWrite && option.required) object["required"].push_back(option.name);
  }
  return object;
}

json Read(const Schema& schema) {
  return json::parse(schema);
}

void AddMembers(json& object, std::initializer_list<Member> members) {
  for (const Member& member : members) {
    const bool optional = member.name.ends_with('?');
    const std::string name(member.name.substr(0, member.name.size() - (optional ? 1 : 0)));
    object["properties"][name] = Read(member.schema);
    if (!optional) object["required"].push_back(name);
  }
}

}  // namespace

Schema Anything() {
  return "{}";
}
Schema Text() {
  return TypeOf("string").dump();
}
Schema Flag() {
  return TypeOf("boolean").dump();
}
Schema Always(bool value) {
  return json{{"const", value}}.dump();
}
Schema Count() {
  return json{{"type", "integer"}, {"minimum", 0}}.dump();
}
Schema Number() {
  return TypeOf("number").dump();
}
Schema Time() {
  return json{{"type", "string"}, {"format", "date-time"}}.dump();
}
Schema AnyObject() {
  return TypeOf("object").dump();
}

Schema Word(std::initializer_list<std::string_view> words) {
  json choices = json::array();
  for (const std::string_view word : words) choices.push_back(word);
  return json{{"type", "string"}, {"enum", std::move(choices)}}.dump();
}

Schema OrNull(const Schema& schema) {
  return OrNullJson(Read(schema)).dump();
}

Schema Either(const Schema& a, const Schema& b) {
  return json{{"anyOf", {Read(a), Read(b)}}}.dump();
}

Schema ListOf(const Schema& entry) {
  return ListOfType(Read(entry)).dump();
}

Schema MapOf(const Schema& value) {
  return MapOfType(Read(value)).dump();
}

Schema Object(std::initializer_list<Member> members) {
  json object = {
      {"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}};
  AddMembers(object, members);
  return object.dump();
}

Schema Described(const Schema& schema, std::string_view text) {
  json described = Read(schema);
  described["description"] = text;
  return described.dump();
}

Schema With(const Schema& object, std::initializer_list<Member> members) {
  json more = Read(object);
  more.erase("title");
  AddMembers(more, members);
  return more.dump();
}

Schema Requiring(const Schema& object, std::initializer_list<std::string_view> names) {
  json more = Read(object);
  for (const std::string_view name : names) {
    CHECK(more["properties"].contains(name));
    more["required"].push_back(name);
  }
  return more.dump();
}

Schema Open(const Schema& object) {
  json open = Read(object);
  open.erase("additionalProperties");
  return open.dump();
}

Schema PageOf(const Schema& entry) {
  const Schema page = Object({{"data", ListOf(entry)}, {"next_cursor", OrNull(Text())}});
  const json one = Read(entry);
  return one.contains("title") ? Named(one["title"].get<std::string>() + "Page", page) : page;
}

Schema Named(std::string_view name, const Schema& schema) {
  json named = Read(schema);
  named["title"] = name;
  return named.dump();
}

Schema OptionsToWrite(const std::vector<OptionSpec>& specs) {
  return OfOptions(specs, Use::kWrite).dump();
}
Schema OptionsToChange(const std::vector<OptionSpec>& specs) {
  return OfOptions(specs, Use::kChange).dump();
}
Schema OptionsShown(const std::vector<OptionSpec>& specs) {
  return OfOptions(specs, Use::kShow).dump();
}

}  // namespace tributary::config::schema
