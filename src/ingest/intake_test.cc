#include "ingest/intake.h"

#include <future>
#include <thread>

#include "http/error_response.h"
#include "os/asio_loop.h"
#include "support/manual_executor.h"
#include "support/memory_log.h"

namespace tributary::ingest {
namespace {

// Where answers go in these tests.
struct Answer {
  int sent = 0;
  int status = 0;
  std::string body;
  bool dropped = false;
};
class AnswerTarget final : public http::Responder::Target {
 public:
  explicit AnswerTarget(Answer& answer) : answer_(answer) {}
  void Send(http::Response response) override {
    ++answer_.sent;
    answer_.status = response.status;
    answer_.body = response.body;
  }
  void SendRaw(std::string_view bytes) override {
    ++answer_.sent;
    answer_.status = 200;
    answer_.body = bytes;
  }
  void Dropped() override { answer_.dropped = true; }
  void StartStream(http::Response) override {}
  bool WriteStream(std::string_view) override { return false; }
  void EndStream() override {}
  bool gone() const override { return false; }

 private:
  Answer& answer_;
};

http::Response OnFailure(const Error& error) {
  return http::ErrorResponse(error);
}

class IntakeTest : public testing::Test {
 protected:
  void Request(Answer& answer, std::string_view payload = "{}") {
    auto batch = intake.Open();
    ASSERT_TRUE(batch);
    ASSERT_TRUE((*batch)->Add({.key = "k"}, payload));
    intake.AnswerWhenDurable(http::Responder(std::make_shared<AnswerTarget>(answer)), "canned",
                             OnFailure);
  }

  void Settle() {
    loop.Run();
    log.Commit();
    loop.Run();
  }

  test::ManualExecutor loop;
  test::MemoryLog log{1, test::CommitMode::kManual};
  metrics::Registry registry;
  LoopIntake intake{loop, log, registry, {.waiting_bytes_max = 4096, .waiting_requests_max = 5}};
};

TEST_F(IntakeTest, NoAnswerGoesOutBeforeTheSync) {
  Answer answer;
  Request(answer);
  loop.Run();
  loop.Run();
  EXPECT_EQ(answer.sent, 0);  // appended, not durable
  log.Commit();
  EXPECT_EQ(answer.sent, 0);  // the writer's thread does not answer by itself
  loop.Run();
  EXPECT_EQ(answer.sent, 1);
  EXPECT_EQ(answer.body, "canned");
}

TEST_F(IntakeTest, RequestsOfOneTurnShareOneAppendAndOneWakeUp) {
  Answer answers[3];
  for (Answer& answer : answers) Request(answer);
  EXPECT_EQ(loop.waiting(), 1u);  // one flush
  loop.Run();
  EXPECT_EQ(log.assigned(0), 3u);
  log.Commit();
  EXPECT_EQ(loop.waiting(), 1u);  // one answer task
  loop.Run();
  for (const Answer& answer : answers) EXPECT_EQ(answer.sent, 1);
  EXPECT_EQ(intake.waiting_requests(), 0u);
  EXPECT_EQ(intake.waiting_bytes(), 0u);
}

TEST_F(IntakeTest, ABatchThatIsBigEnoughDoesNotWaitForTheTurn) {
  LoopIntake small(loop, log, registry, {.batch_bytes_wanted = 2000});
  Answer answers[3];
  const auto request = [&](Answer& answer) {
    auto batch = small.Open();
    ASSERT_TRUE(batch);
    ASSERT_TRUE((*batch)->Add({.key = "k"}, std::string(900, 'x')));
    small.AnswerWhenDurable(http::Responder(std::make_shared<AnswerTarget>(answer)), "canned",
                            OnFailure);
  };
  request(answers[0]);
  request(answers[1]);
  EXPECT_EQ(log.assigned(0), 0u);
  request(answers[2]);
  EXPECT_EQ(log.assigned(0), 3u);
  Settle();  // the flush that was posted finds nothing to do
  for (const Answer& answer : answers) EXPECT_EQ(answer.sent, 1);
  EXPECT_EQ(small.waiting_requests(), 0u);
  EXPECT_EQ(small.waiting_bytes(), 0u);
}

TEST_F(IntakeTest, ATurnMayFollowBeforeTheLastIsDurable) {
  Answer first, second;
  Request(first);
  loop.Run();
  Request(second);
  loop.Run();
  log.Commit();
  loop.Run();
  EXPECT_EQ(first.sent, 1);
  EXPECT_EQ(second.sent, 1);
  EXPECT_EQ(log.committed(0), 2u);
}

TEST_F(IntakeTest, AFailedSyncIsToldToEveryRequestOfTheBatch) {
  Answer answers[2];
  for (Answer& answer : answers) Request(answer);
  loop.Run();
  log.FailPending(Error(ErrorCode::kIo, "fdatasync /data/log: Input/output error"));
  loop.Run();
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body.find("/data/log"), std::string::npos);  // file names stay inside
  }
}

TEST_F(IntakeTest, ALogThatRefusesIsAnsweredInTheSameTurn) {
  log.RefuseAppends(Error(ErrorCode::kUnavailable, "the queue is full"));
  Answer answer;
  Request(answer);
  loop.Run();
  EXPECT_EQ(answer.status, 503);
  log.RefuseAppends(Error(ErrorCode::kExhausted, "no space"));
  Answer full;
  Request(full);
  loop.Run();
  EXPECT_EQ(full.status, 507);
  // Nothing of the refused requests is left for the next one.
  log.RefuseAppends(std::nullopt);
  Answer good;
  Request(good);
  loop.Run();
  log.Commit();
  loop.Run();
  EXPECT_EQ(good.body, "canned");
  EXPECT_EQ(log.committed(0), 1u);
}

