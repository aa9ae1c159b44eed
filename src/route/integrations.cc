#include "route/integrations.h"

#include <algorithm>
#include <optional>
#include <string>

namespace tributary::route {
namespace {

using event::JsonType;
using event::JsonValue;

bool SameFolded(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// true and an object mean yes, false no; anything else says nothing.
std::optional<bool> Wish(const JsonValue& value) {
  if (value.is(JsonType::kObject)) return true;
  if (value.is(JsonType::kBool)) return value.raw() == "true";
  return std::nullopt;
}

}  // namespace

bool MentionsIntegrations(std::string_view payload) {
  return payload.contains("\"integrations\"") || payload.contains("\\u");
}

bool ExcludedByIntegrations(const JsonValue& event, std::string_view name, std::string_view type) {
  if (!event.is(JsonType::kObject)) return false;
  std::optional<JsonValue> integrations;
  std::string scratch;
  for (const event::JsonField field : event.fields()) {
    if (field.Key(scratch) == "integrations") integrations = field.value();
  }
  if (!integrations || !integrations->is(JsonType::kObject)) return false;
  std::optional<bool> by_name;
  std::optional<bool> by_type;
  std::optional<bool> all;
  for (const event::JsonField field : integrations->fields()) {
    const std::string_view key = field.Key(scratch);
    if (key == name) by_name = Wish(field.value());
    if (SameFolded(key, type)) by_type = Wish(field.value());
    if (key == "All") all = Wish(field.value());
  }
  return !by_name.value_or(by_type.value_or(all.value_or(true)));
}

}  // namespace tributary::route
