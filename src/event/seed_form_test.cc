#include "event/seed_form.h"

#include <nlohmann/json.hpp>

#include "event/json_text.h"

namespace tributary::event {
namespace {

using nlohmann::json;
constexpr std::string_view kReceivedText = "2026-11-21T19:49:24.424Z";

struct Seeded {
  std::string payload, key, name, message_id, error;
  UnixMicros event_time_us = 0;
};

Seeded Seed(std::string_view body) {
  JsonDocument document;
  SeedReader reader(os::SystemRandom());
  const auto root = document.Parse(body);
  EXPECT_TRUE(root);
  const auto made = reader.Make(*root, ParseIso8601(kReceivedText).value());
  if (!made) return {.error = made.error()};
  Seeded out{.key = std::string(made->key),
             .name = std::string(made->name),
             .message_id = std::string(made->message_id),
             .event_time_us = made->event_time_us};
  for (const auto part : made->parts) out.payload += part;
  return out;
}

constexpr std::string_view kDocumented =
    R"({"userId": "12345", "event": "user_clicked_promo", "timestamp": "2025-08-08T16:30:00Z",)"
    R"( "metadata": { "promoId":"PROMO_001", "device":"mobile",)"
    R"( "preferredChannel":"email", "n":1.0 }})";

TEST(SeedForm, BecomesTheCommonModel) {
  const Seeded made = Seed(kDocumented);
  ASSERT_EQ(made.error, "");
  const json payload = json::parse(made.payload);
  EXPECT_EQ(payload["type"], "track");
  EXPECT_EQ(payload["userId"], "12345");
  EXPECT_EQ(payload["event"], "user_clicked_promo");
  EXPECT_EQ(payload["properties"]["promoId"], "PROMO_001");
  EXPECT_EQ(payload["timestamp"], "2025-08-08T16:30:00.000Z");
  EXPECT_EQ(payload["originalTimestamp"], "2025-08-08T16:30:00Z");
  EXPECT_EQ(payload["receivedAt"], kReceivedText);
  EXPECT_EQ(payload["messageId"], made.message_id);
  EXPECT_EQ(payload.size(), 8u);
  EXPECT_EQ(made.key, "12345");
  EXPECT_EQ(made.name, "user_clicked_promo");
  EXPECT_EQ(made.event_time_us, ParseIso8601("2025-08-08T16:30:00Z"));
}

TEST(SeedForm, ComesBackByteForByte) {
  EXPECT_EQ(SeedForm(Seed(kDocumented).payload),
            R"({"userId":"12345","event":"user_clicked_promo","timestamp":"2025-08-08T16:30:00Z",)"
            R"("metadata":{ "promoId":"PROMO_001", "device":"mobile",)"
            R"( "preferredChannel":"email", "n":1.0 }})");
}

TEST(SeedForm, UnknownFieldsAreDroppedAndAbsentOnesStayAbsent) {
  const Seeded made = Seed(R"({"userId":"u","event":"e","type":"identify","anonymousId":"x"})");
  EXPECT_EQ(SeedForm(made.payload),
            R"({"userId":"u","event":"e","timestamp":"2026-11-21T19:49:24.424Z"})");
  EXPECT_EQ(json::parse(made.payload)["type"], "track");
  EXPECT_EQ(made.key, "u");
}

TEST(SeedForm, EscapesSurvive) {
  const Seeded made =
      Seed(R"({"userId":"a\"b","event":"\u00e9","metadata":{"k\n":"\ud83d\ude00"}})");
  EXPECT_EQ(made.key, "a\"b");
  EXPECT_EQ(made.name, "é");
  EXPECT_EQ(FindRawField(SeedForm(made.payload), "metadata"), R"({"k\n":"\ud83d\ude00"})");
}

TEST(SeedForm, NamesTheFieldThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "body must be an object"},
      {R"({"event":"e"})", "userId is required"},
      {R"({"userId":"","event":"e"})", "userId must be a non-empty string"},
      {R"({"userId":12,"event":"e"})", "userId must be a non-empty string"},
      {R"({"userId":null,"event":"e"})", "userId must be a non-empty string"},
      {R"({"userId":"u"})", "event is required"},
      {R"({"userId":"u","event":["e"]})", "event must be a non-empty string"},
      {R"({"userId":"u","event":"e","timestamp":"yesterday"})",
       "timestamp must be an ISO 8601 time such as 2025-08-08T16:30:00Z"},
      {R"({"userId":"u","event":"e","timestamp":1754670600})",
       "timestamp must be an ISO 8601 time such as 2025-08-08T16:30:00Z"},
      {R"({"userId":"u","event":"e","metadata":"x"})", "metadata must be an object"},
      {R"({"userId":"u","event":"e","metadata":{"preferredChannel":1}})",
       "metadata.preferredChannel must be a string or null"}};
  for (const auto& [body, error] : cases) EXPECT_EQ(Seed(body).error, error) << body;
  EXPECT_EQ(Seed(R"({"userId":"u","event":"e","metadata":{"preferredChannel":null}})").error, "");
}

TEST(SeedForm, PreferredChannelIsOneOfThree) {
  EXPECT_EQ(PreferredChannel(Seed(kDocumented).payload), "email");
  EXPECT_EQ(PreferredChannel(R"({"properties":{"preferredChannel":"sms"}})"), "sms");
  EXPECT_EQ(PreferredChannel(R"({"properties":{"preferredChannel":"fax"}})"), "");
  EXPECT_EQ(PreferredChannel(R"({"properties":{"preferredChannel":null}})"), "");
  EXPECT_EQ(PreferredChannel(R"({"properties":"x"})"), "");
  EXPECT_EQ(PreferredChannel(R"({})"), "");
}

}  // namespace
}  // namespace tributary::event
