#include "deliver/sample_record.h"

#include "event/canonicalizer.h"

namespace tributary::deliver {

Result<SampleRecord> SampleRecord::Of(std::string_view event_json, const Origin& origin,
                                      os::Random& random) {
  event::JsonDocument document;
  const auto value = document.Parse(event_json);
  if (!value) return Fail(ErrorCode::kInvalid, "event", "event: " + value.error().message());
  event::Canonicalizer canonicalizer(random);
  canonicalizer.Begin({.path_type = event::Type::kTrack,
                       .received_at_us = origin.received_at_us,
                       .event_bytes_max = kSampleBytesMax,
                       .browser_ip = {},
                       .peer_ip = {}});
  const auto made = canonicalizer.Make(*value);
  if (!made) {
    return Fail(ErrorCode::kInvalid, "event", "event: " + std::string(made.error().message));
  }
  SampleRecord sample;
  Parts& parts = *sample.parts_;
  for (const std::string_view part : made->parts) parts.payload += part;
  parts.key = made->key;
  parts.name = made->name;
  parts.message_id = made->message_id;
  parts.view.fields = {.received_at_us = origin.received_at_us,
                       .event_time_us = made->event_time_us,
                       .source = origin.source,
                       .type = static_cast<log::EventType>(made->type),
                       .flags = origin.historical ? log::kFlagHistorical : std::uint8_t{0},
                       .key = parts.key,
                       .name = parts.name,
                       .message_id = parts.message_id};
  parts.view.payload = parts.payload;
  return sample;
}

void SampleRecord::SetPayload(std::string payload) {
  parts_->payload = std::move(payload);
  parts_->view.payload = parts_->payload;
}

}  // namespace tributary::deliver
