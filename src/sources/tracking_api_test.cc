#include "codec/gzip.h"
#include "deliver/notice.h"
#include "sources/collector.h"
#include "sources/source_kit_test.h"

namespace tributary::sources {
namespace {

using test::Answer;
using test::json;
using test::SourceKit;

constexpr const char* kOk = "{\"success\":true}";
constexpr const char* kTrack = R"({"userId":"u","event":"e","messageId":"m"})";
constexpr const char* kTyped = R"({"type":"track","userId":"u","event":"e"})";

std::string BatchOf(std::size_t events) {
  std::string body = "{\"batch\":[";
  for (std::size_t i = 0; i < events; ++i) body += (i == 0 ? "" : ",") + std::string(kTyped);
  return body + "]}";
}

TEST(TrackingApi, SuccessIsExactlyThis) {
  SourceKit kit;
  Answer answer = kit.Post("/v1/track", kTrack);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kOk);
  answer = kit.Post("/v1/batch", BatchOf(2));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kOk);
  EXPECT_EQ(kit.Records().size(), 3u);
}

TEST(TrackingApi, NoAnswerGoesOutBeforeTheSync) {
  SourceKit kit;
  for (const auto& [target, body] :
       {std::pair<std::string, std::string>("/v1/track", kTrack), {"/v1/batch", BatchOf(3)}}) {
    Answer answer;
    kit.Start({.target = target, .body = body, .headers = {{"X-Write-Key", "WRITE_KEY"}}}, answer);
    kit.loop.Run();
    EXPECT_FALSE(answer.sent);
    kit.log.Commit();
    EXPECT_FALSE(answer.sent);
    kit.loop.Run();
    EXPECT_TRUE(answer.sent);
  }
}

TEST(TrackingApi, EveryPathSaysItsType) {
  const std::pair<const char*, log::EventType> paths[] = {
      {"/v1/track", log::EventType::kTrack},       {"/v1/t", log::EventType::kTrack},
      {"/v1/identify", log::EventType::kIdentify}, {"/v1/i", log::EventType::kIdentify},
      {"/v1/page", log::EventType::kPage},         {"/v1/p/", log::EventType::kPage},
      {"/v1/screen", log::EventType::kScreen},     {"/v1/s", log::EventType::kScreen},
      {"/v1/group/", log::EventType::kGroup},      {"/v1/g", log::EventType::kGroup},
      {"/v1/alias", log::EventType::kAlias},       {"/v1/a", log::EventType::kAlias}};
  for (const auto& [path, type] : paths) {
    SourceKit kit;
    kit.Post(path, R"({"userId":"u","event":"e","groupId":"g","previousId":"p"})");
    EXPECT_EQ(kit.Only().fields.type, type) << path;
  }
  for (const char* path : {"/v1/batch", "/v1/b", "/v1/batch/", "/b", "/batch", "/batch/b",
                           "/v1/batch/b", "/v1/import"}) {
    SourceKit kit;
    kit.Post(path, BatchOf(1));
    EXPECT_EQ(kit.Only().fields.type, log::EventType::kTrack) << path;
    const int historical = std::string(path) == "/v1/import" ? log::kFlagHistorical : 0;
    EXPECT_EQ(kit.Only().fields.flags, historical | log::kFlagForAll);
  }
}

TEST(TrackingApi, EventsThatWereNoticesAreKnownByTheirFlag) {
  const std::vector<std::pair<std::string, std::string>> headers{
      {"Authorization", "Basic V1JJVEVfS0VZOg=="}, {"tributary-notice-from", "far"}};
  for (const auto& [path, body] : std::map<std::string, std::string>{
           {"/v1/t", R"({"userId":"u","event":"e"})"}, {"/v1/batch", BatchOf(1)}}) {
    SourceKit kit;
    kit.Ask({.target = path, .body = body, .headers = headers});
    EXPECT_EQ(kit.Only().fields.flags, log::kFlagForAll | deliver::kFlagNotice) << path;
    // Of the next request nothing is known.
    kit.Ask({.target = "/v1/t", .body = R"({"userId":"v","event":"e"})", .headers = {headers[0]}});
    EXPECT_EQ(kit.Records().back().fields.flags, log::kFlagForAll) << path;
  }
}

