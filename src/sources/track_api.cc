// The seed's POST /track, exactly as collection-api.md section 11 says, "ours" lines included. No
// relation to /v1/track: another body, another answer.
#include "base/limits.h"
#include "config/json_schema.h"
#include "deliver/notice.h"
#include "event/json_document.h"
#include "event/json_text.h"
#include "event/seed_form.h"
#include "http/error_response.h"
#include "ingest/authenticate.h"
#include "ingest/source.h"
#include "ingest/source_metrics.h"
#include "sources/cors.h"

namespace tributary::sources {
namespace {

namespace schema = config::schema;

http::Response SeedError(int status, std::string_view text) {
  std::string body = "{\"error\": ";
  event::AppendJsonString(body, text);
  body += '}';
  return http::Response::Json(status, std::move(body));
}

// The statuses and headers of the rest of the program, in the seed's shape. The sentence of a
// failure of ours stays inside.
http::Response SeedFailure(const Error& error) {
  const http::Response usual = http::ErrorResponse(error);
  http::Response response = SeedError(
      usual.status, usual.status == 500 ? "the event could not be stored" : error.message());
  for (const http::Header& header : usual.headers) {
    if (header.first == "Retry-After") response.headers.push_back(header);
  }
  return response;
}

// What is answered before the body has been read.
http::Response SeedRefusal(const http::Request& request, int status, std::string_view code,
                           std::string_view message) {
  http::Response response = http::ErrorResponse(status, code, message);
  response.body = SeedError(status, message).body;
  if (status == 413) {
    response = SeedError(400, "Validation error: body: " + std::string(message));
  }
  AddCorsHeaders(request, response);
  return response;
}

http::Response SeedSuccess(std::string_view message_id) {
  std::string body = "{\"body\": \"{\\\"messageId\\\": \\\"messageId ";
  body += message_id;
  body += "\\\"}\"}";
  return http::Response::Json(200, std::move(body));
}

class TrackApi final : public ingest::Source {
 public:
  explicit TrackApi(const ingest::SourceContext& context)
      : context_(context), metrics_(*context.metrics), reader_(*context.random) {}

  void AddRoutes(http::Router& router) override {
    router.Add(
        {.method = http::Method::kPost,
         .pattern = "/track",
         .trailing_slash = true,
         .summary = "Takes one event in, in the form of the CDP martech project.",
         .statuses = {200, 400, 401, 403, 404, 503, 507},
         .docs = {.any_query = true,
                  .body = schema::AnyObject(),
                  .answer = schema::Object({{"body", schema::Text()}}),
                  .error =
                      schema::Named("SimpleError", schema::Object({{"error", schema::Text()}}))},
         .handle = [this](const http::Request& request, const http::PathParams&,
                          http::Responder responder) { Track(request, std::move(responder)); },
         .refuse = SeedRefusal});
    AddPreflight(router, "/track");
  }

 private:
  std::unexpected<http::Response> Refuse(const ingest::Refusal& refusal) {
    metrics_.Refused(refusal.code);
    return std::unexpected(SeedError(refusal.status, refusal.message));
  }

  std::expected<const ingest::SourceSpec*, http::Response> SourceOf(const http::Request& request) {
    const std::string key = ingest::KeyFromHead(request);
    if (key.empty()) {
      const auto* source = ingest::KeylessSource(context_.directory->current(), context_.loopback);
      if (source != nullptr) return source;
    }
    const auto match = ingest::SourceOfKey(*context_.directory, key, context_.clock->Now());
    if (!match) return Refuse(match.error());
    if ((match->key->scopes & ingest::ScopeOfType(log::EventType::kTrack)) == 0) {
      return Refuse(ingest::kScopeMissing);
    }
    return match->source;
  }

  std::expected<event::Canonical, http::Response> Read(const ingest::SourceSpec& source,
                                                       std::string_view body,
                                                       UnixMicros received_at_us) {
    if (body.size() > source.event_bytes_max) {
      return std::unexpected(SeedError(400, "Validation error: body is larger than " +
                                                std::to_string(source.event_bytes_max) + " bytes"));
    }
    const auto root = document_.Parse(body);
    if (!root) {
      return std::unexpected(SeedError(400, "Invalid JSON input: " + root.error().message()));
    }
    auto made = reader_.Make(*root, received_at_us);
    if (!made) return std::unexpected(SeedError(400, "Validation error: " + made.error()));
    return *made;
  }

  static void Answer(const http::Request& request, http::Response answer,
                     http::Responder responder) {
    AddCorsHeaders(request, answer);
    responder.Send(std::move(answer));
  }

  void Track(const http::Request& request, http::Responder responder) {
    const auto batch = context_.intake->Open();
    if (!batch) return Answer(request, SeedFailure(batch.error()), std::move(responder));
    auto source = SourceOf(request);
    if (!source) return Answer(request, std::move(source).error(), std::move(responder));
    const UnixMicros now = context_.clock->Now();
    auto made = Read(**source, request.body, now);
    if (!made) {
      metrics_.Rejected(**source, "seed_validation");
      return Answer(request, std::move(made).error(), std::move(responder));
    }
    const bool notice = request.has_header(deliver::kNoticeHeader);
    const auto flags = log::kFlagSeedForm | (notice ? deliver::kFlagNotice : 0);
    const log::RecordFields fields{.received_at_us = now,
                                   .event_time_us = made->event_time_us,
                                   .source = (*source)->id,
                                   .type = log::EventType::kTrack,
                                   .flags = static_cast<std::uint8_t>(flags),
                                   .key = made->key,
                                   .name = made->name,
                                   .message_id = made->message_id};
    if (const Status added = (*batch)->Add(fields, made->parts); !added) {
      return Answer(request, SeedError(400, "Validation error: body: " + added.error().message()),
                    std::move(responder));
    }
    metrics_.Accepted(**source, 1, *context_.intake);
    http::Response success = SeedSuccess(made->message_id);
    AddCorsHeaders(request, success);
    context_.intake->AnswerWhenDurable(std::move(responder), std::move(success),
                                       WithCors(request, SeedFailure));
  }

  const ingest::SourceContext context_;
  ingest::SourceMetrics metrics_;
  event::JsonDocument document_;
  event::SeedReader reader_;
};

const ingest::SourceRegistration kTrackApi("track_api", "The CDP martech project's POST /track.",
                                           [](const ingest::SourceContext& context)
                                               -> std::unique_ptr<ingest::Source> {
                                             return std::make_unique<TrackApi>(context);
                                           });

}  // namespace
}  // namespace tributary::sources
