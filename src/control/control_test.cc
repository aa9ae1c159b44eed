#include "control/control.h"

#include <nlohmann/json.hpp>

#include "control/blocking.h"
#include "control/control_kit_test.h"

namespace tributary::control {
namespace {

using http::Method;
using nlohmann::json;

TEST(Readyz, SaysWhyNot) {
  ControlKit kit;
  EXPECT_EQ(BodyOf(kit.Get("/readyz")),
            json::parse(R"({"status":"ready","accepting":true,"sync":"always","reasons":[]})"));
  kit.accepting = false;
  const http::Response response = kit.Get("/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(BodyOf(response)["accepting"], false);
  EXPECT_EQ(BodyOf(response)["reasons"][0], "starting or shutting down");
  EXPECT_EQ(kit.Get("/healthz").status, 200);
}

TEST(Readyz, AStoppedDedupeStageIsRed) {
  ControlKit kit;
  kit.index.failed = "io: fdatasync: Input/output error";
  const http::Response response = kit.Get("/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(BodyOf(response)["reasons"][0], "dedupe: io: fdatasync: Input/output error");
}

TEST(Metrics, AreInTheTextFormat) {
  ControlKit kit;
  kit.metrics.AddCounter("tributary_a_total", "A.").Add(2);
  const http::Response response = kit.Get("/metrics");
  EXPECT_EQ(response.body,
            "# HELP tributary_a_total A.\n# TYPE tributary_a_total counter\n"
            "tributary_a_total 2\n");
  EXPECT_EQ(response.headers[0].second, "text/plain; version=0.0.4; charset=utf-8");
}

TEST(OpenApi, HasEveryRouteWithItsParametersAndScope) {
  ControlKit kit;
  const json document = BodyOf(kit.Get("/api/v1/openapi.json"));
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_EQ(document["info"]["version"], "1.2.3");
  std::size_t operations = 0;
  std::set<std::string> ids;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      ++operations;
      EXPECT_FALSE(operation["summary"].get<std::string>().empty()) << path;
      EXPECT_TRUE(ids.insert(operation["operationId"]).second) << operation["operationId"];
    }
  }
  EXPECT_EQ(operations, kit.router.routes().size());
  const json& get = document["paths"]["/api/v1/destinations/{name}"]["get"];
  EXPECT_EQ(get["parameters"][0]["name"], "name");
  EXPECT_EQ(get["security"][0]["token"][0], "read");
}

TEST(OpenApi, EveryAnswerHasASchemaAndSharedOnesAreThereOnce) {
  ControlKit kit;
  const json document = BodyOf(kit.Get("/api/v1/openapi.json"));
  const json& schemas = document["components"]["schemas"];
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      for (const auto& [status, response] : operation["responses"].items()) {
        EXPECT_EQ(response.contains("content"), status != "204") << method << " " << path << status;
      }
    }
  }
  const std::string refers = R"("$ref":"#/components/schemas/)";
  const std::string text = document.dump();
  for (std::size_t at = text.find(refers); at != text.npos; at = text.find(refers, at + 1)) {
    const std::size_t from = at + refers.size();
    const std::string name = text.substr(from, text.find('"', from) - from);
    EXPECT_TRUE(schemas.contains(name)) << name;
    EXPECT_EQ(schemas[name]["title"], name);
  }
  EXPECT_EQ(document["paths"]["/readyz"]["get"]["responses"]["503"]["content"],
            document["paths"]["/readyz"]["get"]["responses"]["200"]["content"]);
}

TEST(Destinations, CallsReachTheEngineAndAnswerItsWords) {
  ControlKit kit;
  EXPECT_EQ(kit.Post("/api/v1/destinations", R"({"name":"x"})").status, 201);
  const auto put = [&] {
    return kit.Ask({.method = Method::kPut, .target = "/api/v1/destinations/a%20b", .body = "{}"});
  };
  EXPECT_EQ(put().status, 201);
  EXPECT_EQ(put().status, 200);
  EXPECT_EQ(
      kit.Ask({.method = Method::kPatch, .target = "/api/v1/destinations/x", .body = "{}"}).status,
      200);
  EXPECT_EQ(kit.Post("/api/v1/destinations/x/pause", "").status, 200);
  EXPECT_EQ(kit.Post("/api/v1/destinations/x/resume", "{}").status, 200);
  EXPECT_EQ(kit.Ask({.method = Method::kDelete, .target = "/api/v1/destinations/x"}).status, 204);
  EXPECT_EQ(kit.engine.calls,
            (std::vector<std::string>{R"(Create {"name":"x"})", "Replace a b {} create",
                                      "Replace a b {} create", "Patch x {}", "Pause x", "Resume x",
                                      "Delete x"}));
}