TEST(TrackingApi, RecordHeadersSayWhatRoutingNeeds) {
  SourceKit kit;
  kit.Post("/v1/t",
           R"({"userId":"u","anonymousId":"a","event":"Order","messageId":"m",)"
           R"("timestamp":"2026-11-21T19:49:24.086Z","sentAt":"2026-11-21T19:49:24.090Z"})");
  const test::Record record = kit.Only();
  EXPECT_EQ(record.fields.source, 1u);
  EXPECT_EQ(record.fields.kind, log::Kind::kEvent);
  EXPECT_EQ(record.key, "a");
  EXPECT_EQ(record.name, "Order");
  EXPECT_EQ(record.message_id, "m");
  EXPECT_EQ(record.fields.received_at_us, test::kNow);
  EXPECT_EQ(FormatIso8601(record.fields.event_time_us), "2026-11-21T19:49:24.420Z");
}

TEST(TrackingApi, KeysAreLookedUpInOrder) {
  const auto key = [](std::string basic, std::string query, std::string body) {
    SourceKit kit;
    test::Sent sent{.target = "/v1/track" + query, .body = std::move(body)};
    if (!basic.empty()) sent.headers = {{"Authorization", basic}};
    const Answer answer = kit.Ask(sent);
    return answer.status == 200 ? std::to_string(kit.Only().fields.source) : answer.code();
  };
  const std::string with_key = R"({"type":"track","userId":"u","event":"e","writeKey":"WEB"})";
  EXPECT_EQ(key("Basic V1JJVEVfS0VZOg==", "?writeKey=WEB", with_key), "1");  // the header wins
  EXPECT_EQ(key("", "?writeKey=WRITE_KEY", with_key), "1");
  EXPECT_EQ(key("Bearer token", "", with_key), "3");
  EXPECT_EQ(key("", "", kTrack), "write_key_missing");
  EXPECT_EQ(key("", "?writeKey=nobody", with_key), "invalid_write_key");
  EXPECT_EQ(key("", "?writeKey=OFF", with_key), "source_disabled");
  SourceKit kit;
  EXPECT_EQ(kit.Ask({.target = "/v1/b", .body = R"({"batch":[)" + with_key + "]}"}).status, 200);
  EXPECT_EQ(kit.Only().fields.source, 3u);
}

TEST(TrackingApi, ErrorsCarryCodeAndMessage) {
  SourceKit kit;
  const std::pair<const char*, const char*> cases[] = {{"", "invalid_json"},
                                                       {"{", "invalid_json"},
                                                       {"[]", "invalid_json"},
                                                       {"{\"userId\":\"\xFF\"}", "invalid_json"},
                                                       {"null", "invalid_json"},
                                                       {R"({"event":"e"})", "no_user_anon_id"},
                                                       {R"({"userId":"u"})", "event_not_defined"}};
  for (const auto& [body, code] : cases) {
    const Answer answer = kit.Post("/v1/track", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.parsed()["code"], code);
    EXPECT_TRUE(answer.parsed()["message"].is_string());
    EXPECT_EQ(answer.parsed()["success"], false);
  }
  EXPECT_TRUE(kit.Records().empty());
}

TEST(TrackingApi, ABatchNamesWhatItRefusedAndKeepsTheRest) {
  SourceKit kit;
  const Answer answer =
      kit.Post("/v1/batch", R"({"batch":[{"type":"track","userId":"u","event":"1"},)"
                            R"({"type":"track","userId":"u","messageId":"m\"2"},7,)"
                            R"({"type":"page","anonymousId":"a","messageId":"m4"}]})");
  EXPECT_EQ(answer.status, 200);
  const json body = answer.parsed();
  EXPECT_EQ(body["success"], true);
  ASSERT_EQ(body["rejected"].size(), 2u);
  EXPECT_EQ(body["rejected"][0]["index"], 1);
  EXPECT_EQ(body["rejected"][0]["messageId"], "m\"2");
  EXPECT_EQ(body["rejected"][0]["code"], "event_not_defined");
  EXPECT_TRUE(body["rejected"][0]["message"].is_string());
  EXPECT_EQ(body["rejected"][1]["index"], 2);
  EXPECT_EQ(body["rejected"][1]["messageId"], nullptr);
  ASSERT_EQ(kit.Records().size(), 2u);
  EXPECT_EQ(kit.Records()[0].name, "1");  // in the order of the array
  EXPECT_EQ(kit.Records()[1].message_id, "m4");
}

