#include "control/event_entry.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/time.h"
#include "control/event_filter.h"
#include "control/query.h"

namespace tributary::control {
namespace {

void Text(std::string& out, std::string_view field, std::string_view value) {
  out.append(",\"").append(field).append("\":").append(JsonString(value));
}

void Flag(std::string& out, std::string_view field, bool value) {
  out.append(",\"").append(field).append(value ? "\":true" : "\":false");
}

void Time(std::string& out, std::string_view field, UnixMicros at) {
  out.append(",\"").append(field).append("\":\"").append(FormatIso8601(at)).append("\"");
}

// Admission has seen to it that an event is one JSON object; nobody has for the other kinds.
bool IsObject(const log::RecordView& record) {
  if (record.fields.kind == log::Kind::kEvent) return !record.payload.empty();
  return record.payload.starts_with('{') && nlohmann::json::accept(record.payload);
}

// Line ends can only stand between the tokens of a JSON text, where a space says the same; a
// server-sent event would be torn by one.
void Payload(std::string& out, const log::RecordView& record) {
  out += ",\"event\":";
  if (!IsObject(record)) {
    out += "null";
    return;
  }
  const std::size_t from = out.size();
  out += record.payload;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(from), out.end(),
      [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

}  // namespace

std::string EventEntry(const log::RecordView& record, bool duplicate, const SourceNames& names) {
  const log::RecordFields& fields = record.fields;
  const std::string source = names.NameOf(fields.source);
  std::string out;
  out.reserve(record.payload.size() + 384);
  out += "{\"message_id\":" + JsonString(fields.message_id);
  out += ",\"source\":" + (source.empty() ? "null" : JsonString(source));
  Text(out, "kind", KindName(fields.kind));
  Text(out, "type", EventTypeName(fields.type));
  Text(out, "name", fields.name);
  Text(out, "key", fields.key);
  Time(out, "received_at", fields.received_at_us);
  Time(out, "event_time", fields.event_time_us);
  out += ",\"partition\":" + std::to_string(record.partition);
  out += ",\"offset\":" + std::to_string(record.offset);
  Flag(out, "duplicate", duplicate);
  Flag(out, "historical", (fields.flags & log::kFlagHistorical) != 0);
  Flag(out, "test", (fields.flags & log::kFlagTest) != 0);
  Payload(out, record);
  out += '}';
  return out;
}

}  // namespace tributary::control
