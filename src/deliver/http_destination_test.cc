#include "deliver/http_destination.h"

#include <gtest/gtest.h>

#include "support/durations.h"

namespace tributary::deliver {
namespace {

// 1994-11-06T08:49:37Z
constexpr UnixMicros kMoment = 784'111'777LL * kMicrosPerSecond;

http::ClientResponse Answer(int status) {
  return {.status = status};
}

TEST(JudgeResponse, EveryStatusHasItsVerdict) {
  for (int status = 100; status < 600; ++status) {
    Verdict wanted = Verdict::kReject;
    if (status >= 200 && status < 300) wanted = Verdict::kDelivered;
    if (status == 408 || status == 409 || status == 425 || status == 429 || status >= 500) {
      wanted = Verdict::kRetry;
    }
    if (status == 410) wanted = Verdict::kDisable;
    const Outcome outcome = JudgeResponse(Answer(status), kMoment, {});
    ASSERT_EQ(outcome.verdict, wanted) << status;
    ASSERT_EQ(outcome.status, status);
    ASSERT_EQ(outcome.error.empty(), wanted == Verdict::kDelivered) << status;
  }
}

TEST(JudgeResponse, ADestinationMayNameTheStatusesThatAreTriedAgain) {
  const auto chosen = RetriedStatuses::Of({"401", "410", "302", "50x"});
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().field(), "retry.statuses[3]");
  const auto retried = RetriedStatuses::Of({"401", "410", "302", "5xx"}).value();
  for (int status = 300; status < 600; ++status) {
    const bool again = status == 401 || status == 410 || status == 302 || status >= 500;
    ASSERT_EQ(JudgeResponse(Answer(status), kMoment, retried).verdict,
              again ? Verdict::kRetry : Verdict::kReject)
        << status;
  }
  EXPECT_EQ(JudgeResponse(Answer(204), kMoment, retried).verdict, Verdict::kDelivered);
  EXPECT_EQ(JudgeResponse({.failure = http::Failure::kReset}, kMoment, retried).verdict,
            Verdict::kRetry);
  http::ClientResponse limited = Answer(401);
  limited.headers = {{"Retry-After", "7"}};
  EXPECT_EQ(JudgeResponse(limited, kMoment, retried).retry_after_ns, 7 * kS);
}

TEST(RetriedStatuses, AreThreeDigitsOrAHundredFrom300To599) {
  for (const char* word : {"", "4", "42", "4290", "200", "2xx", "600", "6xx", "299", "xxx", "4x9",
                           "-42", "+42", " 42", "5XX", "4.2"}) {
    EXPECT_FALSE(RetriedStatuses::Of({word}).has_value()) << word;
  }
  const auto edges = RetriedStatuses::Of({"300", "599"}).value();
  EXPECT_TRUE(edges.contains(300) && edges.contains(599));
  for (const int status : {0, 200, 299, 301, 598}) EXPECT_FALSE(edges.contains(status));
  for (const int status : {600, 999}) {
    EXPECT_TRUE(edges.contains(status) && RetriedStatuses().contains(status));
  }
  EXPECT_FALSE(RetriedStatuses::Of({}).value().contains(500));
}

TEST(JudgeResponse, NetworkErrorsAreRetriedAndNamed) {
  using http::Failure;
  for (const Failure failure :
       {Failure::kTimeout, Failure::kRefused, Failure::kReset, Failure::kNotFound, Failure::kTls,
        Failure::kBlocked, Failure::kOther}) {
    const Outcome outcome = JudgeResponse({.failure = failure, .error = "why"}, kMoment, {});
    EXPECT_EQ(outcome.verdict, Verdict::kRetry);
    EXPECT_EQ(outcome.error, std::string(http::FailureName(failure)) + ": why");
  }
  EXPECT_EQ(JudgeResponse({.failure = Failure::kInvalidUrl}, kMoment, {}).verdict,
            Verdict::kReject);
}

TEST(JudgeResponse, KeepsTheBeginningOfTheAnswer) {
  http::ClientResponse response = Answer(500);
  response.body = std::string(kResponseBytesKept + 1, 'x');
  EXPECT_EQ(JudgeResponse(response, kMoment, {}).response.size(), kResponseBytesKept);
}

TEST(JudgeResponse, RetryAfterIsFoundInAnyLetterCase) {
  http::ClientResponse response = Answer(503);
  response.headers = {{"Date", "x"}, {"ReTry-After", " 12 "}};
  EXPECT_EQ(JudgeResponse(response, kMoment, {}).retry_after_ns, 12 * kS);
  response.status = 200;
  EXPECT_EQ(JudgeResponse(response, kMoment, {}).retry_after_ns, std::nullopt);
}

TEST(RetryAfter, SecondsDatesAndNonsense) {
  EXPECT_EQ(ParseRetryAfter("0", kMoment), 0);
  EXPECT_EQ(ParseRetryAfter("120", kMoment), 120 * kS);
  EXPECT_EQ(ParseRetryAfter("86400", kMoment), kRetryAfterMax);
  EXPECT_EQ(ParseRetryAfter("86401", kMoment), kRetryAfterMax);
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999", kMoment), kRetryAfterMax);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:50:07 GMT", kMoment), 30 * kS);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:07 GMT", kMoment), 0);  // past: now
  EXPECT_EQ(ParseRetryAfter("Sunday, 06-Nov-94 08:50:07 GMT", kMoment), 30 * kS);
  EXPECT_EQ(ParseRetryAfter("Sun Nov  6 08:50:07 1994", kMoment), 30 * kS);
  EXPECT_EQ(ParseRetryAfter("Fri, 31 Dec 2199 23:59:59 GMT", kMoment), kRetryAfterMax);
  for (const char* nonsense :
       {"", "-1", "-5", "soon", "1.5", "1e9", "0x10", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 99 Nov 1994 08:49:37 GMT", "12 34"}) {
    EXPECT_EQ(ParseRetryAfter(nonsense, kMoment), std::nullopt) << nonsense;
  }
}

