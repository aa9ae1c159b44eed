#include "event/seed_form.h"

#include <array>
#include <optional>

#include "event/json_text.h"
#include "event/times.h"

namespace tributary::event {
namespace {

std::expected<std::string_view, std::string> RequiredText(const std::optional<JsonValue>& value,
                                                          std::string_view name,
                                                          std::string& scratch) {
  if (!value) return std::unexpected(std::string(name) + " is required");
  if (!value->is(JsonType::kString) || value->raw() == "\"\"") {
    return std::unexpected(std::string(name) + " must be a non-empty string");
  }
  return value->Text(scratch);
}

struct SeedFields {
  std::optional<JsonValue> user_id, event, timestamp, metadata;
};

SeedFields FieldsOf(JsonValue body) {
  SeedFields found;
  std::string scratch;
  for (const JsonField field : body.fields()) {
    const std::string_view key = field.Key(scratch);
    if (key == "userId") found.user_id = field.value();
    if (key == "event") found.event = field.value();
    if (key == "timestamp") found.timestamp = field.value();
    if (key == "metadata") found.metadata = field.value();
  }
  return found;
}

void AppendField(std::string& out, std::string_view name, std::string_view raw) {
  if (raw.empty()) return;
  out += out.empty() ? "{\"" : ",\"";
  out += name;
  out += "\":";
  out += raw;
}

}  // namespace

std::expected<Canonical, std::string> SeedReader::Make(JsonValue body, UnixMicros received_at_us) {
  if (auto read = Read(body); !read) return std::unexpected(std::move(read).error());
  const std::string received = '"' + FormatIso8601(received_at_us) + '"';
  UnixMicros event_time_us = ParseIso8601(time_text_).value_or(received_at_us);
  // The corrected time of an event without sentAt; see event/times.h for what is absurd.
  event_time_us = CorrectedTime({.timestamp_us = event_time_us, .received_us = received_at_us});
  message_id_ = random_.Uuid();

  payload_.clear();
  AppendField(payload_, "type", "\"track\"");
  AppendField(payload_, "messageId", '"' + message_id_ + '"');
  AppendField(payload_, "userId", user_id_raw_);
  AppendField(payload_, "event", event_raw_);
  AppendField(payload_, "properties", metadata_raw_);
  AppendField(payload_, "timestamp", '"' + FormatIso8601(event_time_us) + '"');
  AppendField(payload_, "originalTimestamp", timestamp_raw_.empty() ? received : timestamp_raw_);
  AppendField(payload_, "receivedAt", received);
  payload_ += '}';
  part_ = payload_;
  return Canonical{.type = Type::kTrack,
                   .event_time_us = event_time_us,
                   .key = user_id_,
                   .name = event_,
                   .message_id = message_id_,
                   .parts = std::span(&part_, 1)};
}

std::expected<void, std::string> SeedReader::Read(JsonValue body) {
  if (!body.is(JsonType::kObject)) return std::unexpected("body must be an object");
  const SeedFields fields = FieldsOf(body);
  const auto user_id = RequiredText(fields.user_id, "userId", user_id_text_);
  if (!user_id) return std::unexpected(user_id.error());
  const auto event = RequiredText(fields.event, "event", event_text_);
  if (!event) return std::unexpected(event.error());
  user_id_ = *user_id;
  event_ = *event;
  user_id_raw_ = fields.user_id->raw();
  event_raw_ = fields.event->raw();

  time_text_.clear();
  timestamp_raw_ = {};
  if (fields.timestamp) {
    std::string scratch;
    if (fields.timestamp->is(JsonType::kString)) time_text_ = fields.timestamp->Text(scratch);
    if (!ParseIso8601(time_text_)) {
      return std::unexpected("timestamp must be an ISO 8601 time such as 2025-08-08T16:30:00Z");
    }
    timestamp_raw_ = fields.timestamp->raw();
  }
  metadata_raw_ = {};
  if (!fields.metadata) return {};
  metadata_raw_ = fields.metadata->raw();
  return CheckMetadata(*fields.metadata);
}

std::expected<void, std::string> SeedReader::CheckMetadata(JsonValue metadata) const {
  if (!metadata.is(JsonType::kObject)) return std::unexpected("metadata must be an object");
  std::string scratch;
  for (const JsonField field : metadata.fields()) {
    if (field.Key(scratch) != "preferredChannel") continue;
    const JsonType type = field.value().type();
    if (type != JsonType::kString && type != JsonType::kNull) {
      return std::unexpected("metadata.preferredChannel must be a string or null");
    }
  }
  return {};
}

std::string SeedForm(std::string_view payload) {
  constexpr std::array<std::string_view, 4> kNames = {"userId", "event", "originalTimestamp",
                                                      "properties"};
  std::array<std::string_view, 4> raw;
  FindRawFields(payload, kNames, raw);
  std::string out;
  AppendField(out, "userId", raw[0]);
  AppendField(out, "event", raw[1]);
  AppendField(out, "timestamp", raw[2]);
  AppendField(out, "metadata", raw[3]);
  out += '}';
  return out;
}

std::string_view PreferredChannel(std::string_view payload) {
  const std::string_view properties = FindRawField(payload, "properties");
  if (properties.empty() || properties.front() != '{') return {};
  std::string text;
  if (!RawStringText(FindRawField(properties, "preferredChannel"), text)) return {};
  for (const std::string_view channel : {"push", "email", "sms"}) {
    if (text == channel) return channel;
  }
  return {};
}

}  // namespace tributary::event
