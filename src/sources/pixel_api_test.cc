#include "base/bytes.h"
#include "base/limits.h"
#include "sources/pixel_query.h"
#include "sources/source_kit_test.h"

namespace tributary::sources {
namespace {

using test::Answer;
using test::json;
using test::SourceKit;

Answer GetPixel(SourceKit& kit, std::string target, http::Method method = http::Method::kGet) {
  return kit.Ask({.method = method, .target = std::move(target)});
}
constexpr const char* kFlat =
    "/v1/pixel/track?userId=user_123&event=Email%20Opened&properties.subject=The+Daily"
    "&properties.email=jane%40example.com&writeKey=WRITE_KEY";

TEST(PixelApi, AnswersWithATransparentGif) {
  SourceKit kit;
  const Answer answer = GetPixel(kit, kFlat);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Type"), "image/gif");
  EXPECT_EQ(answer.header("Cache-Control"), "no-cache, no-store, must-revalidate");
  EXPECT_EQ(
      ToHex(std::string_view(answer.body)),
      "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b");
}

TEST(PixelApi, FlatAndPackedParametersMeanTheSame) {
  SourceKit kit;
  GetPixel(kit, kFlat);
  // {"writeKey":"WRITE_KEY","userId":"user_123","event":"Email Opened","properties":{…}}
  GetPixel(
      kit,
      "/v1/pixel/track?data=eyJ3cml0ZUtleSI6IldSSVRFX0tFWSIsInVzZXJJZCI6InVzZXJfMTIzIiwiZXZlbnQiOi"
      "JFbWFpbCBPcGVuZWQiLCJwcm9wZXJ0aWVzIjp7InN1YmplY3QiOiJUaGUgRGFpbHkiLCJlbWFpbCI6ImphbmVAZXhhb"
      "XBsZS5jb20ifX0");
  const auto records = kit.Records();
  ASSERT_EQ(records.size(), 2u);
  for (const test::Record& record : records) {
    const json event = record.parsed();
    EXPECT_EQ(event["type"], "track");
    EXPECT_EQ(event["userId"], "user_123");
    EXPECT_EQ(event["event"], "Email Opened");
    EXPECT_EQ(event["properties"],
              json::parse(R"({"subject":"The Daily","email":"jane@example.com"})"));
    EXPECT_FALSE(event.contains("writeKey"));
  }
}

TEST(PixelApi, RudderStacksFormIsFilledIn) {
  SourceKit kit;
  GetPixel(kit,
           "/pixel/v1/"
           "page?writeKey=WRITE_KEY&anonymousId=%22anon-1%22&context.page.url=https%3A%2F%2Fx");
  const json event = kit.Only().parsed();
  EXPECT_EQ(event["type"], "page");
  EXPECT_EQ(event["anonymousId"], "anon-1");
  EXPECT_EQ(event["name"], "Unknown Page");
  EXPECT_EQ(event["channel"], "web");
  EXPECT_EQ(event["integrations"]["All"], true);
  EXPECT_EQ(event["context"]["page"]["url"], "https://x");
  EXPECT_EQ(event["timestamp"], FormatIso8601(test::kNow));
}

TEST(PixelApi, TheImageComesWhateverIsWrong) {
  SourceKit kit;
  for (const char* target :
       {"/v1/pixel/track", "/v1/pixel/track?writeKey=WRITE_KEY", "/v1/pixel/track?data=%%%",
        "/v1/pixel/track?data=bm90IGpzb24&writeKey=WRITE_KEY",
        "/v1/pixel/identify?writeKey=wrong&userId=u",
        "/pixel/v1/track?writeKey=WRITE_KEY&userId=u&event=",
        "/v1/pixel/page?%FF=%FF&writeKey=WRITE_KEY"}) {
    const Answer answer = GetPixel(kit, target);
    EXPECT_EQ(answer.status, 200) << target;
    EXPECT_EQ(answer.body.size(), 43u);
  }
  EXPECT_TRUE(kit.Records().empty());
  EXPECT_THAT(kit.registry.Expose(), testing::HasSubstr("invalid_write_key"));
}

TEST(PixelApi, WithoutDurabilityNo200) {
  SourceKit kit;
  Answer answer;
  kit.Start({.method = http::Method::kGet, .target = kFlat}, answer);
  kit.loop.Run();
  EXPECT_FALSE(answer.sent);
  kit.Settle();
  EXPECT_EQ(answer.status, 200);
  kit.log.RefuseAppends(Error(ErrorCode::kExhausted, "full"));
  answer = GetPixel(kit, kFlat);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body.size(), 43u);
  EXPECT_EQ(answer.header("Retry-After"), "1");
}

TEST(PixelApi, AHeadRequestIsNoEvent) {
  SourceKit kit;
  EXPECT_EQ(GetPixel(kit, kFlat, http::Method::kHead).status, 200);
  EXPECT_TRUE(kit.Records().empty());
}

TEST(PixelQuery, ParametersAndDepthHaveALimit) {
  const auto of = [](std::size_t count) {
    std::string query;
    for (std::size_t i = 0; i < count; ++i) query += "k" + std::to_string(i) + "=v&";
    return query;
  };
  EXPECT_TRUE(SegmentPixelEvent(of(kPixelParametersMax)));
  EXPECT_FALSE(SegmentPixelEvent(of(kPixelParametersMax + 1)));
  const auto deep = [](std::size_t levels) {
    std::string name = "a";
    for (std::size_t i = 1; i < levels; ++i) name += ".a";
    return name + "=1";
  };
  EXPECT_TRUE(SegmentPixelEvent(deep(kJsonDepthMax - 1)));
  EXPECT_FALSE(SegmentPixelEvent(deep(kJsonDepthMax)));
}

TEST(PixelQuery, TheFirstOfConflictingParametersStays) {
  EXPECT_EQ(SegmentPixelEvent("a=1&a.b=2"), R"({"a":"1"})");
  EXPECT_EQ(SegmentPixelEvent("a.b=1&a=2"), R"({"a":{"b":"1"}})");
  EXPECT_EQ(SegmentPixelEvent("a=1&a=2"), R"({"a":"1"})");
}

}  // namespace
}  // namespace tributary::sources
