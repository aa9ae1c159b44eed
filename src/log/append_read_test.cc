// Appending, group commit, reading and restarting, on a machine that works.
#include "base/logging.h"
#include "sim/log_rig.h"

namespace tributary::log {
namespace {

using sim::LogRig;

std::string Payload(int i) {
  return "payload-" + std::to_string(i) + std::string(i % 300, '.');
}

TEST(Log, WhatIsAcknowledgedCanBeRead) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.log().committed(0), 0u);
  EXPECT_EQ(*rig.Put(std::vector<std::string>{"a", "b"}), 0u);
  EXPECT_EQ(*rig.Put("c"), 2u);
  EXPECT_EQ(rig.log().committed(0), 3u);
  EXPECT_EQ(rig.log().assigned(0), 3u);
  const std::map<Offset, std::string> expected{{0, "a"}, {1, "b"}, {2, "c"}};
  EXPECT_EQ(rig.ReadAll(), expected);
  const auto found = rig.log().ReadOne(0, 1);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->record.payload, "b");
  EXPECT_EQ(found->record.fields.message_id, "id-b");
  EXPECT_EQ(rig.log().ReadOne(0, 3).error().code(), ErrorCode::kNotFound);
}

TEST(Log, NothingIsVisibleOrAnsweredBeforeTheSync) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  const auto outcome = rig.Append({"a"});
  EXPECT_FALSE(outcome->answered);
  EXPECT_EQ(rig.log().committed(0), 0u);
  EXPECT_EQ(rig.log().stats().queued_bytes, sim::BatchOf({"a"}, 0)->bytes());
  const std::uint64_t syncs = rig.fs().calls(sim::Call::kSync);
  EXPECT_TRUE(rig.log().WriterStep());
  EXPECT_EQ(rig.fs().calls(sim::Call::kSync), syncs + 1);
  EXPECT_TRUE(outcome->answered);
  EXPECT_EQ(rig.log().stats().queued_bytes, 0u);
}

// Where they share a core, nobody's answer waits for what the followers of the log have to do; and
// whoever is answered finds what he sent.
TEST(Log, ACommitCanBeReadThenIsAnsweredThenWakesWhoFollows) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  std::vector<std::string> order;
  rig.log().OnCommit([&](Partition, Offset) { order.emplace_back("wake"); });
  auto batch = sim::BatchOf({"a"}, 0);
  ASSERT_TRUE(rig.log().Append(0, batch, [&](const Result<Appended>& appended) {
    order.emplace_back("answer");
    EXPECT_EQ(rig.log().committed(0), appended->first + 1);
    EXPECT_TRUE(rig.log().ReadOne(0, appended->first));
  }));
  EXPECT_TRUE(rig.log().WriterStep());
  EXPECT_EQ(order, (std::vector<std::string>{"answer", "wake"}));
}

TEST(Log, EverythingThatWaitsSharesOneSync) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  std::vector<LogRig::OutcomePtr> outcomes;
  for (int i = 0; i < 50; ++i) outcomes.push_back(rig.Append({Payload(i)}));
  const std::uint64_t syncs = rig.fs().calls(sim::Call::kSync);
  int wakes = 0;
  rig.log().OnCommit([&](Partition, Offset committed) {
    ++wakes;
    EXPECT_EQ(committed, 50u);
  });
  EXPECT_TRUE(rig.log().WriterStep());
  EXPECT_FALSE(rig.log().WriterStep());
  EXPECT_EQ(rig.fs().calls(sim::Call::kSync), syncs + 1);
  EXPECT_EQ(wakes, 1);
  for (std::size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i]->result->first, i);
}

TEST(Log, AGreatCommitIsNotReadAgainForEveryRecord) {
  LogRig rig;
  rig.options.tail_window_bytes = 0;
  rig.options.first_segment_bytes = rig.options.segment_bytes = 8 << 20;
  ASSERT_TRUE(rig.Open());
  for (int commit = 0; commit < 3; ++commit) {
    ASSERT_TRUE(rig.Put(std::vector(1'000, std::string(1'000, 'x'))));
  }
  ASSERT_EQ(rig.log().segments(0).size(), 1U);
  std::size_t reads = 0;
  for (Offset from = 0; from < 3'000; ++reads) {
    const auto chunk = rig.log().Read(0, from, 64 * 1024);
    ASSERT_TRUE(chunk);
    from = (*chunk)->end();
  }
  EXPECT_LE(reads, 50U);
}