std::string FieldOf(const std::string& name, const std::string& value = "v") {
  const auto checked = CheckCustomHeaders({{name, config::Secret(value)}});
  return checked ? "accepted" : checked.error().field();
}

TEST(CustomHeaders, LetterCaseDoesNotMakeTwoOfOne) {
  const config::Secret value("v");
  const auto checked = CheckCustomHeaders({{"X-Team", value}, {"x-team", value}});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().field(), "headers.x-team");
  EXPECT_TRUE(CheckCustomHeaders({{"X-Team", value}, {"X-Teams", value}}));
}

TEST(CustomHeaders, ForbiddenOnesAreNamedInAnyLetterCase) {
  for (const char* name : {"user-agent",
                           "Keep-Alive",
                           "proxy-authenticate",
                           "proxy-authorization",
                           "Proxy-Connection",
                           "http2-settings",
                           "TE",
                           "trailers",
                           "Transfer-Encoding",
                           "upgrade",
                           "age",
                           "cache-control",
                           "clear-site-data",
                           "expires",
                           "pragma",
                           "warning",
                           "Content-Length",
                           "Content-Type",
                           "content-encoding",
                           "content-language",
                           "content-location",
                           "Host",
                           "connection",
                           "x-amz-date",
                           "X-Amzn-Id",
                           "x-google-a",
                           "x-goog-b",
                           "x-gfe-c",
                           "x-azure-d",
                           "x-fd-e",
                           "x-svix-f",
                           "svix-id",
                           "webhook-id",
                           "Webhook-Signature",
                           "Tributary-Replay"}) {
    EXPECT_EQ(FieldOf(name), std::string("headers.") + name);
  }
  EXPECT_EQ(FieldOf("Authorization", "Bearer x"), "accepted");
  EXPECT_EQ(FieldOf("X-Api-Key"), "accepted");
}

TEST(CustomHeaders, LineBreaksAndBrokenNamesAreRefused) {
  EXPECT_EQ(FieldOf("X", "a\r\nHost: evil"), "headers.X");
  EXPECT_EQ(FieldOf("X", "a\n"), "headers.X");
  EXPECT_EQ(FieldOf("X", std::string("a\0b", 3)), "headers.X");
  EXPECT_EQ(FieldOf("X", "tab\tis fine"), "accepted");
  EXPECT_EQ(FieldOf("X Y"), "headers.X Y");
  EXPECT_EQ(FieldOf("X:"), "headers.X:");
  EXPECT_EQ(FieldOf(""), "headers.");
  EXPECT_EQ(FieldOf("X", std::string(4095, 'v')), "accepted");
  EXPECT_EQ(FieldOf("X", std::string(4096, 'v')), "headers.X");
}

TEST(CustomHeaders, AtMostFifty) {
  std::map<std::string, config::Secret> headers;
  for (int i = 0; i < 50; ++i) headers["X-" + std::to_string(i)] = config::Secret("v");
  EXPECT_TRUE(CheckCustomHeaders(headers).has_value());
  headers["X-50"] = config::Secret("v");
  EXPECT_EQ(CheckCustomHeaders(headers).error().field(), "headers");
}

TEST(WebhookHeaders, SignatureIsThatOfTheSpecification) {
  auto signer = codec::WebhookSigner::Make({{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}});
  ASSERT_TRUE(signer.has_value());
  std::vector<http::Header> headers;
  AddWebhookHeaders("msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330LL * kMicrosPerSecond + 999'999,
                    R"({"test": 2432232314})", &*signer, headers);
  const std::vector<http::Header> wanted{
      {"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
      {"webhook-timestamp", "1614265330"},
      {"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}};
  EXPECT_EQ(headers, wanted);
}

}  // namespace
}  // namespace tributary::deliver
