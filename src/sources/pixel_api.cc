// Events from images in e-mails and pages without script (collection-api.md section 8). Always a
// transparent GIF: 200 when the event was stored or is invalid (which is counted), 503 when the log
// cannot take it, since a 2xx means durable.
#include "config/json_schema.h"
#include "ingest/source.h"
#include "sources/collector.h"
#include "sources/cors.h"
#include "sources/pixel_query.h"

namespace tributary::sources {
namespace {

constexpr std::string_view kGif(
    "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    "\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;",
    43);

http::Response Image(int status) {
  http::Response response{.status = status,
                          .headers = {{"Content-Type", "image/gif"},
                                      {"Cache-Control", "no-cache, no-store, must-revalidate"}},
                          .body = std::string(kGif)};
  if (status != 200) response.headers.emplace_back("Retry-After", "1");
  return response;
}

http::Response ImageNotDurable(const Error&) {
  return Image(503);
}

class PixelApi final : public ingest::Source {
 public:
  explicit PixelApi(const ingest::SourceContext& context)
      : intake_(*context.intake), clock_(*context.clock), collector_(context) {}

  void AddRoutes(http::Router& router) override {
    for (const event::Type type :
         {event::Type::kTrack, event::Type::kIdentify, event::Type::kPage, event::Type::kScreen,
          event::Type::kGroup, event::Type::kAlias}) {
      Add(router, "/v1/pixel/" + std::string(TypeName(type)), type,
          [](std::string_view query) { return SegmentPixelEvent(query); });
    }
    for (const event::Type type : {event::Type::kTrack, event::Type::kPage}) {
      const bool page = type == event::Type::kPage;
      Add(router, "/pixel/v1/" + std::string(TypeName(type)), type,
          [this, page](std::string_view query) {
            return RudderPixelEvent(query, page, clock_.Now());
          });
    }
  }

 private:
  using Read = std::function<std::optional<std::string>(std::string_view query)>;

  void Add(http::Router& router, std::string pattern, event::Type type, Read read) {
    AddPreflight(router, pattern);
    router.Add(
        {.method = http::Method::kGet,
         .pattern = std::move(pattern),
         .trailing_slash = true,
         .summary = "Takes one event in and answers with a transparent pixel.",
         .statuses = {200, 503},
         .docs = {.any_query = true,
                  .answer = config::schema::Text(),
                  .answer_type = "image/gif",
                  .unavailable_as_answer = true},
         .handle =
             [this, type, read = std::move(read)](
                 const http::Request& request, const http::PathParams&, http::Responder responder) {
               Collect(request, type, read, std::move(responder));
             },
         .refuse = RefuseWithCors});
  }

  void Collect(const http::Request& request, event::Type type, const Read& read,
               http::Responder responder) {
    // A HEAD is somebody looking, not somebody opening the mail.
    if (request.method == http::Method::kHead) return Answer(request, 200, std::move(responder));
    const auto text = read(request.query);
    if (!text) {
      collector_.metrics().Refused("pixel_unreadable");
      return Answer(request, 200, std::move(responder));
    }
    const auto admitted = collector_.Admit(request, {.type = type}, *text);
    if (!admitted) {
      return Answer(request, admitted.error().status >= 500 ? 503 : 200, std::move(responder));
    }
    http::Response answer = Image(200);
    AddCorsHeaders(request, answer);
    intake_.AnswerWhenDurable(std::move(responder), std::move(answer),
                              WithCors(request, ImageNotDurable));
  }

  static void Answer(const http::Request& request, int status, http::Responder responder) {
    http::Response answer = Image(status);
    AddCorsHeaders(request, answer);
    responder.Send(std::move(answer));
  }

  ingest::Intake& intake_;
  os::Clock& clock_;
  Collector collector_;
};

const ingest::SourceRegistration kPixelApi(
    "pixel_api", "Tracking pixels of Segment and RudderStack.",
    [](const ingest::SourceContext& context) -> std::unique_ptr<ingest::Source> {
      return std::make_unique<PixelApi>(context);
    });

}  // namespace
}  // namespace tributary::sources
