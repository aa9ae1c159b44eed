#include "http/router.h"

#include <gtest/gtest.h>

#include "http/cors.h"
#include "http/error_response.h"

namespace tributary::http {
namespace {

struct Recorder : Responder::Target {
  void Send(Response r) override { response = std::move(r); }
  void SendRaw(std::string_view) override {}
  void Dropped() override { response.status = 500; }
  void StartStream(Response) override {}
  bool WriteStream(std::string_view) override { return false; }
  void EndStream() override {}
  bool gone() const override { return false; }
  Response response;
};

struct RouterTest : ::testing::Test {
  void Add(Method method, const std::string& pattern, bool trailing_slash = false) {
    router.Add({.method = method,
                .pattern = pattern,
                .body_bytes_max = pattern.size(),
                .trailing_slash = trailing_slash,
                .handle = [pattern, method](const Request&, const PathParams& params, Responder r) {
                  std::string text = std::string(MethodName(method)) + " " + pattern;
                  for (const auto& [name, value] : params) text += " " + name + "=" + value;
                  r.Send(Response::Text(200, text));
                }});
  }
  Response Ask(Method method, std::string_view path) {
    const auto target = std::make_shared<Recorder>();
    const Request request{.method = method, .path = path};
    router.Handle(request, Responder(target));
    return target->response;
  }
  Router router;
};

TEST_F(RouterTest, LiteralPathsMatchExactly) {
  Add(Method::kPost, "/v1/track");
  Add(Method::kPost, "/track");
  EXPECT_EQ(Ask(Method::kPost, "/v1/track").body, "POST /v1/track");
  EXPECT_EQ(Ask(Method::kPost, "/track").body, "POST /track");
  for (const char* path : {"/v1/track/", "/v1//track", "/V1/track", "/v1/trac", "/v1/track/x",
                           "/v1/%74rack", "//track", "/", "*", "/v1"}) {
    EXPECT_EQ(Ask(Method::kPost, path).status, 404) << path;
  }
}

TEST_F(RouterTest, ParametersTakeOneSegmentDecoded) {
  Add(Method::kGet, "/a/{name}");
  Add(Method::kGet, "/a/{name}/b/{id}");
  Add(Method::kGet, "/a/literal");
  EXPECT_EQ(Ask(Method::kGet, "/a/x").body, "GET /a/{name} name=x");
  EXPECT_EQ(Ask(Method::kGet, "/a/literal").body, "GET /a/literal");
  EXPECT_EQ(Ask(Method::kGet, "/a/literal/b/7").body, "GET /a/{name}/b/{id} id=7 name=literal");
  EXPECT_EQ(Ask(Method::kGet, "/a/x%2Fy+z%20q").body, "GET /a/{name} name=x/y+z q");
  for (const char* path :
       {"/a/", "/a", "/a/x/", "/a/x/b", "/a/x/b/", "/a//b/7", "/a/%zz", "/a/%2"}) {
    EXPECT_EQ(Ask(Method::kGet, path).status, 404) << path;
  }
}

TEST_F(RouterTest, PatternsMayNameTheSameSegmentDifferently) {
  Add(Method::kGet, "/a/{one}");
  Add(Method::kDelete, "/a/{two}");
  EXPECT_EQ(Ask(Method::kGet, "/a/x").body, "GET /a/{one} one=x");
  EXPECT_EQ(Ask(Method::kDelete, "/a/x").body, "DELETE /a/{two} two=x");
}

TEST_F(RouterTest, TrailingSlashOnlyWhereSaid) {
  Add(Method::kGet, "/strict");
  Add(Method::kGet, "/lax", true);
  Add(Method::kGet, "/lax/{id}", true);
  EXPECT_EQ(Ask(Method::kGet, "/strict/").status, 404);
  EXPECT_EQ(Ask(Method::kGet, "/lax/").body, "GET /lax");
  EXPECT_EQ(Ask(Method::kGet, "/lax/5/").body, "GET /lax/{id} id=5");
  EXPECT_EQ(Ask(Method::kGet, "/lax//").status, 404);
}

TEST_F(RouterTest, AnotherMethodIs405WithAllowAndHeadIsGet) {
  Add(Method::kGet, "/a/{name}");
  Add(Method::kPut, "/a/{name}");
  Add(Method::kPost, "/b");
  const Response response = Ask(Method::kPost, "/a/x");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.back(), Header("Allow", "GET, HEAD, PUT"));
  EXPECT_EQ(Ask(Method::kHead, "/a/x").body, "GET /a/{name} name=x");
  EXPECT_EQ(Ask(Method::kHead, "/b").status, 405);
  EXPECT_EQ(Ask(Method::kGet, "/c").status, 404);
}

TEST_F(RouterTest, BodyLimitIsTheRoutes) {
  Add(Method::kPost, "/twelve/byte");
  EXPECT_EQ(router.BodyBytesMax({.method = Method::kPost, .path = "/twelve/byte"}), 12u);
  EXPECT_EQ(router.BodyBytesMax({.method = Method::kPost, .path = "/none"}),
            Router::kUnroutedBodyBytesMax);
}

TEST_F(RouterTest, TheGateStandsBeforeEveryMatchedEntry) {
  Add(Method::kGet, "/a");
  router.SetGate([](const Route& route, const Request&, Responder& responder) {
    EXPECT_EQ(route.pattern, "/a");
    responder.Send(UnauthorizedResponse("who are you?"));
    return false;
  });
  EXPECT_EQ(Ask(Method::kGet, "/a").status, 401);
  EXPECT_EQ(Ask(Method::kGet, "/b").status, 404);
}

TEST_F(RouterTest, TheSameEntryTwiceIsABug) {
  Add(Method::kGet, "/a/{x}");
  EXPECT_DEATH(Add(Method::kGet, "/a/{y}"), "method");
}

TEST(ErrorResponse, EveryCodeHasItsStatus) {
  const std::pair<ErrorCode, int> statuses[] = {
      {ErrorCode::kInvalid, 400},     {ErrorCode::kNotFound, 404}, {ErrorCode::kConflict, 409},
      {ErrorCode::kDenied, 403},      {ErrorCode::kTooLarge, 413}, {ErrorCode::kExhausted, 507},
      {ErrorCode::kUnavailable, 503}, {ErrorCode::kDeadline, 504}, {ErrorCode::kCorrupt, 500},
      {ErrorCode::kIo, 500},          {ErrorCode::kInternal, 500}, {ErrorCode::kUnsupported, 400}};
  for (const auto& [code, status] : statuses) {
    const Response response = ErrorResponse(Error(code, "why"));
    EXPECT_EQ(response.status, status);
    const bool retry = response.headers.size() > 1 && response.headers[1].first == "Retry-After";
    EXPECT_EQ(retry, status == 503 || status == 507);
    EXPECT_NE(response.body.find("\"code\":\"" + std::string(CodeName(code)) + "\""),
              std::string::npos);
  }
  EXPECT_EQ(ErrorResponse(Error(ErrorCode::kIo, "open /secret")).body.find("/secret"),
            std::string::npos);
}

TEST(ErrorResponse, WhatItQuotesStaysJson) {
  const Error error(ErrorCode::kInvalid, "na\"me", "a\\b\n\x01\xC3\xA9\xFF\xED\xA0\x80");
  EXPECT_EQ(ErrorResponse(error).body,
            "{\"success\":false,\"code\":\"invalid\",\"message\":"
            "\"a\\\\b\\u000a\\u0001\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\","
            "\"field\":\"na\\\"me\"}");
}

TEST(Cors, PreflightEchoesWhatWasAsked) {
  Request request{.method = Method::kOptions};
  request.headers = {{"Origin", "https://shop.example"},
                     {"Access-Control-Request-Headers", "authorization,x-retry-count"}};
  const Response response = CorsPreflight(request);
  EXPECT_EQ(response.status, 204);
  const auto has = [&](const char* name, const char* value) {
    return std::ranges::count(response.headers, Header(name, value)) == 1;
  };
  EXPECT_TRUE(has("Access-Control-Allow-Origin", "https://shop.example"));
  EXPECT_TRUE(has("Access-Control-Allow-Headers", "authorization,x-retry-count"));
  EXPECT_TRUE(has("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS"));
  EXPECT_TRUE(has("Access-Control-Max-Age", "86400"));
  EXPECT_TRUE(has("Vary", "Origin"));
  Response plain;
  AddCorsHeaders({}, plain);
  EXPECT_TRUE(plain.headers.empty());
}

TEST(QueryParameter, IsFoundDecodedOrSaidToBeAbsent) {
  std::string value;
  EXPECT_TRUE(QueryParameter("a=1&b=x%20y+z&c", "b", value));
  EXPECT_EQ(value, "x y z");
  EXPECT_TRUE(QueryParameter("a=1&b=2&c", "c", value));
  EXPECT_EQ(value, "");
  EXPECT_TRUE(QueryParameter("a=1&a=2", "a", value));
  EXPECT_EQ(value, "1");
  EXPECT_TRUE(QueryParameter("a%20b=1", "a b", value));
  EXPECT_FALSE(QueryParameter("a=%zz", "a", value));
  EXPECT_FALSE(QueryParameter("a=%2", "a", value));
  EXPECT_FALSE(QueryParameter("", "a", value));
  EXPECT_FALSE(QueryParameter("ab=1", "a", value));
}

TEST_F(RouterTest, WhatIsRefusedBeforeTheHandlerHasTheShapeOfItsRoute) {
  router.Add({.method = Method::kPost, .pattern = "/usual"});
  router.Add({.method = Method::kPost,
              .pattern = "/own",
              .refuse = [](const Request&, int status, std::string_view, std::string_view message) {
                return Response::Text(status == 413 ? 400 : status, "own: " + std::string(message));
              }});
  const auto refused = [this](Method method, std::string_view path) {
    const Request head{.method = method, .path = path};
    return router.Refusal(head, 413, "too_large", "too much");
  };
  EXPECT_EQ(refused(Method::kPost, "/usual").status, 413);
  EXPECT_EQ(refused(Method::kPost, "/nowhere").status, 413);
  EXPECT_EQ(refused(Method::kPost, "/own").status, 400);
  EXPECT_EQ(refused(Method::kPost, "/own").body, "own: too much");
  EXPECT_EQ(refused(Method::kPut, "/own").body, "own: too much");
  EXPECT_EQ(Ask(Method::kGet, "/own").status, 405);
  EXPECT_EQ(Ask(Method::kGet, "/own").body, "own: /own answers POST");
}

}  // namespace
}  // namespace tributary::http