TEST(Log, SegmentsRollAndEverythingIsReadBackFromDisk) {
  LogRig rig;
  rig.options.tail_window_bytes = 0;
  ASSERT_TRUE(rig.Open());
  std::map<Offset, std::string> expected;
  for (int i = 0; i < 2'000; ++i) {
    const auto first = rig.Put(std::vector{Payload(i), Payload(i + 7)});
    ASSERT_TRUE(first) << first.error().ToString();
    expected[*first] = Payload(i);
    expected[*first + 1] = Payload(i + 7);
    if (i % 3 == 0) rig.log().MaintainStep();
  }
  EXPECT_GT(rig.log().segments(0).size(), 5u);
  EXPECT_EQ(rig.ReadAll(), expected);
  for (const Offset at : {0, 1, 999, 3'999}) {
    EXPECT_EQ(rig.log().ReadOne(0, at)->record.payload, expected[at]);
  }
  EXPECT_TRUE(rig.log().damage().empty());
}

TEST(Log, RestartGoesOnWhereItStopped) {
  LogRig rig;
  std::map<Offset, std::string> expected;
  int next = 0;
  for (int life = 0; life < 20; ++life) {
    ASSERT_TRUE(rig.Open());
    ASSERT_EQ(rig.log().committed(0), expected.size());
    for (int i = 0; i < 40; ++i, ++next) expected[*rig.Put(Payload(next))] = Payload(next);
    EXPECT_EQ(rig.ReadAll(), expected);
    if (life % 2 == 0) rig.CloseCleanly();
    rig.Drop();
  }
  EXPECT_EQ(expected.size(), 800u);
  EXPECT_EQ(expected.rbegin()->first, 799u);
  ASSERT_TRUE(rig.Open());
  EXPECT_TRUE(rig.log().damage().empty());
}

TEST(Log, BatchLargerThanAnySegmentFits) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  const std::string big(300 * 1024, 'b');
  EXPECT_EQ(*rig.Put("small"), 0u);
  EXPECT_EQ(*rig.Put(big), 1u);
  EXPECT_EQ(*rig.Put("small again"), 2u);
  rig.Drop();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.log().ReadOne(0, 1)->record.payload, big);
  EXPECT_EQ(rig.ReadAll().size(), 3u);
}

TEST(Log, QueueHoldsItsLimitAndRefusesOnePast) {
  LogRig rig;
  const std::uint64_t bytes = sim::BatchOf({"x"}, 0)->bytes();
  rig.options.queue_bytes_max = 3 * bytes;
  ASSERT_TRUE(rig.Open());
  for (int i = 0; i < 3; ++i) ASSERT_NE(rig.Append({"x"}), nullptr);
  EXPECT_EQ(rig.Append({"x"}), nullptr);
  EXPECT_EQ(rig.refusal.error().code(), ErrorCode::kUnavailable);
  rig.log().WriterStep();
  EXPECT_NE(rig.Append({"x"}), nullptr);
  auto batch = sim::BatchOf({std::string(4 * bytes, 'x')}, 0);
  const Status refused = rig.log().Append(0, batch, [](const auto&) { FAIL(); });
  EXPECT_EQ(refused.error().code(), ErrorCode::kTooLarge);
  EXPECT_NE(batch, nullptr) << "on failure nothing was taken";
  auto empty = std::make_unique<Batch>();
  EXPECT_EQ(rig.log().Append(0, empty, [](const auto&) { FAIL(); }).error().code(),
            ErrorCode::kInvalid);
}

TEST(Log, CommitsStayBelowTheirLimit) {
  LogRig rig;
  const std::uint64_t bytes = sim::BatchOf({"x"}, 0)->bytes();
  rig.options.commit_bytes_max = 2 * bytes;
  ASSERT_TRUE(rig.Open());
  for (int i = 0; i < 5; ++i) rig.Append({"x"});
  int commits = 0;
  while (rig.log().WriterStep()) ++commits;
  EXPECT_EQ(commits, 3);
  EXPECT_EQ(rig.log().committed(0), 5u);
}