TEST(Destinations, RefusalsKeepTheEnginesFieldAndSentence) {
  const std::vector<std::tuple<ErrorCode, int, std::string>> cases = {
      {ErrorCode::kInvalid, 400, "invalid"},
      {ErrorCode::kDenied, 400, "blocked_address"},
      {ErrorCode::kNotFound, 404, "not_found"},
      {ErrorCode::kConflict, 409, "conflict"},
      {ErrorCode::kUnavailable, 503, "unavailable"}};
  for (const auto& [code, status, word] : cases) {
    ControlKit kit;
    kit.engine.refuse = Error(code, "url", "url is wrong");
    for (const Method method : {Method::kPut, Method::kPatch, Method::kDelete}) {
      Call call{.method = method, .target = "/api/v1/destinations/x"};
      if (method != Method::kDelete) call.body = "{}";
      const http::Response response = kit.Ask(call);
      EXPECT_EQ(response.status, status);
      EXPECT_EQ(
          BodyOf(response),
          (json{
              {"success", false}, {"code", word}, {"message", "url is wrong"}, {"field", "url"}}));
    }
    EXPECT_EQ(kit.Post("/api/v1/destinations", "{}").status, status);
    EXPECT_EQ(kit.Post("/api/v1/destinations/x/pause", "").status, status);
  }
}

TEST(Destinations, AreListedInPages) {
  ControlKit kit;
  for (const char* name : {"a", "b", "c"}) kit.engine.destinations[name] = "{\"name\":\"z\"}";
  json page = BodyOf(kit.Get("/api/v1/destinations"));
  EXPECT_EQ(page["data"].size(), 3u);
  EXPECT_TRUE(page["next_cursor"].is_null());
  page = BodyOf(kit.Get("/api/v1/destinations?limit=2"));
  EXPECT_EQ(page["data"].size(), 2u);
  EXPECT_EQ(page["next_cursor"], "next");
  EXPECT_EQ(kit.Get("/api/v1/destinations/a").body, "{\"name\":\"z\"}");
  EXPECT_EQ(kit.Get("/api/v1/destinations/nope").status, 404);
  EXPECT_EQ(kit.Get("/api/v1/destinations/a/stats").status, 200);
  EXPECT_EQ(BodyOf(kit.Get("/api/v1/destinations/a/stats"))["breaker"], "closed");
  EXPECT_EQ(kit.Get("/api/v1/destinations/nope/stats").status, 404);
}

TEST(Queries, WhatIsWrongIsNamedAndRefused) {
  ControlKit kit;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"?limit=0", "limit"},
      {"?limit=1001", "limit"},
      {"?limit=-1", "limit"},
      {"?limit=1x", "limit"},
      {"?limit=", "limit"},
      {"?limit=1&limit=2", "limit"},
      {"?limit=99999999999999999999", "limit"},
      {"?cursor=%zz", "cursor"},
      {"?cursor=bad", "cursor"},
      {"?limt=5", "limt"}};
  for (const auto& [query, field] : cases) {
    const http::Response response = kit.Get("/api/v1/destinations" + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(BodyOf(response)["field"], field) << query;
  }
  EXPECT_THAT(kit.Get("/api/v1/sources?limt=5").body, testing::HasSubstr("did you mean 'limit'?"));
  EXPECT_EQ(kit.Get("/api/v1/destinations?limit=1000").status, 200);
  EXPECT_EQ(kit.Get("/api/v1/destinations?limit=1&").status, 200);
  EXPECT_EQ(kit.Post("/api/v1/destinations?dry_run=1", "{}").status, 400);
  EXPECT_EQ(kit.Ask({.method = Method::kDelete, .target = "/api/v1/destinations/x?y"}).status, 400);
  EXPECT_EQ(kit.Post("/api/v1/destinations/x/pause", R"({"a":1})").status, 400);
  EXPECT_EQ(kit.Ask({.method = Method::kPost,
                     .target = "/api/v1/destinations",
                     .body = "{}",
                     .headers = {{"Content-Encoding", "gzip"}}})
                .status,
            400);
  EXPECT_TRUE(kit.engine.calls.empty());
}