TEST(TrackingApi, ABatchOfNothingGoodIsStill200) {
  SourceKit kit;
  EXPECT_EQ(kit.Post("/v1/batch", R"({"batch":[]})").body, kOk);
  const Answer answer = kit.Post("/v1/batch", R"({"batch":[{}]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.parsed()["rejected"].size(), 1u);
  EXPECT_EQ(kit.Post("/v1/batch", R"({})").status, 400);
  EXPECT_EQ(kit.Post("/v1/batch", R"({"batch":{}})").code(), "batch_not_array");
  EXPECT_TRUE(kit.Records().empty());
}

TEST(TrackingApi, ABatchMayHoldTwoThousandFiveHundredEvents) {
  SourceKit kit;
  EXPECT_EQ(kit.Post("/v1/batch", BatchOf(kBatchEventsMax)).body, kOk);
  EXPECT_EQ(kit.Records().size(), kBatchEventsMax);
  std::string too_many = BatchOf(kBatchEventsMax);
  too_many.insert(too_many.size() - 2, R"(,{"messageId":"late"})");
  const Answer answer = kit.Post("/v1/batch", too_many);
  EXPECT_EQ(answer.status, 200);
  ASSERT_EQ(answer.parsed()["rejected"].size(), 1u);
  EXPECT_EQ(answer.parsed()["rejected"][0]["code"], "batch_too_many_events");
  EXPECT_EQ(answer.parsed()["rejected"][0]["index"], kBatchEventsMax);
  EXPECT_EQ(answer.parsed()["rejected"][0]["messageId"], "late");
  EXPECT_EQ(kit.Records().size(), 2 * kBatchEventsMax);
}

TEST(TrackingApi, TheListOfRefusedEventsIsBounded) {
  SourceKit kit;
  std::string body = "{\"batch\":[0";
  for (int i = 1; i < 100'000; ++i) body += ",0";
  const Answer answer = kit.Post("/v1/batch", body + "]}");
  EXPECT_EQ(answer.parsed()["rejected"].size(), kRejectedListedMax);
  EXPECT_EQ(answer.parsed()["rejected_total"], 100'000);
  EXPECT_LT(answer.body.size(), 1u << 20);
}

TEST(TrackingApi, BodiesHaveALimit) {
  SourceKit kit;
  const auto of_size = [](std::size_t size) {
    std::string body = R"({"batch":[],"x":""})";
    body.insert(body.size() - 2, std::string(size - body.size(), 'x'));
    return body;
  };
  EXPECT_EQ(kit.Post("/v1/batch", of_size(kBatchBytesMax)).status, 200);
  const Answer answer = kit.Post("/v1/batch", of_size(kBatchBytesMax + 1));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code(), "body_too_large");
  EXPECT_THAT(answer.body, testing::HasSubstr(std::to_string(kBatchBytesMax)));
}

TEST(TrackingApi, AnEventTooLargeIsItsOwnAffair) {
  SourceKit kit;
  const std::string large = R"({"type":"page","userId":"u","messageId":"big","x":")" +
                            std::string(kEventBytesMax, 'x') + "\"}";
  EXPECT_EQ(kit.Post("/v1/page", large).code(), "event_too_large");
  const Answer answer =
      kit.Post("/v1/batch", "{\"batch\":[" + std::string(kTyped) + "," + large + "]}");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.parsed()["rejected"][0]["messageId"], "big");
  EXPECT_EQ(kit.Records().size(), 1u);
}

TEST(TrackingApi, GzipIsRecognisedByItsFirstBytes) {
  SourceKit kit;
  const std::string packed = codec::GzipCompress(BatchOf(2));
  EXPECT_EQ(kit.Ask({.target = "/v1/batch?writeKey=WRITE_KEY",
                     .body = packed,
                     .headers = {{"Content-Encoding", "gzip"},
                                 {"Content-Type", "application/x-www-form-urlencoded"}}})
                .body,
            kOk);
  EXPECT_EQ(kit.Ask({.target = "/v1/batch?writeKey=WRITE_KEY", .body = packed}).body, kOk);
  EXPECT_EQ(kit.Ask({.target = "/v1/batch?writeKey=WRITE_KEY",
                     .body = codec::ZlibCompress(BatchOf(2)),
                     .headers = {{"Content-Encoding", "Deflate"}}})
                .body,
            kOk);
  EXPECT_EQ(kit.Records().size(), 6u);
  const Answer cut = kit.Post("/v1/batch", packed.substr(0, packed.size() / 2));
  EXPECT_EQ(cut.status, 400);
  EXPECT_EQ(cut.code(), "invalid_gzip");
}

