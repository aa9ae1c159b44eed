#include "route/jq_pool.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "os/clock.h"
#include "support/late_signals.h"

namespace tributary::route {
namespace {

using namespace std::chrono_literals;

// The pool with threads of its own.
class JqPoolTest : public testing::Test {
 protected:
  ~JqPoolTest() override {
    pool_.Close();
    for (std::thread& thread : threads_) thread.join();
  }
  std::future<Result<std::string>> Run(JqTask task, const std::string& program,
                                       std::string input = "{}") {
    auto promise = std::make_shared<std::promise<Result<std::string>>>();
    auto future = promise->get_future();
    pool_.Run(task, std::make_shared<const std::string>(program), std::move(input),
              [promise](Result<std::string> result) { promise->set_value(std::move(result)); });
    return future;
  }
  std::size_t threads() {
    const std::lock_guard lock(mutex_);
    return threads_.size();
  }

  std::mutex mutex_;
  std::vector<std::thread> threads_;
  JqPool pool_{
      {.process = {.command = {JQ_CHILD}, .limits = {}, .clock = &os::SystemClock()}, .workers = 2},
      [this](const std::string&, std::function<void()> body) {
        const std::lock_guard lock(mutex_);
        threads_.emplace_back(std::move(body));
      }};
};

TEST_F(JqPoolTest, NothingRunsBeforeTheFirstProgram) {
  EXPECT_EQ(threads(), 0U);
  EXPECT_EQ(Run(JqTask::kFilter, "true").get().value(), "true");
  EXPECT_EQ(threads(), 1U);
}

TEST_F(JqPoolTest, CheckSaysWhatJqSaysAndRemembersWhatIsFine) {
  EXPECT_TRUE(pool_.Check(".a").has_value());
  EXPECT_EQ(pool_.Check(".a +").error().code(), ErrorCode::kInvalid);
  const MonoNanos began = os::SystemClock().Monotonic();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(pool_.Check(".a").has_value());
  EXPECT_LT(os::SystemClock().Monotonic() - began, kNanosPerSecond);
  pool_.Trust("not jq at all");
  EXPECT_TRUE(pool_.Check("not jq at all").has_value());
}

TEST_F(JqPoolTest, ProgramsHaveALimitInBytes) {
  const std::string fits = "1" + std::string(kJqProgramBytesMax - 1, ' ');
  EXPECT_TRUE(pool_.Check(fits).has_value());
  EXPECT_EQ(pool_.Check(fits + " ").error().code(), ErrorCode::kInvalid);
}

TEST_F(JqPoolTest, EveryAnswerGoesToItsQuestion) {
  std::vector<std::future<Result<std::string>>> answers;
  for (int i = 0; i < 500; ++i) {
    answers.push_back(
        Run(JqTask::kMapping, i % 2 == 0 ? ".a" : "[.a]", R"({"a":)" + std::to_string(i) + "}"));
  }
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_EQ(answers[i].get().value(), i % 2 == 0 ? number : "[" + number + "]");
  }
}

TEST_F(JqPoolTest, NumberThatJqWouldChangeIsAnErrorThatNamesIt) {
  for (const JqTask task : {JqTask::kFilter, JqTask::kMapping}) {
    const auto answer = Run(task, "true", R"({"properties":{"id":9007199254740993}})").get();
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code(), ErrorCode::kInvalid);
    EXPECT_NE(answer.error().message().find("9007199254740993 at properties.id"), std::string::npos)
        << answer.error().message();
  }
  EXPECT_TRUE(Run(JqTask::kFilter, "true", R"({"id":9007199254740992})").get().has_value());
}

TEST_F(JqPoolTest, EndlessProgramDoesNotHoldUpOthers) {
  NEEDS_SIGNALS_AT_ONCE();
  ASSERT_EQ(Run(JqTask::kFilter, ".a == 1", R"({"a":1})").get().value(), "true");
  std::vector<std::future<Result<std::string>>> endless;
  for (int i = 0; i < 20; ++i) endless.push_back(Run(JqTask::kFilter, "def f: f; f"));
  MonoNanos worst = 0;
  for (int i = 0; i < 20; ++i) {
    const MonoNanos began = os::SystemClock().Monotonic();
    EXPECT_EQ(Run(JqTask::kFilter, ".a == 1", R"({"a":1})").get().value(), "true");
    worst = std::max(worst, os::SystemClock().Monotonic() - began);
    std::this_thread::sleep_for(10ms);
  }
  // All twenty endless runs take two seconds and more; nobody waited for even a few of them.
  EXPECT_LT(worst, kNanosPerSecond);
  for (auto& answer : endless) EXPECT_EQ(answer.get().error().code(), ErrorCode::kDeadline);
}

TEST_F(JqPoolTest, SlowProgramThatBecomesQuickIsQuickAgain) {
  const std::string program = "if .n then [range(.n)] | length else 1 end";
  EXPECT_FALSE(Run(JqTask::kMapping, program, R"({"n":100000000})").get().has_value());
  for (unsigned i = 0; i < 2 * kJqQuickRunsToRecover; ++i) {
    EXPECT_EQ(Run(JqTask::kMapping, program).get().value(), "1");
  }
}

TEST_F(JqPoolTest, TooManyThatWaitAreRefusedAndMayAskAgain) {
  std::atomic<std::size_t> refused{0};
  std::atomic<std::size_t> other{0};
  const auto program = std::make_shared<const std::string>("def f: f; f");
  for (std::size_t i = 0; i < kJqWaitingMax + 10; ++i) {
    pool_.Run(JqTask::kFilter, program, "{}", [&](const Result<std::string>& result) {
      ++(!result && result.error().code() == ErrorCode::kUnavailable ? refused : other);
    });
  }
  EXPECT_GE(refused.load(), 1U);
  EXPECT_LE(refused.load(), 10U);
  pool_.Close();
}

TEST_F(JqPoolTest, WhoIsWaitedForWhenItClosesIsNotCalledLater) {
  for (int round = 0; round < 5; ++round) {
    std::atomic<bool> gone{false};
    std::atomic<bool> late{false};
    JqPool pool({.process = {.command = {JQ_CHILD}, .limits = {}, .clock = &os::SystemClock()},
                 .workers = 2},
                [this](const std::string&, std::function<void()> body) {
                  const std::lock_guard lock(mutex_);
                  threads_.emplace_back(std::move(body));
                });
    const auto program = std::make_shared<const std::string>("[range(20000)] | length");
    for (int i = 0; i < 50; ++i) {
      pool.Run(JqTask::kFilter, program, "{}",
               [&](const Result<std::string>&) { late = late || gone; });
    }
    std::this_thread::sleep_for(20ms * round);
    pool.Close();
    gone = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    EXPECT_FALSE(late);
  }
}

TEST_F(JqPoolTest, AfterCloseNobodyIsCalled) {
  pool_.Close();
  bool called = false;
  pool_.Run(JqTask::kFilter, std::make_shared<const std::string>("true"), "{}",
            [&](const Result<std::string>&) { called = true; });
  EXPECT_FALSE(called);
  EXPECT_EQ(threads(), 0U);
}

}  // namespace
}  // namespace tributary::route