TEST_F(IntakeTest, WhatTheLogDoesNotTakeIsCountedAsRefusedAndNotAsAccepted) {
  metrics::Counter& accepted = registry.AddCounter("accepted", "");
  Answer answers[4];
  log.RefuseAppends(Error(ErrorCode::kUnavailable, "the queue is full"));
  Request(answers[0]);
  Request(answers[1]);
  intake.CountWhenDurable(accepted, 2);
  loop.Run();
  EXPECT_EQ(accepted.value(), 0u);
  log.RefuseAppends(Error(ErrorCode::kExhausted, "no space"));
  Request(answers[2]);
  loop.Run();
  log.RefuseAppends(std::nullopt);
  Request(answers[3]);
  intake.CountWhenDurable(accepted, 3);
  intake.CountWhenDurable(accepted, 4);
  loop.Run();
  EXPECT_EQ(accepted.value(), 0u);  // not durable yet
  log.Commit();
  loop.Run();
  EXPECT_EQ(accepted.value(), 7u);
  EXPECT_THAT(registry.Expose(), testing::AllOf(testing::HasSubstr("intake_refused_total 2\n"),
                                                testing::HasSubstr("intake_failed_total 1\n")));
}

TEST_F(IntakeTest, ARolledBackRequestLeavesNothing) {
  Answer answer;
  Request(answer, "kept");
  auto batch = intake.Open();
  const auto mark = (*batch)->mark();
  ASSERT_TRUE((*batch)->Add({.key = "k"}, "dropped"));
  (*batch)->RollBack(mark);
  loop.Run();
  log.Commit();
  EXPECT_EQ(log.committed(0), 1u);
  EXPECT_EQ(log.ReadOne(0, 0)->record.payload, "kept");
  loop.Run();
  EXPECT_EQ(answer.body, "canned");
}

TEST_F(IntakeTest, WaitingRequestsHaveALimit) {
  Answer answers[5];
  for (Answer& answer : answers) Request(answer);
  const auto refused = intake.Open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  loop.Run();
  EXPECT_FALSE(intake.Open());  // handed over is not durable
  log.Commit();
  loop.Run();
  EXPECT_TRUE(intake.Open());
}

TEST_F(IntakeTest, WaitingBytesHaveALimit) {
  Answer answer;
  Request(answer, std::string(4096, 'x'));
  EXPECT_FALSE(intake.Open());
  loop.Run();
  EXPECT_FALSE(intake.Open());
  log.Commit();
  loop.Run();
  EXPECT_TRUE(intake.Open());
}

TEST_F(IntakeTest, BelowTheByteLimitItTakes) {
  Answer answer;
  Request(answer, std::string(3500, 'x'));
  EXPECT_LT(intake.waiting_bytes(), 4096u);
  EXPECT_TRUE(intake.Open());
  Settle();  // the answer is told while it still lives
}

TEST_F(IntakeTest, ARequestWithoutRecordsNeedsNoSync) {
  Answer answer;
  ASSERT_TRUE(intake.Open());
  intake.AnswerWhenDurable(http::Responder(std::make_shared<AnswerTarget>(answer)),
                           http::Response::Json(200, "{}"), OnFailure);
  loop.Run();
  EXPECT_EQ(answer.body, "{}");
}

TEST_F(IntakeTest, ClosedItTakesNothingButAnswersWhatWaits) {
  Answer answer;
  Request(answer);
  intake.Close();
  EXPECT_FALSE(intake.Open());
  loop.Run();
  log.Commit();
  loop.Run();
  EXPECT_EQ(answer.sent, 1);
}

TEST_F(IntakeTest, AnswersLostWithTheLoopAreDroppedNotLeaked) {
  Answer answer;
  {
    test::ManualExecutor short_lived;
    LoopIntake other(short_lived, log, registry);
    auto batch = other.Open();
    ASSERT_TRUE((*batch)->Add({.key = "k"}, "{}"));
    other.AnswerWhenDurable(http::Responder(std::make_shared<AnswerTarget>(answer)), "canned",
                            OnFailure);
    short_lived.Run();
    log.Commit();
  }
  EXPECT_TRUE(answer.dropped);
}

TEST(IntakeThreads, TheWriterIsAnotherThread) {
  os::AsioLoop loop;
  test::MemoryLog log(1, test::CommitMode::kManual);
  metrics::Registry registry;
  LoopIntake intake(loop, log, registry);
  constexpr int kRequests = 5000;
  std::vector<Answer> answers(kRequests);
  std::atomic<int> asked = 0;
  std::thread turns([&] { loop.Run(); });
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) log.Commit();
  });
  for (Answer& answer : answers) {
    loop.Post([&] {
      auto batch = intake.Open();
      EXPECT_TRUE(batch);
      EXPECT_TRUE((*batch)->Add({.key = "k"}, "{}"));
      intake.AnswerWhenDurable(http::Responder(std::make_shared<AnswerTarget>(answer)), "canned",
                               OnFailure);
      ++asked;
    });
  }
  const auto idle = [&] {
    std::promise<bool> result;
    loop.Post([&] { result.set_value(asked == kRequests && intake.waiting_requests() == 0); });
    return result.get_future().get();
  };
  while (!idle()) {
  }
  stop = true;
  writer.join();
  loop.Stop();
  turns.join();
  for (const Answer& answer : answers) EXPECT_EQ(answer.sent, 1);
  EXPECT_EQ(log.committed(0), static_cast<log::Offset>(kRequests));
}

}  // namespace
}  // namespace tributary::ingest
