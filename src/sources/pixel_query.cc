#include "sources/pixel_query.h"

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "codec/base64.h"
#include "http/message.h"

namespace tributary::sources {
namespace {

using Json = nlohmann::ordered_json;

// {"a.b": "x"} as {"a": {"b": "x"}}. Where a path runs into a value that is no object, or repeats
// one, the first keeps its place.
bool Place(Json& root, std::string_view path, std::string value) {
  Json* at = &root;
  for (std::size_t depth = 1; depth < kJsonDepthMax; ++depth) {
    const std::size_t dot = path.find('.');
    const std::string name(path.substr(0, dot));
    if (dot == std::string_view::npos) {
      if (!at->contains(name)) (*at)[name] = std::move(value);
      return true;
    }
    Json& next = (*at)[name];
    if (next.is_null()) next = Json::object();
    if (!next.is_object()) return true;
    at = &next;
    path.remove_prefix(dot + 1);
  }
  return false;
}

std::optional<Json> FlatParameters(std::string_view query) {
  Json event = Json::object();
  std::size_t count = 0;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    if (++count > kPixelParametersMax) return std::nullopt;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    bool ok = true;
    const std::string name = http::PercentDecode(pair.substr(0, equals), true, ok);
    if (!ok || name.empty()) return std::nullopt;
    std::string value;
    if (equals < pair.size()) value = http::PercentDecode(pair.substr(equals + 1), true, ok);
    if (!ok || !Place(event, name, std::move(value))) return std::nullopt;
  }
  return event;
}

// Bytes that are no UTF-8 cannot be made JSON; the event is then refused like any other malformed.
std::optional<std::string> Dump(const Json& event) {
  try {
    return event.dump();
  } catch (const Json::type_error&) {
    return std::nullopt;
  }
}

}  // namespace

std::optional<std::string> SegmentPixelEvent(std::string_view query) {
  std::string data;
  if (http::QueryParameter(query, "data", data)) {
    // '+' of the standard alphabet arrives as a space when it was not escaped.
    std::replace(data.begin(), data.end(), ' ', '+');
    auto decoded = codec::Base64Decode(data, codec::Base64::kLenient);
    if (!decoded) return std::nullopt;
    return *std::move(decoded);
  }
  const auto event = FlatParameters(query);
  return event ? Dump(*event) : std::nullopt;
}

std::optional<std::string> RudderPixelEvent(std::string_view query, bool page, UnixMicros now) {
  auto event = FlatParameters(query);
  if (!event) return std::nullopt;
  if (event->contains("anonymousId") && (*event)["anonymousId"].is_string()) {
    auto& id = (*event)["anonymousId"].get_ref<std::string&>();
    if (id.size() >= 2 && id.front() == '"' && id.back() == '"') id = id.substr(1, id.size() - 2);
  }
  if (page) {
    Json& name = (*event)["name"];
    const bool empty = name.is_string() && name.get_ref<const std::string&>().empty();
    if (name.is_null() || empty) name = "Unknown Page";
  }
  (*event)["channel"] = "web";
  (*event)["integrations"] = {{"All", true}};
  (*event)["originalTimestamp"] = FormatIso8601(now);
  (*event)["sentAt"] = FormatIso8601(now);
  return Dump(*event);
}

}  // namespace tributary::sources