TEST(Sources, AreShownWithoutTheirKeys) {
  ControlKit kit;
  const json one = BodyOf(kit.Get("/api/v1/sources/demo"));
  EXPECT_EQ(one["name"], "demo");
  EXPECT_EQ(one["write_keys"][0]["key"], "***");
  EXPECT_EQ(one["write_keys"][0]["id"], "config-1");
  EXPECT_EQ(kit.Get("/api/v1/sources/nope").status, 404);
  json page = BodyOf(kit.Get("/api/v1/sources?limit=1"));
  EXPECT_EQ(page["data"][0]["name"], "demo");
  page =
      BodyOf(kit.Get("/api/v1/sources?limit=1&cursor=" + page["next_cursor"].get<std::string>()));
  EXPECT_EQ(page["data"][0]["name"], "web");
  EXPECT_TRUE(page["next_cursor"].is_null());
  // Not even a name in the right alphabet: who makes cursors up would skip sources unseen.
  for (const char* made_up : {"***", "d2Vi", "c291cmNlOg", "YWZ0ZXI6d2Vi"}) {
    EXPECT_EQ(kit.Get("/api/v1/sources?cursor=" + std::string(made_up)).status, 400) << made_up;
  }
}

TEST(Events, TheTraceHasTheEventAndItsDeliveries) {
  ControlKit kit;
  kit.AddEvent("m-1", R"({"event":"x","n":12345678901234567890})");
  kit.engine.pairs = {{.destination = "hook", .state = deliver::PairState::kDelivered}};
  const http::Response response = kit.Get("/api/v1/events/m-1?source=demo");
  ASSERT_EQ(response.status, 200) << response.body;
  const json trace = BodyOf(response);
  EXPECT_EQ(trace["message_id"], "m-1");
  EXPECT_EQ(trace["source"], "demo");
  EXPECT_EQ(trace["received_at"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(trace["duplicates"], 2);
  EXPECT_EQ(trace["newest_duplicates"], json::parse(R"([{"received_at":"2023-11-14T22:13:22.000Z",
      "partition":1,"offset":7}])"));
  EXPECT_EQ(trace["damaged"], false);
  EXPECT_EQ(trace["deliveries"][0]["state"], "delivered");
  EXPECT_THAT(response.body,
              testing::HasSubstr(R"("event":{"event":"x","n":12345678901234567890})"))
      << "the event is not written anew";
  EXPECT_EQ(kit.index.asked_source, 1u);
  kit.Get("/api/v1/events/m-1");
  EXPECT_EQ(kit.index.asked_source, std::nullopt);
}

TEST(Events, WhatIsNotThereIs404AndABadSourceIs400) {
  ControlKit kit;
  EXPECT_EQ(kit.Get("/api/v1/events/none").status, 404);
  const http::Response response = kit.Get("/api/v1/events/none?source=nobody");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(BodyOf(response)["field"], "source");
}

TEST(Events, ADamagedRecordIsNamedAsSuch) {
  ControlKit kit;
  kit.AddEvent("m-1", "{}");
  kit.AddEvent("m-2", "{}");
  kit.log.Lose(0, 0);
  kit.log.RetainTo(0, 0);
  const http::Response response = kit.Get("/api/v1/events/m-1");
  EXPECT_EQ(response.status, 200);
  const json trace = BodyOf(response);
  EXPECT_EQ(trace["damaged"], true);
  EXPECT_EQ(trace["message_id"], "m-1");
  EXPECT_EQ(trace["received_at"], "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(trace["offset"], 0);
  EXPECT_EQ(trace["duplicates"], 2);
  EXPECT_TRUE(trace["event"].is_null());
  EXPECT_EQ(kit.Get("/responses/m-1").status, 410);
  EXPECT_EQ(kit.Get("/api/v1/events/m-2").status, 200);
  kit.log.RetainTo(0, 2);
  EXPECT_EQ(kit.Get("/api/v1/events/m-2").status, 404) << "retained away";
}

TEST(Events, TheTraceWaitsUntilTheIndexHasEveryPartition) {
  ControlKit kit;
  kit.AddEvent("m-1", "{}");
  kit.index.ready = false;
  auto target = kit.Start({.target = "/api/v1/events/m-1"});
  for (std::uint32_t p = 0; p < kit.log.partitions(); ++p) {
    while (kit.loop.RunOne()) {
    }
    EXPECT_FALSE(target->response) << "answered before the index had partition " << p;
    ASSERT_EQ(kit.index.waiting.size(), p + 1);
    kit.index.waiting.back()(true);
  }
  while (kit.loop.RunOne()) {
  }
  ASSERT_TRUE(target->response);
  EXPECT_EQ(target->response->status, 200);
}

TEST(Events, AnIndexThatStaysBehindIsSaidToBe) {
  ControlKit kit;
  kit.AddEvent("m-1", "{}");
  kit.index.ready = false;
  auto target = kit.Start({.target = "/api/v1/events/m-1"});
  kit.index.waiting.back()(false);
  EXPECT_FALSE(target->response) << "answered on another thread";
  kit.loop.RunOne();
  EXPECT_EQ(target->response->status, 504);
  kit.index.refuse = true;
  EXPECT_EQ(kit.Get("/api/v1/events/m-1").status, 503);
}

TEST(Blocking, MoreThanItsLimitIsRefusedNotQueued) {
  HandExecutor loop;
  HandExecutor worker;
  Blocking blocking(loop, worker);
  int answered = 0;
  const auto run = [&] { return blocking.Run([] { return 1; }, [&](int n) { answered += n; }); };
  for (std::size_t i = 0; i < kBlockingWaitingMax; ++i) ASSERT_TRUE(run());
  EXPECT_FALSE(run());
  ASSERT_TRUE(worker.RunOne());
  EXPECT_EQ(answered, 0) << "answered on the worker's thread";
  ASSERT_TRUE(loop.RunOne());
  EXPECT_EQ(answered, 1);
  EXPECT_TRUE(run());
}

TEST(TrackApi, DestinationsAreUpsertedInTheSeedsShapes) {
  ControlKit kit;
  const http::Response response = kit.Post(
      "/destinations",
      R"({"destinationName":"Braze12","url":"https://h.example/b","type":"CDP","headers":""})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"body": "{\"Destination created status\": \"success\"}"})");
  EXPECT_EQ(kit.engine.calls[0], R"(Replace Braze12 {"headers":{},"name":"Braze12","type":"CDP",)"
                                 R"("url":"https://h.example/b"} create)");
}

TEST(TrackApi, HeadersMayBeAbsentNullEmptyAnObjectOrATextWithOne) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "{}"},
      {R"(,"headers":null)", "{}"},
      {R"(,"headers":" ")", "{}"},
      {R"(,"headers":{"A":"b"})", R"({"A":"b"})"},
      {R"(,"headers":"{\"A\":\"b\"}")", R"({"A":"b"})"},
      {R"(,"password":null,"anything":1)", "{}"},
      {R"(,"password":"CANARY")", "{}"}};
  for (const auto& [extra, headers] : cases) {
    ControlKit kit;
    const std::string body = R"({"destinationName":"n","url":"u","type":"Analytics")" + extra + "}";
    EXPECT_EQ(kit.Post("/destinations", body).status, 200) << extra;
    EXPECT_EQ(kit.engine.calls.at(0), "Replace n {\"headers\":" + headers +
                                          R"(,"name":"n","type":"analytics","url":"u"} create)");
  }
}

TEST(TrackApi, BadInputIs400NamesTheFieldAndChangesNothing) {
  ControlKit kit;
  const std::string good = R"("destinationName":"n","url":"u","type":"CDP")";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "Invalid JSON input: not valid JSON at line 1, column 2"},
      {"[]", "Validation error: body must be a JSON object"},
      {R"({"url":"u","type":"CDP"})", "Validation error: destinationName is required"},
      {R"({"destinationName":"","url":"u","type":"CDP"})",
       "Validation error: destinationName must not be empty"},
      {R"({"destinationName":5,"url":"u","type":"CDP"})",
       "Validation error: destinationName must be a string"},
      {R"({"destinationName":"n","type":"CDP"})", "Validation error: url is required"},
      {R"({"destinationName":"n","url":"u"})", "Validation error: type is required"},
      {R"({"destinationName":"n","url":"u","type":"webhook"})",
       "Validation error: type must be CDP or analytics"},
      {"{" + good + R"(,"headers":5})",
       "Validation error: headers must be an object of strings, or a string holding one"},
      {"{" + good + R"(,"headers":"x"})",
       "Validation error: headers must be an object of strings, or a string holding one"},
      {"{" + good + R"(,"headers":{"a":1}})",
       "Validation error: headers must be an object of strings, or a string holding one"},
      {"{" + good + R"(,"password":1})", "Validation error: password must be a string or null"},
      {"{" + good + R"(,"url":"v"})",
       "Invalid JSON input: the JSON text names 'url' twice in one object"}};
  for (const auto& [body, message] : cases) {
    const http::Response response = kit.Post("/destinations", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_EQ(BodyOf(response), (json{{"error", message}})) << body;
  }
  EXPECT_TRUE(kit.engine.calls.empty());
}

TEST(TrackApi, RefusalsOfTheEngineKeepTheSeedsShape) {
  const std::vector<std::tuple<Error, int, std::string>> cases = {
      {Error(ErrorCode::kDenied, "url", "url is a loopback address"), 400,
       "Validation error: url is a loopback address"},
      {Error(ErrorCode::kInvalid, "name", "name is too long"), 400,
       "Validation error: destinationName: name is too long"},
      {Error(ErrorCode::kConflict, "declared"), 409, "Validation error: declared"},
      {Error(ErrorCode::kUnavailable, "closing"), 503, "closing"},
      {Error(ErrorCode::kIo, "/secret/path: EIO"), 500, "the destination could not be stored"}};
  for (const auto& [error, status, message] : cases) {
    ControlKit kit;
    kit.engine.refuse = error;
    const http::Response response =
        kit.Post("/destinations", R"({"destinationName":"n","url":"u","type":"CDP"})");
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(BodyOf(response), (json{{"error", message}}));
  }
}

TEST(TrackApi, TheResponsesRowHasTheThreeFields) {
  ControlKit kit;
  kit.AddEvent("u-1", R"({"event":"x"})");
  kit.engine.pairs = {{.destination = "a", .state = deliver::PairState::kDelivered},
                      {.destination = "b", .state = deliver::PairState::kRetrying},
                      {.destination = "c", .state = deliver::PairState::kFiltered}};
  for (const char* id : {"u-1", "messageId%20u-1"}) {
    const http::Response response = kit.Get("/responses/" + std::string(id));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(BodyOf(response), json::parse(R"({"responseId":"u-1","responseBody":{"event":"x"},
                                               "destinations":{"a":true,"b":false}})"));
  }
  EXPECT_EQ(kit.Get("/responses/none").status, 404);
  EXPECT_EQ(BodyOf(kit.Get("/responses/none")), (json{{"error", "no response with that id"}}));
}

void ExpectNoCanary(ControlKit& kit, std::initializer_list<const char*> bodies,
                    std::string_view except) {
  kit.engine.refuse = Error(ErrorCode::kInvalid, "url", "url must be https");
  for (const http::Route& route : kit.router.routes()) {
    if (route.pattern == except) continue;
    for (const char* body : bodies) {
      Call call{.method = route.method, .target = route.pattern, .body = body};
      call.headers = {{"Authorization", "Bearer CANARY"}, {"Content-Type", "application/json"}};
      EXPECT_EQ(kit.Ask(call).body.find("CANARY"), std::string::npos) << route.pattern << body;
    }
  }
}

TEST(Control, SecretsAppearInNoAnswer) {
  ControlKit kit;
  ExpectNoCanary(kit, {"", "CANARY", R"({"signing_secret":"CANARY")", R"({"token":"CANARY"})"}, "");
}

// The audit log tells the URL that somebody asked for; an answer to the asking does not.
TEST(Control, RefusedUrlsAreNotRepeated) {
  ControlKit kit;
  ExpectNoCanary(kit, {R"({"url":"CANARY"})"}, "/api/v1/audit-log");
}

}  // namespace
}  // namespace tributary::control
