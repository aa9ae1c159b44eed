// What browser SDKs ask for before they send anything (collection-api.md section 7): without an
// answer analytics-next and RudderStack's SDK send no event at all.
#include "config/json_schema.h"
#include "event/json_text.h"
#include "http/error_response.h"
#include "ingest/authenticate.h"
#include "ingest/source.h"
#include "sources/cors.h"

namespace tributary::sources {
namespace {

// A host name, address or "[v6]" with an optional port: it is echoed into the settings, so it must
// not be able to say anything else.
bool IsPlainHost(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  return host.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") ==
         std::string_view::npos;
}

// "https" behind a proxy that ended TLS and says so.
std::string_view ProtocolOf(const http::Request& request) {
  return request.secure || request.header("X-Forwarded-Proto") == "https" ? "https" : "http";
}

std::string SegmentSettings(const http::Request& request, std::string_view write_key) {
  std::string out = "{\"integrations\":{\"Segment.io\":{\"apiKey\":";
  event::AppendJsonString(out, write_key);
  if (const std::string_view host = request.header("Host"); IsPlainHost(host)) {
    out += ",\"apiHost\":\"";
    out += host;
    out += "/v1\",\"protocol\":\"";
    out += ProtocolOf(request);
    out += '"';
  }
  out +=
      ",\"unbundledIntegrations\":[],\"addBundledMetadata\":true,"
      "\"versionSettings\":{\"version\":\"4.4.7\",\"componentTypes\":[\"browser\"]}}},"
      "\"plan\":{\"track\":{\"__default\":{\"enabled\":true}},"
      "\"identify\":{\"__default\":{\"enabled\":true}},"
      "\"group\":{\"__default\":{\"enabled\":true}}},"
      "\"analyticsNextEnabled\":true,\"metrics\":{\"sampleRate\":0},\"middlewareSettings\":{},"
      "\"enabledMiddleware\":{},\"remotePlugins\":[],\"legacyVideoPluginsEnabled\":false}";
  return out;
}

std::string RudderSettings(const ingest::SourceSpec& source, std::string_view write_key,
                           UnixMicros now) {
  std::string out = "{\"source\":{\"id\":\"" + std::to_string(source.id) + "\",\"name\":";
  event::AppendJsonString(out, source.name);
  out += ",\"writeKey\":";
  event::AppendJsonString(out, write_key);
  out +=
      ",\"enabled\":true,\"config\":{\"statsCollection\":{\"errors\":{\"enabled\":false},"
      "\"metrics\":{\"enabled\":false}}},\"connections\":[],\"destinations\":[],"
      "\"workspaceId\":\"tributary\"},\"updatedAt\":\"";
  out += FormatIso8601(now);
  out += "\"}";
  return out;
}

class SettingsApi final : public ingest::Source {
 public:
  explicit SettingsApi(const ingest::SourceContext& context) : context_(context) {}

  void AddRoutes(http::Router& router) override {
    // The odd ones come from SDK options that were joined wrongly (section 1).
    for (const char* pattern :
         {"/v1/projects/{writeKey}/settings", "/projects/{writeKey}/settings",
          "/v1/projects/projects/{writeKey}/settings", "/projects/projects/{writeKey}/settings"}) {
      Add(router, pattern, "The settings that Segment's browser and mobile SDKs start with.",
          {200, 404}, [this](const http::Request& request, const http::PathParams& params) {
            return Segment(request, params.find("writeKey")->second);
          });
    }
    Add(router, "/sourceConfig", "The settings that RudderStack's browser SDK starts with.",
        {200, 401, 404},
        [this](const http::Request& request, const http::PathParams&) { return Rudder(request); });
  }

 private:
  using Answer =
      std::function<http::Response(const http::Request& request, const http::PathParams& params)>;

  static void Add(http::Router& router, const char* pattern, const char* summary,
                  std::vector<int> statuses, Answer answer) {
    router.Add({.method = http::Method::kGet,
                .pattern = pattern,
                .trailing_slash = true,
                .summary = summary,
                .statuses = std::move(statuses),
                .docs = {.any_query = true, .answer = config::schema::AnyObject()},
                .handle =
                    [answer = std::move(answer)](const http::Request& request,
                                                 const http::PathParams& params,
                                                 http::Responder responder) {
                      http::Response response = answer(request, params);
                      AddCorsHeaders(request, response);
                      // A cache between must not hand a page what was fetched without an Origin.
                      if (request.header("Origin").empty()) {
                        response.headers.emplace_back("Vary", "Origin");
                      }
                      responder.Send(std::move(response));
                    },
                .refuse = RefuseWithCors});
    AddPreflight(router, pattern);
  }

  static http::Response Cached(std::string body) {
    auto response = http::Response::Json(200, std::move(body));
    // Short, because a key that is withdrawn should soon stop its pages from sending.
    response.headers.emplace_back("Cache-Control", "public, max-age=300");
    return response;
  }

  static http::Response Refused(const ingest::Refusal& refusal, int status) {
    return http::ErrorResponse(status, refusal.code, refusal.message);
  }

  auto SourceOf(std::string_view key) const {
    return ingest::SourceOfKey(*context_.directory, key, context_.clock->Now());
  }

  http::Response Segment(const http::Request& request, std::string_view write_key) {
    const auto source = SourceOf(write_key);
    // The key is part of the path here, so an unknown one is a page that does not exist.
    if (!source) return Refused(source.error(), 404);
    return Cached(SegmentSettings(request, write_key));
  }

  http::Response Rudder(const http::Request& request) {
    const std::string key = ingest::KeyFromHead(request);
    const auto source = SourceOf(key);
    if (!source) return Refused(source.error(), source.error().status);
    auto response =
        http::Response::Json(200, RudderSettings(*source->source, key, context_.clock->Now()));
    response.headers.emplace_back("Cache-Control", "no-cache");
    return response;
  }

  const ingest::SourceContext context_;
};

const ingest::SourceRegistration kSettingsApi(
    "settings_api", "The settings that browser and mobile SDKs start with.",
    [](const ingest::SourceContext& context) -> std::unique_ptr<ingest::Source> {
      return std::make_unique<SettingsApi>(context);
    });

}  // namespace
}  // namespace tributary::sources
