#include <regex>

#include "deliver/notice.h"
#include "event/seed_form.h"
#include "sources/source_kit_test.h"

namespace tributary::sources {
namespace {

using test::Answer;
using test::json;
using test::SourceKit;

constexpr const char* kBody =
    R"({"userId":"12345","event":"user_clicked_promo","timestamp":"2025-08-08T16:30:00Z",)"
    R"("metadata":{"promoId":"PROMO_001","device":"mobile","preferredChannel":"email"}})";

Answer Track(SourceKit& kit, std::string body, std::string query = {}) {
  return kit.Ask({.target = "/track" + query, .body = std::move(body)});
}

TEST(TrackApi, AnswersWithTheMessageIdInItsOddShape) {
  SourceKit kit;
  const Answer answer = Track(kit, kBody);
  EXPECT_EQ(answer.status, 200);
  std::smatch match;
  const std::regex shape(
      R"re(\{"body": "\{\\"messageId\\": \\"messageId ([0-9a-f-]{36})\\"\}"\})re");
  ASSERT_TRUE(std::regex_match(answer.body, match, shape)) << answer.body;
  const test::Record record = kit.Only();
  EXPECT_EQ(record.message_id, match[1]);
  EXPECT_EQ(record.fields.flags, log::kFlagSeedForm);
  EXPECT_EQ(record.key, "12345");
  EXPECT_EQ(record.name, "user_clicked_promo");
  EXPECT_EQ(event::SeedForm(record.payload), kBody);
}

TEST(TrackApi, NoAnswerGoesOutBeforeTheSync) {
  SourceKit kit;
  Answer answer;
  kit.Start({.target = "/track", .body = kBody}, answer);
  kit.loop.Run();
  EXPECT_FALSE(answer.sent);
  kit.Settle();
  EXPECT_TRUE(answer.sent);
}

TEST(TrackApi, BadInputIs400InTheSeedsShape) {
  SourceKit kit;
  const std::pair<const char*, const char*> cases[] = {
      {"{", "Invalid JSON input: "},
      {"", "Invalid JSON input: "},
      {R"({"event":"e"})", "Validation error: userId "},
      {R"({"userId":"u"})", "Validation error: event "},
      {R"({"userId":"u","event":"e","timestamp":"no"})", "Validation error: timestamp "},
      {R"({"userId":"u","event":"e","metadata":[]})", "Validation error: metadata "},
      {"[]", "Validation error: body "}};
  for (const auto& [body, begin] : cases) {
    const Answer answer = Track(kit, body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.parsed().size(), 1u);
    EXPECT_TRUE(answer.parsed()["error"].get<std::string>().starts_with(begin)) << answer.body;
  }
  EXPECT_TRUE(kit.Records().empty());
}

TEST(TrackApi, SizeHasALimit) {
  SourceKit kit;
  const auto of_size = [](std::size_t size) {
    std::string body = R"({"userId":"u","event":""})";
    body.insert(body.size() - 2, std::string(size - body.size(), 'e'));
    return body;
  };
  EXPECT_EQ(Track(kit, of_size(kEventBytesMax)).status, 200);
  EXPECT_EQ(Track(kit, of_size(kEventBytesMax + 1)).status, 400);
}

TEST(TrackApi, FailuresOfTheLogKeepTheShape) {
  SourceKit kit;
  kit.log.RefuseAppends(Error(ErrorCode::kUnavailable, "behind"));
  Answer answer = Track(kit, kBody);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_TRUE(answer.parsed()["error"].is_string());
  kit.log.RefuseAppends(Error(ErrorCode::kExhausted, "full"));
  EXPECT_EQ(Track(kit, kBody).status, 507);
  kit.log.RefuseAppends(Error(ErrorCode::kIo, "fdatasync /data: no"));
  answer = Track(kit, kBody);
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("/data"), std::string::npos);
}

TEST(TrackApi, KeylessOnlyWhereThatIsAllowed) {
  SourceKit open_to_all({{.id = 1, .name = "demo", .write_keys = {"K"}}}, /*loopback=*/false);
  EXPECT_EQ(Track(open_to_all, kBody).status, 401);
  EXPECT_EQ(Track(open_to_all, kBody, "?writeKey=K").status, 200);
  EXPECT_EQ(Track(open_to_all, kBody, "?writeKey=wrong").status, 401);
  SourceKit declared({{.id = 1, .name = "demo"}, {.id = 2, .name = "s", .keyless = true}}, false);
  EXPECT_EQ(Track(declared, kBody).status, 200);
  EXPECT_EQ(declared.Only().fields.source, 2u);
  SourceKit loopback;
  EXPECT_EQ(Track(loopback, kBody, "?writeKey=wrong").status, 401);
}

TEST(TrackApi, AnEventThatWasANoticeIsKnownByItsFlag) {
  SourceKit kit;
  kit.Ask({.target = "/track", .body = kBody, .headers = {{"Tributary-Notice-From", "far"}}});
  EXPECT_EQ(kit.Only().fields.flags, log::kFlagSeedForm | deliver::kFlagNotice);
}

TEST(TrackApi, IsNotTheTrackingApisTrack) {
  SourceKit kit;
  EXPECT_EQ(kit.Post("/v1/track", kBody).body, "{\"success\":true}");
  EXPECT_EQ(kit.Only().fields.flags, log::kFlagForAll);
}

}  // namespace
}  // namespace tributary::sources