TEST(Log, ReceivedAtNeverDecreasesAndTimeFindsItsOffset) {
  LogRig rig;
  rig.options.tail_window_bytes = 0;
  ASSERT_TRUE(rig.Open());
  std::vector<UnixMicros> times;
  for (int i = 0; i < 1'000; ++i) {
    rig.clock.Advance(kNanosPerMilli);
    if (i == 500) rig.clock.JumpWall(-3600 * kMicrosPerSecond);
    if (i == 600) rig.clock.JumpWall(3600 * kMicrosPerSecond);
    ASSERT_TRUE(rig.Put(Payload(i)));
    times.push_back(rig.log().ReadOne(0, i)->record.fields.received_at_us);
    ASSERT_GE(times.back(), i == 0 ? 0 : times[i - 1]);
  }
  for (int life = 0; life < 2; ++life) {
    for (int i = 0; i < 1'000; i += 13) {
      const auto at = std::lower_bound(times.begin(), times.end(), times[i]) - times.begin();
      EXPECT_EQ(*rig.log().OffsetAtTime(0, times[i]), static_cast<Offset>(at));
    }
    EXPECT_EQ(*rig.log().OffsetAtTime(0, 0), 0u);
    EXPECT_EQ(*rig.log().OffsetAtTime(0, times.back() + 1), 1'000u);
    rig.Drop();
    ASSERT_TRUE(rig.Open());
  }
}

TEST(Log, LaggingReadersShareOneDecodedChunk) {
  LogRig rig;
  rig.options.tail_window_bytes = 0;
  ASSERT_TRUE(rig.Open());
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(rig.Put(Payload(i)));
  const auto first = rig.log().Read(0, 10, 64 * 1024);
  const std::uint64_t reads = rig.fs().calls(sim::Call::kRead);
  const auto second = rig.log().Read(0, 12, 64 * 1024);
  EXPECT_EQ(first->get(), second->get());
  EXPECT_EQ(rig.fs().calls(sim::Call::kRead), reads);
}

TEST(Log, ReadersAtTheTailGetTheBuffersOfTheProducers) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("x"));
  const std::uint64_t reads = rig.fs().calls(sim::Call::kRead);
  const auto first = rig.log().Read(0, 0, 1);
  const auto second = rig.log().Read(0, 0, 1);
  EXPECT_EQ(first->get(), second->get());
  EXPECT_EQ(rig.fs().calls(sim::Call::kRead), reads);
}

TEST(Log, IdleLogStatesWhatIsSyncedWithin100Milliseconds) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  ASSERT_TRUE(rig.Put("x"));
  EXPECT_FALSE(rig.log().WriterStep());
  const std::uint64_t syncs = rig.fs().calls(sim::Call::kSync);
  rig.clock.Advance(60 * kNanosPerMilli);
  EXPECT_TRUE(rig.log().WriterStep());
  EXPECT_EQ(rig.fs().calls(sim::Call::kSync), syncs + 1);
  rig.clock.Advance(10 * kNanosPerSecond);
  EXPECT_FALSE(rig.log().WriterStep()) << "said once, it is not said again";
}

TEST(Log, AfterCloseNothingIsTakenAndWhatWaitedIsWritten) {
  LogRig rig;
  ASSERT_TRUE(rig.Open());
  const auto outcome = rig.Append({"last"});
  rig.log().Close();
  EXPECT_FALSE(rig.log().closed());
  EXPECT_EQ(rig.Append({"too late"}), nullptr);
  EXPECT_EQ(rig.refusal.error().code(), ErrorCode::kUnavailable);
  while (rig.log().WriterStep()) {
  }
  EXPECT_TRUE(outcome->result.has_value());
  EXPECT_TRUE(rig.log().closed());
  rig.log().WaitForWork();  // returns at once
}

TEST(Log, IntervalModeAnswersAtOnceAndShowsOnlyWhatIsSynced) {
  LogRig rig;
  rig.options.sync = SyncMode::kInterval;
  ASSERT_TRUE(rig.Open());
  const std::uint64_t syncs = rig.fs().calls(sim::Call::kSync);
  const auto outcome = rig.Append({"x"});
  rig.log().WriterStep();
  EXPECT_TRUE(outcome->answered);
  EXPECT_EQ(rig.fs().calls(sim::Call::kSync), syncs);
  EXPECT_EQ(rig.log().committed(0), 0u);
  EXPECT_EQ(rig.log().assigned(0), 1u);
  rig.clock.Advance(51 * kNanosPerMilli);
  rig.log().WriterStep();
  EXPECT_EQ(rig.fs().calls(sim::Call::kSync), syncs + 1);
  EXPECT_EQ(rig.log().committed(0), 1u);
}

TEST(Log, NoneModeNeverSyncsAndLeapsPastWhatCursorsMayHaveSeen) {
  LogRig rig;
  rig.options.sync = SyncMode::kNone;
  ASSERT_TRUE(rig.Open());
  const std::uint64_t syncs = rig.fs().calls(sim::Call::kSync);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(rig.Put("x"));
  EXPECT_EQ(rig.fs().calls(sim::Call::kSync), syncs);
  rig.Drop();
  rig.fs().Crash(3);
  ASSERT_TRUE(rig.Open());
  const auto after = rig.Put("after");
  ASSERT_TRUE(after);
  EXPECT_GE(*after, 10u) << "an offset that a cursor may have passed is not given out again";
  EXPECT_EQ(rig.ReadAll().rbegin()->second, "after");
  const Offset kept = rig.log().EndBelow(0, *after);
  EXPECT_LE(kept, 10u) << "a walk back from the newest passes the leap in one step";
  EXPECT_EQ(rig.log().EndBelow(0, *after - 1), kept);
  EXPECT_EQ(rig.log().EndBelow(0, kept), kept);
  EXPECT_EQ(rig.log().EndBelow(0, *after + 1), *after + 1);
  rig.CloseCleanly();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(*rig.Put("y"), *after + 1) << "closed in good order there is nothing to leap over";
}

