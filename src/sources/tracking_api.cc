// The tracking API that Segment's and RudderStack's SDKs speak (collection-api.md sections 1 to 7).
//
// Success is exactly 200 {"success":true}: some SDKs take any other 2xx for a failure. A refused
// single event is a 400 with its code; a batch is 200 whatever its members, and names the refused
// ones, since the SDK's copy of the others is gone with the answer.
#include <array>

#include "config/json_schema.h"
#include "http/error_response.h"
#include "ingest/source.h"
#include "sources/collector.h"
#include "sources/cors.h"

namespace tributary::sources {
namespace {

namespace schema = config::schema;

constexpr std::string_view kAccepted =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    "{\"success\":true}";
constexpr std::string_view kAcceptedBody = "{\"success\":true}";

// Of the body on the wire. Well above the limit of a batch, so that one that is somewhat too large
// gets an answer that browsers can read; what is larger still, the server cuts off.
constexpr std::size_t kBodyBytesMax = 1024 * 1024;

struct Path {
  std::string_view pattern;
  Call call;
};

constexpr Call Single(event::Type type) {
  return {.type = type};
}
constexpr Call kBatch{.batch = true};

// The odd ones are what SDKs make of a host or path option that was joined wrongly (section 1).
constexpr std::array kPaths = {
    Path{"/v1/track", Single(event::Type::kTrack)},
    Path{"/v1/identify", Single(event::Type::kIdentify)},
    Path{"/v1/page", Single(event::Type::kPage)},
    Path{"/v1/screen", Single(event::Type::kScreen)},
    Path{"/v1/group", Single(event::Type::kGroup)},
    Path{"/v1/alias", Single(event::Type::kAlias)},
    Path{"/v1/t", Single(event::Type::kTrack)},
    Path{"/v1/i", Single(event::Type::kIdentify)},
    Path{"/v1/p", Single(event::Type::kPage)},
    Path{"/v1/s", Single(event::Type::kScreen)},
    Path{"/v1/g", Single(event::Type::kGroup)},
    Path{"/v1/a", Single(event::Type::kAlias)},
    Path{"/v1/batch", kBatch},
    Path{"/v1/b", kBatch},
    Path{"/v1/import", {.batch = true, .historical = true}},
    Path{"/beacon/v1/batch", kBatch},
    Path{"/b", kBatch},
    Path{"/batch", kBatch},
    Path{"/batch/b", kBatch},
    Path{"/v1/batch/b", kBatch},
};

http::Response NotDurable(const Error& error) {
  return http::ErrorResponse(error);
}

std::string BatchAnswer(Admitted& admitted) {
  if (admitted.rejected == 0) return std::string(kAcceptedBody);
  std::string body = "{\"success\":true,\"rejected\":[";
  body += admitted.rejected_list;
  body += ']';
  if (admitted.rejected > kRejectedListedMax) {
    body += ",\"rejected_total\":" + std::to_string(admitted.rejected);
  }
  body += '}';
  return body;
}

// A batch is taken whatever its members: what a key may not bring in is among the rejected.
std::vector<int> StatusesOf(const Call& call) {
  if (call.batch && !call.historical) return {200, 400, 401, 404, 503, 507};
  return {200, 400, 401, 403, 404, 503, 507};
}

// `rejected` of a batch: those that were not taken.
schema::Schema AnswerShape() {
  return schema::Object({{"success", schema::Always(true)},
                         {"rejected?", schema::ListOf(schema::AnyObject())},
                         {"rejected_total?", schema::Count()}});
}

class TrackingApi final : public ingest::Source {
 public:
  explicit TrackingApi(const ingest::SourceContext& context)
      : intake_(*context.intake), directory_(*context.directory), collector_(context) {}

  void AddRoutes(http::Router& router) override {
    for (const Path& path : kPaths) {
      AddPost(
          router, path.pattern,
          [this, call = path.call](const http::Request& request, const http::PathParams&,
                                   http::Responder responder) {
            Collect(request, call, std::move(responder));
          },
          StatusesOf(path.call));
    }
    AddPost(router, "/v1/m",
            [this](const http::Request& request, const http::PathParams&,
                   http::Responder responder) { Discard(request, std::move(responder)); },
            {200, 400});
  }

 private:
  using Handle = decltype(http::Route::handle);

  void AddPost(http::Router& router, std::string_view pattern, Handle handle,
               std::vector<int> statuses) {
    router.Add(
        {.method = http::Method::kPost,
         .pattern = std::string(pattern),
         .body_bytes_max = kBodyBytesMax,
         .trailing_slash = true,
         .summary = "Takes events in, as Segment's tracking API does.",
         .statuses = std::move(statuses),
         .docs = {.any_query = true, .body = schema::Anything(), .answer = AnswerShape()},
         .handle = std::move(handle),
         // Whose body it is, is not known before it is read, so the largest source counts.
         .body_bytes_max_now =
             [this] { return std::max(kBodyBytesMax, 2 * directory_.current().batch_bytes_max()); },
         .refuse = RefuseWithCors});
    AddPreflight(router, std::string(pattern));
  }

  void Collect(const http::Request& request, const Call& call, http::Responder responder) {
    auto admitted = collector_.Admit(request, call, request.body);
    if (!admitted) {
      AddCorsHeaders(request, admitted.error());
      return responder.Send(std::move(admitted).error());
    }
    const bool plain = admitted->rejected == 0 && request.header("Origin").empty();
    if (plain && admitted->accepted != 0) {
      return intake_.AnswerWhenDurable(std::move(responder), kAccepted, NotDurable);
    }
    auto answer = http::Response::Json(200, BatchAnswer(*admitted));
    AddCorsHeaders(request, answer);
    // Nothing was kept, so there is nothing to wait for.
    if (admitted->accepted == 0) return responder.Send(std::move(answer));
    intake_.AnswerWhenDurable(std::move(responder), std::move(answer),
                              WithCors(request, NotDurable));
  }

  // An SDK's measurements of itself: answered, so that it does not send them again.
  void Discard(const http::Request& request, http::Responder responder) {
    collector_.metrics().Discarded("sdk_metrics");
    auto answer = http::Response::Json(200, std::string(kAcceptedBody));
    AddCorsHeaders(request, answer);
    responder.Send(std::move(answer));
  }

  ingest::Intake& intake_;
  const ingest::SourceDirectory& directory_;
  Collector collector_;
};

const ingest::SourceRegistration kTrackingApi(
    "tracking_api", "Segment's and RudderStack's tracking API: /v1/track … /v1/batch.",
    [](const ingest::SourceContext& context) -> std::unique_ptr<ingest::Source> {
      return std::make_unique<TrackingApi>(context);
    });

}  // namespace
}  // namespace tributary::sources
