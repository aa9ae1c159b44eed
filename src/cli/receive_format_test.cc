#include "cli/receive_format.h"

namespace tributary::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::int64_t kNowSeconds = 1'790'000'000;
constexpr UnixMicros kNow = kNowSeconds * kMicrosPerSecond;

codec::WebhookVerifier Verifier() {
  return *codec::WebhookVerifier::Make({std::string(kSecret)});
}

struct Sent {
  std::string body = R"({"type":"track","event":"Order Completed"})";
  std::string id = "msg_1";
  std::string timestamp = std::to_string(kNowSeconds);
  std::string signature;
  std::string path = "/hook";

  http::Request Request() const {
    http::Request request;
    request.method = http::Method::kPost;
    request.method_text = "POST";
    request.path = path;
    request.body = body;
    const auto add = [&](std::string_view name, const std::string& value) {
      if (!value.empty()) request.headers.emplace_back(name, value);
    };
    add("Webhook-Id", id);
    add("webhook-timestamp", timestamp);
    add("webhook-signature", signature);
    return request;
  }
  Sent Signed() const {
    Sent signed_one = *this;
    signed_one.signature =
        codec::WebhookSigner::Make({{std::string(kSecret)}})->Sign(id, kNow, body);
    return signed_one;
  }
};

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

TEST(Receive, GoodSignatureIsCalledValid) {
  ReceiveReport report({}, Verifier());
  const Sent sent = Sent().Signed();
  const std::string text = report.Describe(sent.Request(), kNow);
  EXPECT_THAT(FirstLine(text),
              EndsWith("  POST /hook  track \"Order Completed\"  msg_1  signature valid"));
  EXPECT_THAT(text, EndsWith("\n  {\n    \"type\": \"track\",\n    \"event\": \"Order Completed\"\n"
                             "  }\n"));
}

TEST(Receive, ChangedBodyIsCalledInvalid) {
  ReceiveReport report({}, Verifier());
  Sent sent = Sent().Signed();
  sent.body.back() = ' ';
  sent.body += '}';
  EXPECT_THAT(FirstLine(report.Describe(sent.Request(), kNow)),
              HasSubstr("signature INVALID (no signature matches)"));
}

TEST(Receive, OldTimestampIsCalledInvalidAndSaysWhy) {
  ReceiveReport report({}, Verifier());
  const Sent sent = Sent().Signed();
  const auto late = kNow + (codec::kWebhookToleranceSeconds + 1) * kMicrosPerSecond;
  EXPECT_THAT(report.Describe(sent.Request(), late), HasSubstr("INVALID (webhook-timestamp"));
}

TEST(Receive, MissingSignatureIsCalledAbsent) {
  ReceiveReport report({}, Verifier());
  EXPECT_THAT(report.Describe(Sent().Request(), kNow), HasSubstr("signature absent"));
}

TEST(Receive, WithoutASecretNothingIsCalledValid) {
  ReceiveReport report({}, std::nullopt);
  const std::string text = report.Describe(Sent().Signed().Request(), kNow);
  EXPECT_THAT(text, HasSubstr("signature not checked"));
  EXPECT_THAT(text, Not(HasSubstr("valid")));
}

TEST(Receive, SecondDeliveryOfAnIdIsARepeat) {
  ReceiveReport report({}, Verifier());
  const Sent sent = Sent().Signed();
  EXPECT_THAT(FirstLine(report.Describe(sent.Request(), kNow)), Not(HasSubstr("repeat")));
  EXPECT_THAT(FirstLine(report.Describe(sent.Request(), kNow)), EndsWith("  repeat"));
}

TEST(Receive, ForgedIdDoesNotMakeTheRealOneARepeat) {
  ReceiveReport report({}, Verifier());
  Sent forged = Sent().Signed();
  forged.body = "{}";
  report.Describe(forged.Request(), kNow);
  report.Describe(Sent().Request(), kNow);  // unsigned
  EXPECT_THAT(report.Describe(Sent().Signed().Request(), kNow), Not(HasSubstr("repeat")));
}

TEST(Receive, RequestCannotPrintALineThatLooksLikeAnother) {
  ReceiveReport report({.raw = true}, std::nullopt);
  Sent sent;
  sent.path = "/a\n00:00:00.000  POST /b  signature valid\x1b[1A";
  sent.body = "x\n00:00:00.000  POST /c  signature valid\n\x1b]0;title\x07";
  sent.id = "id\x1b[2J";
  const std::string text = report.Describe(sent.Request(), kNow);
  EXPECT_THAT(text, HasSubstr("\n  00:00:00.000  POST /c"));  // indented: part of a body
  EXPECT_THAT(text, Not(HasSubstr("\n00:")));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
}

TEST(Receive, LongPartsOfTheLineAreCut) {
  Sent sent;
  sent.path = "/" + std::string(kLineFieldBytesMax - 1, 'p');
  sent.body = "";
  ReceiveReport report({}, std::nullopt);
  EXPECT_THAT(report.Describe(sent.Request(), kNow), HasSubstr(sent.path + "  msg_1"));
  sent.path += 'q';
  EXPECT_THAT(report.Describe(sent.Request(), kNow), HasSubstr("p…  msg_1"));
}

TEST(EventLabel, IsTakenFromWhatTheBodySays) {
  EXPECT_EQ(EventLabel(R"({"type":"page","name":"Home"})"), "page \"Home\"");
  EXPECT_EQ(EventLabel(R"({"type":"identify"})"), "identify");
  EXPECT_EQ(EventLabel(R"({"event":"A\n\u001b[1m"})"), "\"A\\n\\x1b[1m\"");
  EXPECT_EQ(EventLabel(R"([{"type":"track"},{}])"), "2 events");
  EXPECT_EQ(EventLabel(R"({"type":7,"event":{}})"), "");
  EXPECT_EQ(EventLabel("hello"), "");
  EXPECT_EQ(EventLabel(""), "");
}

TEST(BodyBlock, IsCutAtItsLimitAndSaysSo) {
  const ReceiveFormat format{.raw = true, .body_bytes_max = 5};
  EXPECT_EQ(BodyBlock("12345", format), "  12345\n");
  EXPECT_EQ(BodyBlock("123456", format), "  12345\n  … (cut; 6 bytes came)\n");
  EXPECT_EQ(BodyBlock("", format), "");
}

TEST(BodyBlock, LargeJsonIsCutToo) {
  const std::string body = "[" + std::string(1000, '1') + "]";
  EXPECT_LT(BodyBlock(body, {.raw = false, .body_bytes_max = 100}).size(), 200u);
}

TEST(BodyBlock, RawLeavesJsonAlone) {
  EXPECT_EQ(BodyBlock("{\"a\":1}", {.raw = true}), "  {\"a\":1}\n");
  EXPECT_EQ(BodyBlock("{\"a\":1}", {}), "  {\n    \"a\": 1\n  }\n");
}

TEST(SeenIds, ForgetsTheOldestPastItsLimit) {
  SeenIds seen;
  for (std::size_t i = 0; i < kRememberedIdsMax; ++i) EXPECT_FALSE(seen.Repeats(std::to_string(i)));
  EXPECT_TRUE(seen.Repeats("0"));  // at the limit all are there
  EXPECT_FALSE(seen.Repeats("one more"));
  EXPECT_FALSE(seen.Repeats("0"));
  EXPECT_TRUE(seen.Repeats("2"));
}

}  // namespace
}  // namespace tributary::cli