// Starts with a hundred sealed segments, of which about one kilobyte each may be read.
void OpensByTheTailAlone(bool recompress) {
  SetLogging(LogLevel::kError, LogFormat::kText);
  LogRig rig;
  rig.options.recompress = recompress;
  rig.options.first_segment_bytes = rig.options.segment_bytes = 16 * 1024;
  ASSERT_TRUE(rig.Open());
  Offset next = 0;
  while (rig.log().segments(0).size() < 101) {
    std::string payload = std::to_string(next) + "/";
    while (payload.size() < 700) payload += static_cast<char>(rig.random.Draw());
    next = *rig.Put(payload) + 1;
    if (next % 20 == 0) rig.Settle();
  }
  rig.Settle();
  rig.Drop();
  const std::uint64_t calls = rig.fs().calls(sim::Call::kRead);
  const std::uint64_t bytes = rig.fs().bytes_read();
  ASSERT_TRUE(rig.Open());
  EXPECT_EQ(rig.log().committed(0), next);
  EXPECT_LE(rig.fs().calls(sim::Call::kRead) - calls, 4 * 101u + 20);
  EXPECT_LE(rig.fs().bytes_read() - bytes, 1024 * 100u + 3 * 16 * 1024);
  SetLogging(LogLevel::kInfo, LogFormat::kText);
}

TEST(Log, OpeningReadsOnlyTheTail) {
  OpensByTheTailAlone(false);
}

TEST(Log, OpeningReadsOnlyTheTailOfARecompressedLog) {
  OpensByTheTailAlone(true);
}

// ---- Segments made ready ahead

class ReadyAhead : public testing::Test {
 protected:
  void SetUp() override {
    rig_.options.recompress = false;
    ASSERT_TRUE(rig_.Open());
  }
  std::vector<std::string> ReadyFiles() {
    std::vector<std::string> out;
    for (const std::string& path : rig_.fs().Files()) {
      if (path.ends_with(".tmp")) out.push_back(path);
    }
    return out;
  }
  std::uint64_t SizeOfLast() {
    return rig_.fs().Bytes(rig_.PathOf(rig_.SegmentFiles().back())).size();
  }
  // Appends until the segment has changed; how many files were created by the append that did it.
  std::uint64_t CreatedByTheRoll() {
    const std::size_t segments = rig_.log().segments(0).size();
    for (;;) {
      const std::uint64_t opened = rig_.fs().calls(sim::Call::kOpen);
      EXPECT_TRUE(rig_.Put(std::string(900, 'x')));
      if (rig_.log().segments(0).size() > segments) {
        return rig_.fs().calls(sim::Call::kOpen) - opened;
      }
    }
  }
  LogRig rig_;
};

TEST_F(ReadyAhead, TheFirstSegmentIsSmallAndTheNextIsReadyBeforeItIsNeeded) {
  EXPECT_EQ(SizeOfLast(), rig_.options.first_segment_bytes);
  rig_.Settle();
  ASSERT_EQ(ReadyFiles().size(), 1u);
  const std::uint64_t ready = rig_.fs().Bytes(ReadyFiles().front()).size();
  EXPECT_EQ(ready, rig_.options.segment_bytes);
  EXPECT_EQ(CreatedByTheRoll(), 0u) << "with a request waiting nothing is made";
  EXPECT_TRUE(ReadyFiles().empty());
  EXPECT_EQ(SizeOfLast(), ready) << "nor is a file grown";
}

TEST_F(ReadyAhead, ThatItIsReadySurvivesAPowerCutAsZeros) {
  rig_.Settle();
  CreatedByTheRoll();
  rig_.Drop();
  rig_.fs().Crash(5);
  EXPECT_EQ(SizeOfLast(), rig_.options.segment_bytes) << "its zeros were synced before its use";
  ASSERT_TRUE(rig_.Open());
  EXPECT_TRUE(rig_.log().damage().empty());
}

TEST_F(ReadyAhead, WithoutOneTheWriterMakesItself) {
  EXPECT_EQ(CreatedByTheRoll(), 1u);
  EXPECT_EQ(rig_.ReadAll().size(), rig_.log().committed(0));
}

}  // namespace
}  // namespace tributary::log
