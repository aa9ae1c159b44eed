// What another Tributary is sent, and what its answers mean.
#include "codec/gzip.h"
#include "destinations/destination_kit_test.h"

namespace tributary::destinations {
namespace {

using deliver::Verdict;
using nlohmann::json;
using test::FieldOf;
using test::World;

struct Chain : World {
  explicit Chain(json options = {{"url", "https://b.example/"}, {"write_key", "key"}})
      : next(Make("tributary", options)) {}
  json Batch() {
    std::string text;
    EXPECT_TRUE(codec::Inflate(*client.requests.back().body, 1 << 20, text).has_value());
    return json::parse(text);
  }
  void SendBatch(const std::string& body, std::uint32_t members) {
    const log::RecordView record{.payload = body};
    next->Deliver({.record = &record,
                   .body = body,
                   .batch = true,
                   .members = members,
                   .webhook_id = "msg_1",
                   .now_us = clock.Now()},
                  [this](deliver::Outcome o) { outcomes.push_back(std::move(o)); });
  }
  deliver::Outcome Answered(int status, const std::string& body) {
    client.Answer(client.dones.begin()->first, {.status = status, .body = body});
    return outcomes.back();
  }
  std::shared_ptr<deliver::Destination> next;
};

TEST(Tributary, SendsAGzipBatchToTheCollectionDoor) {
  Chain c;
  c.Deliver(*c.next,
            R"({"messageId":"m1","type":"track","originalTimestamp":"a","timestamp":"b"})");
  EXPECT_EQ(c.client.requests[0].url, "https://b.example/v1/batch");
  EXPECT_EQ(c.Header(0, "Authorization"), "Basic a2V5Og==");
  EXPECT_EQ(c.Header(0, "Content-Encoding"), "gzip");
  EXPECT_EQ(c.Batch(), json::parse(R"({"batch":[{"messageId":"m1","type":"track",)"
                                   R"("originalTimestamp":"a","timestamp":"b"}]})"));
}

TEST(Tributary, ATimeThatWasCorrectedIsNotCorrectedAgain) {
  Chain c;
  c.Deliver(*c.next, R"({"messageId":"m1","sentAt":"x","timestamp":"2024-01-01T00:00:00.000Z"})");
  EXPECT_EQ(c.Batch()["batch"][0]["originalTimestamp"], "2024-01-01T00:00:00.000Z");
  c.Deliver(*c.next, R"({"messageId":"m1"})");
  EXPECT_EQ(c.Batch()["batch"][0], json::parse(R"({"messageId":"m1"})"));
}

TEST(Tributary, ThePathIsAddedOnceAndGzipCanBeOff) {
  Chain c({{"url", "https://b.example/sub/v1/batch/"}, {"write_key", "k"}, {"gzip", false}});
  c.Deliver(*c.next, "{}");
  EXPECT_EQ(c.client.requests[0].url, "https://b.example/sub/v1/batch");
  EXPECT_EQ(*c.client.requests[0].body, R"({"batch":[{}]})");
  EXPECT_EQ(c.Header(0, "Content-Encoding"), "(none)");
}

TEST(Tributary, RefusedMembersAreNamedWithTheirCodes) {
  Chain c;
  c.SendBatch(R"([{"a":1},{"a":2},{"a":3}])", 3);
  EXPECT_EQ(c.Batch()["batch"].size(), 3U);
  const auto outcome = c.Answered(
      200, R"({"success":true,"rejected":[{"index":2,"code":"type_required","message":"x"},)"
           R"({"index":0,"code":"no_user_anon_id"},{"index":2},{"index":3},{"index":-1},5]})");
  EXPECT_EQ(outcome.verdict, Verdict::kDelivered);
  ASSERT_EQ(outcome.rejected.size(), 2U);
  EXPECT_EQ(outcome.rejected[0].index, 0U);
  EXPECT_EQ(outcome.rejected[0].error, "no_user_anon_id");
  EXPECT_EQ(outcome.rejected[1].index, 2U);
  EXPECT_EQ(outcome.rejected[1].error, "type_required: x");
}

TEST(Tributary, ASingleEventThatIsRefusedIsADeadLetter) {
  Chain c;
  c.Deliver(*c.next, "{}");
  const auto outcome = c.Answered(
      200, R"({"success":true,"rejected":[{"index":0,"code":"no_user_anon_id","message":"m"}]})");
  EXPECT_EQ(outcome.verdict, Verdict::kReject);
  EXPECT_EQ(outcome.error, "no_user_anon_id: m");
  EXPECT_TRUE(outcome.rejected.empty());
}

TEST(Tributary, OnlyATributarysAnswerIsADelivery) {
  const auto verdict = [](int status, const std::string& body) {
    Chain c;
    c.Deliver(*c.next, "{}");
    return c.Answered(status, body).verdict;
  };
  EXPECT_EQ(verdict(200, R"({"success":true})"), Verdict::kDelivered);
  EXPECT_EQ(verdict(200, "<html>log in</html>"), Verdict::kRetry);
  EXPECT_EQ(verdict(200, R"({"success":false})"), Verdict::kRetry);
  EXPECT_EQ(verdict(204, ""), Verdict::kRetry);
  EXPECT_EQ(verdict(401, ""), Verdict::kRetry);
  EXPECT_EQ(verdict(404, ""), Verdict::kRetry);
  EXPECT_EQ(verdict(400, ""), Verdict::kReject);
  EXPECT_EQ(verdict(410, ""), Verdict::kDisable);
  EXPECT_EQ(verdict(503, ""), Verdict::kRetry);
}

TEST(Tributary, WhatIsNoObjectCannotBeEncoded) {
  Chain c;
  c.SendBatch(R"([{"a":1},5])", 2);
  c.loop.Run();
  ASSERT_EQ(c.outcomes.size(), 1U);
  EXPECT_EQ(c.outcomes[0].verdict, Verdict::kReject);
}

TEST(Tributary, BadOptionsAreNamed) {
  World w;
  const auto field = [&](const json& options) { return FieldOf(w.Check("tributary", options)); };
  EXPECT_EQ(field({{"write_key", "k"}}), "url");
  EXPECT_EQ(field({{"url", "https://b.example"}}), "write_key");
  EXPECT_EQ(field({{"url", "https://b.example"}, {"write_key", "a:b"}}), "write_key");
  EXPECT_EQ(field({{"url", "https://b.example/?a"}, {"write_key", "k"}}), "url");
  EXPECT_EQ(field({{"url", "https://b.example"}, {"write_key", "k"}}), "accepted");
}

}  // namespace
}  // namespace tributary::destinations