TEST(TrackingApi, AGzipBombIsRefusedWithoutBeingInflated) {
  SourceKit kit;
  const std::string bomb = codec::GzipCompress(std::string(100 << 20, ' '), 9);
  ASSERT_LT(bomb.size(), 200'000u);
  const auto start = std::chrono::steady_clock::now();
  const Answer answer = kit.Post("/v1/batch", bomb);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(200));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code(), "body_too_large");
}

TEST(TrackingApi, BracketsAreRefusedQuickly) {
  SourceKit kit;
  const std::string body = "{\"userId\":" + std::string(200'000, '[');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(kit.Post("/v1/track", body).status, 400);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(5));
}

TEST(TrackingApi, BrowsersAreToldWhatTheyNeed) {
  SourceKit kit;
  const std::vector<std::pair<std::string, std::string>> origin = {
      {"Origin", "http://www.shop.example"}, {"Authorization", "Basic V1JJVEVfS0VZOg=="}};
  for (const char* body : {kTrack, "{", R"({"userId":"u"})"}) {
    const Answer answer = kit.Ask({.target = "/v1/t", .body = body, .headers = origin});
    EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "http://www.shop.example") << body;
    EXPECT_EQ(answer.header("Access-Control-Expose-Headers"), "Retry-After");
    EXPECT_EQ(answer.header("Vary"), "Origin");
  }
  kit.log.RefuseAppends(Error(ErrorCode::kUnavailable, "behind"));
  const Answer refused = kit.Ask({.target = "/v1/t", .body = kTrack, .headers = origin});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Access-Control-Allow-Origin"), "http://www.shop.example");
  EXPECT_NE(refused.header("Retry-After"), "");
}

TEST(TrackingApi, PreflightsAreAnsweredOnEveryPath) {
  SourceKit kit;
  for (const char* path : {"/v1/track", "/v1/p", "/v1/batch/", "/beacon/v1/batch", "/v1/m",
                           "/v1/projects/K/settings", "/sourceConfig/"}) {
    const Answer answer =
        kit.Ask({.method = http::Method::kOptions,
                 .target = path,
                 .headers = {{"Origin", "http://www.shop.example"},
                             {"Access-Control-Request-Method", "POST"},
                             {"Access-Control-Request-Headers", "authorization,x-retry-count"}}});
    EXPECT_EQ(answer.status, 204) << path;
    EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "http://www.shop.example");
    EXPECT_EQ(answer.header("Access-Control-Allow-Headers"), "authorization,x-retry-count");
    EXPECT_EQ(answer.header("Access-Control-Max-Age"), "86400");
    EXPECT_THAT(answer.header("Access-Control-Allow-Methods"), testing::HasSubstr("POST"));
  }
}

TEST(TrackingApi, BackPressureIs503AtOnceAndNothingIsKept) {
  SourceKit kit(SourceKit::DefaultSources(), true, {.waiting_requests_max = 1});
  Answer first, second;
  const test::Sent sent{.target = "/v1/track?writeKey=WRITE_KEY", .body = kTrack};
  kit.Start(sent, first);
  kit.Start(sent, second);
  EXPECT_TRUE(second.sent);
  EXPECT_EQ(second.status, 503);
  EXPECT_EQ(second.header("Retry-After"), "1");
  EXPECT_FALSE(first.sent);
  kit.Settle();
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(kit.Records().size(), 1u);
  EXPECT_EQ(kit.Ask(sent).status, 200);
}

TEST(TrackingApi, AFullDiskIs507) {
  SourceKit kit;
  kit.log.RefuseAppends(Error(ErrorCode::kExhausted, "no space for the next segment"));
  const Answer answer = kit.Post("/v1/track", kTrack);
  EXPECT_EQ(answer.status, 507);
  EXPECT_EQ(answer.header("Retry-After"), "1");
}

