#include "sources/collector.h"

#include "base/check.h"
#include "codec/gzip.h"
#include "deliver/notice.h"
#include "event/json_text.h"
#include "http/error_response.h"
#include "ingest/authenticate.h"

namespace tributary::sources {
namespace {

std::uint8_t FlagsOf(bool historical, bool for_all, bool notice) {
  return static_cast<std::uint8_t>((historical ? log::kFlagHistorical : 0) |
                                   (for_all ? log::kFlagForAll : 0) |
                                   (notice ? deliver::kFlagNotice : 0));
}

static_assert(static_cast<int>(event::Type::kTrack) == static_cast<int>(log::EventType::kTrack));
static_assert(static_cast<int>(event::Type::kAlias) == static_cast<int>(log::EventType::kAlias));

constexpr event::Rejection kTooManyEvents{"batch_too_many_events",
                                          "a batch may hold 2,500 events; this one comes after"};
constexpr event::Rejection kTypeNotInScope{ingest::kScopeMissing.code,
                                           "the scopes of the write key do not have its type"};
constexpr event::Rejection kRecordTooLarge{"event_too_large",
                                           "the event is larger than a record of the log may be"};

// The last member of that name, as everywhere.
std::optional<event::JsonValue> Member(event::JsonValue object, std::string_view name) {
  std::optional<event::JsonValue> found;
  std::string text;
  for (const event::JsonField field : object.fields()) {
    if (field.Key(text) == name) found = field.value();
  }
  return found;
}

std::string WriteKeyIn(event::JsonValue object) {
  std::string text;
  const auto value = Member(object, "writeKey");
  if (!value || !value->is(event::JsonType::kString)) return {};
  return std::string(value->Text(text));
}

}  // namespace

Collector::Collector(const ingest::SourceContext& context)
    : context_(context), metrics_(*context.metrics), canonicalizer_(*context.random) {}

std::unexpected<http::Response> Collector::Refuse(int status, std::string_view code,
                                                  std::string_view message) {
  metrics_.Refused(code);
  return std::unexpected(http::ErrorResponse(status, code, message));
}

std::expected<Admitted, http::Response> Collector::Admit(const http::Request& request,
                                                         const Call& call, std::string_view body) {
  const auto batch = context_.intake->Open();
  if (!batch) return std::unexpected(http::ErrorResponse(batch.error()));
  auto source = SourceOfHead(request);
  if (!source) return std::unexpected(std::move(source).error());
  // Where the key is in the body, whose body it is comes after: until then the largest source
  // counts.
  const std::size_t bytes_max = source->source != nullptr
                                    ? source->source->batch_bytes_max
                                    : context_.directory->current().batch_bytes_max();
  auto text = Inflated(request, body, bytes_max);
  if (!text) return std::unexpected(std::move(text).error());
  const auto root = document_.Parse(*text);
  if (!root) return Refuse(400, "invalid_json", root.error().message());
  if (!root->is(event::JsonType::kObject)) {
    return Refuse(400, "invalid_json", "the body must be a JSON object");
  }
  if (source->source == nullptr) source = SourceOfBody(*root, call);
  if (!source) return std::unexpected(std::move(source).error());
  if (text->size() > source->source->batch_bytes_max) {
    return TooLarge(source->source->batch_bytes_max);
  }
  scopes_ = source->key->scopes;
  if (call.historical && (scopes_ & ingest::ImportScope()) == 0) {
    const ingest::Refusal& refusal = ingest::kScopeMissing;
    return Refuse(refusal.status, refusal.code, refusal.message);
  }
  Begin(request, call, *source->source);
  return call.batch ? AdmitBatch(*source->source, call, *root, **batch)
                    : AdmitOne(*source->source, call, *root, **batch);
}

std::expected<ingest::KeyMatch, http::Response> Collector::SourceOf(std::string_view key) {
  const auto source = ingest::SourceOfKey(*context_.directory, key, context_.clock->Now());
  if (source) return *source;
  return Refuse(source.error().status, source.error().code, source.error().message);
}

std::expected<ingest::KeyMatch, http::Response> Collector::SourceOfHead(
    const http::Request& request) {
  const std::string key = ingest::KeyFromHead(request);
  if (key.empty()) return ingest::KeyMatch{};
  return SourceOf(key);
}

std::expected<ingest::KeyMatch, http::Response> Collector::SourceOfBody(event::JsonValue root,
                                                                        const Call& call) {
  std::string key = WriteKeyIn(root);
  if (key.empty() && call.batch) {
    const auto events = Member(root, "batch");
    if (events && events->is(event::JsonType::kArray)) {
      for (const event::JsonValue first : events->elements()) {
        if (first.is(event::JsonType::kObject)) key = WriteKeyIn(first);
        break;
      }
    }
  }
  return SourceOf(key);
}

// By its first bytes: some SDKs send gzip and do not say so, some proxies undo it and leave the
// header. `deflate` has no such mark that could not begin a text, so there the header decides.
std::expected<std::string_view, http::Response> Collector::Inflated(const http::Request& request,
                                                                    std::string_view body,
                                                                    std::size_t bytes_max) {
  const bool packed =
      codec::LooksLikeGzip(body) || http::SameText(request.header("Content-Encoding"), "deflate");
  if (packed) {
    const Status inflated = codec::Inflate(body, bytes_max, inflated_);
    if (!inflated && inflated.error().code() != ErrorCode::kTooLarge) {
      return Refuse(400, "invalid_gzip", inflated.error().message());
    }
    if (inflated) return std::string_view(inflated_);
  }
  if (!packed && body.size() <= bytes_max) return body;
  return TooLarge(bytes_max);
}

std::unexpected<http::Response> Collector::TooLarge(std::size_t bytes_max) {
  return Refuse(400, "body_too_large",
                "the body is larger than " + std::to_string(bytes_max) + " bytes");
}

void Collector::Begin(const http::Request& request, const Call& call,
                      const ingest::SourceSpec& source) {
  received_at_us_ = context_.clock->Now();
  notice_ = request.has_header(deliver::kNoticeHeader);
  const std::string_view address = ingest::ClientAddress(request);
  canonicalizer_.Begin({.path_type = call.type,
                        .received_at_us = received_at_us_,
                        .event_bytes_max = source.event_bytes_max,
                        .browser_ip = source.browser ? address : std::string_view(),
                        .peer_ip = address});
}

std::optional<event::Rejection> Collector::AddEvent(const ingest::SourceSpec& source,
                                                    const Call& call, event::JsonValue event,
                                                    log::Batch& batch) {
  const auto made = canonicalizer_.Make(event);
  if (!made) return made.error();
  const auto type = static_cast<log::EventType>(made->type);
  if ((scopes_ & ingest::ScopeOfType(type)) == 0) return kTypeNotInScope;
  const log::RecordFields fields{.received_at_us = received_at_us_,
                                 .event_time_us = made->event_time_us,
                                 .source = source.id,
                                 .kind = log::Kind::kEvent,
                                 .type = type,
                                 .flags = FlagsOf(call.historical, made->for_all, notice_),
                                 .key = made->key,
                                 .name = made->name,
                                 .message_id = made->message_id};
  if (!batch.Add(fields, made->parts)) return kRecordTooLarge;
  return std::nullopt;
}

Collector::Outcome Collector::AdmitOne(const ingest::SourceSpec& source, const Call& call,
                                       event::JsonValue root, log::Batch& batch) {
  if (const auto rejection = AddEvent(source, call, root, batch)) {
    metrics_.Rejected(source, rejection->code);
    const bool scope = rejection->code == kTypeNotInScope.code;
    return std::unexpected(
        http::ErrorResponse(scope ? 403 : 400, rejection->code, rejection->message));
  }
  metrics_.Accepted(source, 1, *context_.intake);
  return Admitted{.accepted = 1};
}

Collector::Outcome Collector::AdmitBatch(const ingest::SourceSpec& source, const Call& call,
                                         event::JsonValue root, log::Batch& batch) {
  const auto events = Member(root, "batch");
  if (!events || !events->is(event::JsonType::kArray)) {
    return Refuse(400, "batch_not_array", "'batch' must be an array of events");
  }
  if (const auto taken = canonicalizer_.UseEnvelope(root); !taken) {
    return Refuse(400, taken.error().code, taken.error().message);
  }
  Admitted admitted;
  std::size_t index = 0;
  for (const event::JsonValue event : events->elements()) {
    std::optional<event::Rejection> rejection;
    if (index < kBatchEventsMax) {
      rejection = AddEvent(source, call, event, batch);
    } else {
      rejection = kTooManyEvents;
      canonicalizer_.MessageIdOf(event);
    }
    if (rejection) {
      Reject(source, index, *rejection, admitted);
    } else {
      ++admitted.accepted;
    }
    ++index;
  }
  if (index == 0) metrics_.Rejected(source, "empty_batch");
  if (admitted.accepted != 0) metrics_.Accepted(source, admitted.accepted, *context_.intake);
  return admitted;
}

void Collector::Reject(const ingest::SourceSpec& source, std::size_t index,
                       const event::Rejection& rejection, Admitted& admitted) {
  metrics_.Rejected(source, rejection.code);
  if (++admitted.rejected > kRejectedListedMax) return;
  const std::string_view id = canonicalizer_.message_id();
  std::string& out = admitted.rejected_list;
  if (!out.empty()) out += ',';
  out += "{\"index\":" + std::to_string(index) + ",\"messageId\":";
  if (id.empty()) {
    out += "null";
  } else {
    event::AppendJsonString(out, id);
  }
  out += ",\"code\":";
  event::AppendJsonString(out, rejection.code);
  out += ",\"message\":";
  event::AppendJsonString(out, rejection.message);
  out += '}';
}

}  // namespace tributary::sources
