#include "control/event_filter.h"

#include <algorithm>
#include <array>

#include "http/message.h"

namespace tributary::control {
namespace {

constexpr std::array<std::pair<std::string_view, log::Kind>, 5> kKinds = {{
    {"event", log::Kind::kEvent},
    {"control", log::Kind::kControl},
    {"dataset", log::Kind::kDataset},
    {"queue", log::Kind::kQueue},
    {"system", log::Kind::kSystem},
}};

constexpr std::array<std::string_view, 7> kTypes = {"other",  "track", "identify", "page",
                                                    "screen", "group", "alias"};

Status ReadKind(const std::string& text, EventFilter& filter) {
  if (text == "all") {
    filter.kind.reset();
    return {};
  }
  for (const auto& [name, kind] : kKinds) {
    if (name != text) continue;
    filter.kind = kind;
    return {};
  }
  return Fail(ErrorCode::kInvalid, "kind",
              "kind must be event, control, dataset, queue, system or all");
}

Status ReadType(const std::string& text, EventFilter& filter) {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i] != text) continue;
    filter.type = static_cast<log::EventType>(i);
    return {};
  }
  return Fail(ErrorCode::kInvalid, "type",
              "type must be track, identify, page, screen, group, alias or other");
}

Status CheckText(std::string_view field, const std::string& text) {
  if (!text.empty() && text.size() <= kFilterTextBytesMax) return {};
  return Fail(
      ErrorCode::kInvalid, std::string(field),
      std::string(field) + " must have 1 to " + std::to_string(kFilterTextBytesMax) + " bytes");
}

}  // namespace

bool EventFilter::Matches(const log::RecordFields& fields) const {
  return (!kind || fields.kind == *kind) &&
         (sources.empty() || std::ranges::find(sources, fields.source) != sources.end()) &&
         (!type || fields.type == *type) && (!key || fields.key == *key) &&
         (!name || name->Matches(fields.name));
}

Result<EventFilter> ReadEventFilter(std::string_view query, const SourceNames& names) {
  EventFilter filter;
  std::string text;
  if (http::QueryParameter(query, "source", text)) {
    filter.sources = names.IdsOf(text);
    if (filter.sources.empty()) {
      return Fail(ErrorCode::kInvalid, "source", "source names no source that there is or was");
    }
  }
  if (http::QueryParameter(query, "kind", text)) TRY(ReadKind(text, filter));
  if (http::QueryParameter(query, "type", text)) TRY(ReadType(text, filter));
  if (http::QueryParameter(query, "name", text)) {
    TRY(CheckText("name", text));
    filter.name.emplace(text);
  }
  if (http::QueryParameter(query, "key", text)) {
    TRY(CheckText("key", text));
    filter.key = text;
  }
  return filter;
}

std::string_view KindName(log::Kind kind) {
  for (const auto& [name, known] : kKinds) {
    if (known == kind) return name;
  }
  return "unknown";
}

std::string_view EventTypeName(log::EventType type) {
  const auto number = static_cast<std::size_t>(type);
  return number < kTypes.size() ? kTypes[number] : kTypes.front();
}

}  // namespace tributary::control