TEST(TrackingApi, SdkMeasurementsAreThrownAway) {
  SourceKit kit;
  EXPECT_EQ(kit.Ask({.target = "/v1/m", .body = "{\"series\":[]}"}).body, kOk);
  EXPECT_TRUE(kit.Records().empty());
}

TEST(TrackingApi, ASourcesOwnLimitsCount) {
  SourceKit kit({{.id = 1,
                  .name = "small",
                  .write_keys = {"WRITE_KEY"},
                  .event_bytes_max = 100,
                  .batch_bytes_max = 300}});
  EXPECT_EQ(kit.Post("/v1/track", kTrack).status, 200);
  EXPECT_EQ(
      kit.Post("/v1/track", R"({"userId":"u","event":")" + std::string(100, 'x') + "\"}").code(),
      "event_too_large");
  EXPECT_EQ(kit.Post("/v1/batch", BatchOf(50)).code(), "body_too_large");
}

TEST(TrackingApi, ASourcesOwnLimitsCountWhereverItsKeyIs) {
  SourceKit kit({{.id = 1, .name = "small", .write_keys = {"SMALL"}, .batch_bytes_max = 300},
                 {.id = 2, .name = "large", .write_keys = {"LARGE"}, .batch_bytes_max = 900'000}});
  const auto post = [&](std::string_view key, std::size_t events, bool in_body) {
    std::string body = BatchOf(events);
    if (!in_body)
      return kit.Ask(
          {.target = "/v1/batch", .body = body, .headers = {{"X-Write-Key", std::string(key)}}});
    body.insert(1, "\"writeKey\":\"" + std::string(key) + "\",");
    return kit.Ask({.target = "/v1/batch", .body = body});
  };
  for (const bool in_body : {false, true}) {
    EXPECT_EQ(post("SMALL", 2, in_body).body, kOk);
    const Answer refused = post("SMALL", 50, in_body);
    EXPECT_EQ(refused.code(), "body_too_large") << in_body;
    EXPECT_THAT(refused.body, testing::HasSubstr("300"));
    EXPECT_EQ(post("LARGE", 12'000, in_body).status, 200) << in_body;
    EXPECT_EQ(post("LARGE", 25'000, in_body).code(), "body_too_large") << in_body;
  }
}

TEST(TrackingApi, ATooLargeEventIsToldItsSizeAndItsLimit) {
  SourceKit kit({{.id = 1, .name = "small", .write_keys = {"WRITE_KEY"}, .event_bytes_max = 20}});
  const Answer answer = kit.Post("/v1/track", R"({"userId":"u","event":"e"})");
  EXPECT_EQ(answer.code(), "event_too_large");
  EXPECT_THAT(
      answer.body,
      testing::HasSubstr("the event has 26 bytes, more than the event_size of its source, 20"));
}

TEST(TrackingApi, BrowserSourcesGetTheirAddress) {
  SourceKit kit;
  kit.Ask({.target = "/v1/t?writeKey=WEB",
           .body = kTrack,
           .headers = {{"X-Forwarded-For", "198.51.100.7"}}});
  EXPECT_EQ(kit.Only().parsed()["context"]["ip"], "198.51.100.7");
}

TEST(TrackingApi, CountsBySourceAndCode) {
  SourceKit kit;
  kit.Post("/v1/track", kTrack);
  kit.Post("/v1/track", R"({"userId":"u"})");
  kit.Post("/v1/track", "{");
  kit.Post("/v1/batch", R"({"batch":[]})");
  const std::string text = kit.registry.Expose();
  EXPECT_THAT(text, testing::HasSubstr("tributary_events_accepted_total{source=\"demo\"} 1\n"));
  EXPECT_THAT(
      text, testing::HasSubstr(
                "tributary_events_rejected_total{source=\"demo\",code=\"event_not_defined\"} 1\n"));
  EXPECT_THAT(text,
              testing::HasSubstr(
                  "tributary_events_rejected_total{source=\"demo\",code=\"empty_batch\"} 1\n"));
  EXPECT_THAT(text,
              testing::HasSubstr("tributary_requests_refused_total{code=\"invalid_json\"} 1\n"));
}

}  // namespace
}  // namespace tributary::sources
