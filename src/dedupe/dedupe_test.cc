// What a repeat is, and who waits for what.
#include "dedupe/dedupe.h"

#include <thread>

#include "os/clock.h"
#include "sim/dedupe_rig.h"
#include "support/scaled.h"
#include "support/temp_dir.h"

namespace tributary::dedupe {
namespace {

using sim::DedupeRig;

std::vector<bool> Bits(std::initializer_list<bool> bits) {
  return bits;
}

TEST(Dedupe, TheFirstWinsInOneBatchAndInLaterOnes) {
  DedupeRig rig;
  rig.MustOpen();
  rig.Append(0, {rig.Fields(1, "a"), rig.Fields(1, "a"), rig.Fields(1, "b")});
  rig.Settle();
  rig.Append(0, {rig.Fields(1, "b"), rig.Fields(1, "c")});
  rig.Settle();
  EXPECT_EQ(rig.Verdicts(0), Bits({false, true, false, true, false}));
  EXPECT_EQ(rig.Metric("tributary_dedupe_events_total"), 5u);
  EXPECT_EQ(rig.Metric("tributary_dedupe_duplicates_total"), 2u);
}

TEST(Dedupe, TheSameIdFromAnotherSourceIsNoRepeat) {
  DedupeRig rig;
  rig.MustOpen();
  rig.Append(0, {rig.Fields(1, "a"), rig.Fields(2, "a"), rig.Fields(2, "a")});
  rig.Settle();
  EXPECT_EQ(rig.Verdicts(0), Bits({false, false, true}));
}

TEST(Dedupe, OnlyEventsWithAMessageIdAreDecided) {
  DedupeRig rig;
  rig.MustOpen();
  log::RecordFields control = rig.Fields(1, "a");
  control.kind = log::Kind::kControl;
  rig.Append(0, {control, control, rig.Fields(1, ""), rig.Fields(1, ""), rig.Fields(1, "a")});
  rig.Settle();
  EXPECT_EQ(rig.Verdicts(0), Bits({false, false, false, false, false}));
  EXPECT_EQ(rig.stage->decided(0), 5u);
}

TEST(Dedupe, PartitionsAreDecidedEachByItself) {
  DedupeRig rig;
  rig.MustOpen();
  for (log::Partition p = 0; p < 4; ++p) {
    rig.Put(p, 1, "a");
    rig.Put(p, 1, "a");
  }
  rig.Settle();
  for (log::Partition p = 0; p < 4; ++p) EXPECT_EQ(rig.Verdicts(p), Bits({false, true}));
}

TEST(Dedupe, ARepeatIsFoundManySegmentsAndRunsLater) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.Put(0, 1, "a");
  for (int i = 0; i < 30; ++i) {
    rig.PutOthers(0, 99);
    rig.Sync();
  }
  EXPECT_GE(rig.Files(".ids").size(), 25u);
  const log::Offset at = rig.Put(0, 1, "a");
  rig.Settle();
  EXPECT_TRUE(rig.stage->IsDuplicate(0, at));
}

// ---- The window -----------------------------------------------------------------------------

TEST(DedupeWindow, AnIdIsRememberedToTheSecond) {
  for (const bool other_run : {false, true}) {
    for (const std::int64_t age_s : {3'600, 3'601}) {
      DedupeRig rig(100);
      rig.options.window_us = 3'600 * kMicrosPerSecond;
      rig.MustOpen();
      rig.Put(0, 1, "a");
      rig.PutOthers(0, other_run ? 150 : 10);
      rig.now_s += age_s;
      rig.PutOthers(0, 10);  // the run of "a" also has younger ids
      rig.Sync();
      const log::Offset at = rig.Put(0, 1, "a");
      rig.Settle();
      EXPECT_EQ(rig.stage->IsDuplicate(0, at), age_s == 3'600) << age_s << other_run;
    }
  }
}

TEST(DedupeWindow, ARepeatDoesNotProlongIt) {
  DedupeRig rig;
  rig.options.window_us = 100 * kMicrosPerSecond;
  rig.MustOpen();
  std::vector<bool> expected;
  for (const auto& [after_s, repeat] : {std::pair(0, false), {60, true}, {41, false}, {99, true}}) {
    rig.now_s += after_s;
    rig.Put(0, 1, "a");
    expected.push_back(repeat);
  }
  rig.Settle();
  EXPECT_EQ(rig.Verdicts(0), expected);
}

TEST(DedupeWindow, ClosesByIdsWhenTheyComeFirstAndSaysSo) {
  constexpr std::size_t kIds = 4'000;
  DedupeRig rig(100, 1);
  rig.options.max_ids = kIds;
  rig.MustOpen();
  rig.Put(0, 1, "a");
  rig.PutOthers(0, kIds - 1);
  rig.Sync();
  const log::Offset inside = rig.Put(0, 1, "a");
  rig.Settle();
  EXPECT_TRUE(rig.stage->IsDuplicate(0, inside));
  EXPECT_EQ(rig.Metric("tributary_dedupe_window_closed_by_ids"), 0u);

  rig.PutOthers(0, kIds / 8 + 200);
  rig.Sync();
  const log::Offset outside = rig.Put(0, 1, "a");
  rig.Settle();
  EXPECT_FALSE(rig.stage->IsDuplicate(0, outside));
  EXPECT_EQ(rig.Metric("tributary_dedupe_window_closed_by_ids"), 1u);
  EXPECT_GT(rig.Metric("tributary_dedupe_window_closed_total{by=\"ids\"}"), 0u);
  EXPECT_EQ(rig.Metric("tributary_dedupe_window_closed_total{by=\"age\"}"), 0u);
}

TEST(DedupeWindow, ClosesByAgeAndSaysSo) {
  DedupeRig rig(100, 1);
  rig.options.window_us = 60 * kMicrosPerSecond;
  rig.MustOpen();
  rig.PutOthers(0, 500);
  rig.Sync();
  rig.now_s += 61;
  rig.PutOthers(0, 1);
  rig.Sync();
  EXPECT_GE(rig.Metric("tributary_dedupe_window_closed_total{by=\"age\"}"), 4u);
  EXPECT_EQ(rig.Metric("tributary_dedupe_window_closed_by_ids"), 0u);
}

// A filter so small that it names runs in vain all the time may cost look-ups, never a verdict.
TEST(DedupeWindow, FilterFalsePositivesMakeNoFalseDuplicates) {
  DedupeRig rig(1'000, 1);
  rig.options.filter_bytes_max = 64 << 10;
  rig.MustOpen();
  for (int i = 0; i < 40; ++i) {
    rig.PutOthers(0, 1'000);
    rig.Sync();
  }
  EXPECT_EQ(rig.Metric("tributary_dedupe_duplicates_total"), 0u);
  EXPECT_GT(rig.Metric("tributary_dedupe_runs_searched_total"), 50u) << "the test shows nothing";
  EXPECT_EQ(rig.Metric("tributary_dedupe_runs_found_total"), 0u);
  EXPECT_LE(rig.Metric("tributary_dedupe_filter_bytes"), 64u << 10);
}

TEST(DedupeWindow, FiltersStayWithinTheirBudget) {
  for (const std::uint64_t segment : {50, 3'000}) {  // few ids per run, many ids per run
    DedupeRig rig(segment, 1);
    rig.options.filter_bytes_max = 256 << 10;
    rig.MustOpen();
    for (int i = 0; i < (test::kSanitized ? 10 : 60); ++i) {
      rig.PutOthers(0, 1'500);
      rig.Sync();
      rig.log.RetainTo(0, rig.stage->synced_cursor(0));
      ASSERT_LE(rig.Metric("tributary_dedupe_filter_bytes"), 256u << 10) << i;
    }
    if (test::kSanitized) continue;  // too few for the window to close
    EXPECT_GT(rig.Metric("tributary_dedupe_window_closed_total{by=\"ids\"}"), 0u);
  }
}

// ---- Waiting --------------------------------------------------------------------------------

struct Woken {
  std::optional<bool> how;
  Dedupe::Wake wake() {
    return [this](bool indexed) { how = indexed; };
  }
};

TEST(DedupeWait, ATraceWaitsUntilItsOffsetIsIndexed) {
  DedupeRig rig;
  rig.MustOpen();
  rig.Put(0, 1, "a");
  const MonoNanos later = rig.clock.Monotonic() + kNanosPerSecond;
  Woken now;
  Woken soon;
  ASSERT_TRUE(rig.stage->WhenIndexed(0, 0, later, now.wake()));
  ASSERT_TRUE(rig.stage->WhenIndexed(0, 1, later, soon.wake()));
  EXPECT_EQ(now.how, true);
  EXPECT_EQ(soon.how, std::nullopt);
  rig.Settle();
  EXPECT_EQ(soon.how, true);
  EXPECT_EQ(rig.stage->Find(1, "a")->size(), 1u);
}

TEST(DedupeWait, EndsAtItsDeadlineAndAtTheClose) {
  DedupeRig rig;
  rig.MustOpen();
  Woken late;
  Woken closed;
  const MonoNanos now = rig.clock.Monotonic();
  ASSERT_TRUE(rig.stage->WhenIndexed(0, 9, now + kNanosPerSecond, late.wake()));
  ASSERT_TRUE(rig.stage->WhenIndexed(0, 9, now + 10 * kNanosPerSecond, closed.wake()));
  rig.clock.Advance(kNanosPerSecond);
  rig.Settle();
  EXPECT_EQ(late.how, false);
  EXPECT_EQ(closed.how, std::nullopt);
  rig.stage->Close();
  rig.Settle();
  EXPECT_EQ(closed.how, false);
  Woken never;
  EXPECT_FALSE(rig.stage->WhenIndexed(0, 9, now, never.wake()));
}

TEST(DedupeWait, WaitersAreBounded) {
  DedupeRig rig;
  rig.MustOpen();
  Woken woken;
  const MonoNanos later = rig.clock.Monotonic() + kNanosPerSecond;
  for (std::size_t i = 0; i < Dedupe::kWaitersMax; ++i) {
    ASSERT_TRUE(rig.stage->WhenIndexed(0, 1, later, [](bool) {}));
  }
  EXPECT_EQ(rig.stage->WhenIndexed(0, 1, later, woken.wake()).error().code(),
            ErrorCode::kExhausted);
  EXPECT_EQ(woken.how, std::nullopt);
}

// ---- Progress -------------------------------------------------------------------------------

TEST(DedupeProgress, VerdictsAskedForAreDurableWithin50Millis) {
  DedupeRig rig;
  rig.MustOpen();
  int told = 0;
  rig.stage->OnProgress([&] { ++told; });
  rig.Put(0, 1, "a");
  rig.Settle();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(rig.stage->decided(0), 1u);
  EXPECT_EQ(rig.stage->synced(0), 0u);
  rig.stage->RequestSync();
  rig.clock.Advance(45 * kNanosPerMilli);
  rig.Settle();
  EXPECT_EQ(rig.stage->synced(0), 1u);
  EXPECT_EQ(told, 2);
}

TEST(DedupeProgress, VerdictsNobodyAskedForAreDurableWithinASecond) {
  DedupeRig rig;
  rig.MustOpen();
  rig.Put(0, 1, "a");
  rig.Settle();
  rig.clock.Advance(900 * kNanosPerMilli);
  rig.Settle();
  EXPECT_EQ(rig.stage->synced(0), 0u);
  rig.clock.Advance(100 * kNanosPerMilli);
  rig.Settle();
  EXPECT_EQ(rig.stage->synced(0), 1u);
}

TEST(DedupeProgress, ClosingMakesEverythingDurable) {
  DedupeRig rig;
  rig.MustOpen();
  rig.Put(0, 1, "a");
  rig.Settle();
  rig.stage->Close();
  rig.Settle();
  EXPECT_EQ(rig.stage->synced(0), 1u);
}

TEST(DedupeProgress, LostRecordsAreStepedOver) {
  DedupeRig rig;
  rig.MustOpen();
  rig.Append(0, {rig.Fields(1, "a"), rig.Fields(1, "b"), rig.Fields(1, "a")});
  rig.log.Lose(0, 1);
  rig.Settle();
  EXPECT_EQ(rig.Verdicts(0), Bits({false, false, true}));
}

log::Offset PutAndSettle(DedupeRig& rig, std::string_view id) {
  const log::Offset at = rig.Put(0, 1, id);
  rig.Settle();
  return at;
}

TEST(DedupeRetention, HoldsTheLogUntilTheIndexHasIt) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.PutOthers(0, 250);
  rig.Settle();
  EXPECT_EQ(rig.stage->synced_cursor(0), 0u);
  rig.Sync();
  EXPECT_EQ(rig.stage->synced_cursor(0), 200u);
}

TEST(DedupeRetention, WhenTheLogMustHaveTheRoomItTakesInWhatMustGo) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.Put(0, 1, "early");
  rig.PutOthers(0, 199);
  rig.log.AskRelease(0, 150);
  rig.Settle();
  EXPECT_GE(rig.stage->synced_cursor(0), 150u);
  EXPECT_EQ(rig.Metric("tributary_dedupe_skipped_total"), 0u);
  rig.log.RetainTo(0, 150);
  EXPECT_TRUE(rig.stage->IsDuplicate(0, PutAndSettle(rig, "early")));
}

// After a restart the ids since the last index file are only in the log; what asks for its room
// then must not be faster than they are read.
TEST(DedupeRetention, ARestartIntoAFullLogForgetsNoId) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.Put(0, 1, "early");
  rig.PutOthers(0, 49);
  rig.Sync();
  ASSERT_EQ(rig.stage->synced_cursor(0), 0u) << "no index file yet";
  rig.Restart();
  rig.log.AskRelease(0, 50);
  rig.Settle();
  rig.log.RetainTo(0, 50);
  EXPECT_TRUE(rig.stage->IsDuplicate(0, PutAndSettle(rig, "early")));
}

TEST(DedupeRetention, WhatMustGoAndCannotBeReadIsSkippedAndCounted) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.PutOthers(0, 50);
  rig.Settle();
  rig.PutOthers(0, 150);  // not yet decided
  rig.log.FailReads(Error(ErrorCode::kIo, "bad sector"));
  rig.log.AskRelease(0, 150);
  rig.Settle();
  EXPECT_GE(rig.stage->synced_cursor(0), 150u);
  EXPECT_EQ(rig.Metric("tributary_dedupe_skipped_total"), 100u);
  rig.log.FailReads(std::nullopt);
  rig.clock.Advance(2 * kNanosPerSecond);
  rig.Settle();
  EXPECT_EQ(rig.stage->decided(0), 200u);
}

TEST(DedupeRetention, FilesGoWithTheirSegmentAndTheWindow) {
  DedupeRig rig(100, 1);
  rig.options.window_us = 60 * kMicrosPerSecond;
  rig.MustOpen();
  rig.PutOthers(0, 1'000);
  rig.Sync();
  EXPECT_EQ(rig.Files(".ids").size(), 10u);
  EXPECT_EQ(rig.Files(".dup").size(), 10u);
  rig.log.RetainTo(0, 500);
  rig.clock.Advance(2 * kNanosPerSecond);
  rig.Settle();
  EXPECT_EQ(rig.Files(".dup").size(), 5u) << "verdicts go with their segment";
  EXPECT_EQ(rig.Files(".ids").size(), 10u) << "the window is still open";
  rig.now_s += 61;
  rig.PutOthers(0, 1);
  rig.clock.Advance(2 * kNanosPerSecond);
  rig.Settle();
  EXPECT_EQ(rig.Files(".ids").size(), 5u);
  EXPECT_EQ(rig.Files(".deleted").size(), 0u);
}

// ---- Failure --------------------------------------------------------------------------------

TEST(DedupeFailure, AFailedSyncIsFinal) {
  DedupeRig rig;
  rig.MustOpen();
  rig.Put(0, 1, "a");
  rig.Settle();
  rig.fs.FailCall(sim::Call::kSync, 0, ErrorCode::kIo);
  rig.stage->RequestSync();
  rig.clock.Advance(30 * kNanosPerMilli);
  rig.Settle();
  EXPECT_NE(rig.stage->failure(), "");
  EXPECT_EQ(rig.stage->synced(0), 0u);
  rig.Put(0, 1, "a");
  rig.clock.Advance(10 * kNanosPerSecond);
  rig.Settle();
  EXPECT_EQ(rig.stage->synced(0), 0u) << "a second sync is never believed";
  rig.fs.Crash(1);
  rig.MustOpen();
  rig.Sync();
  EXPECT_EQ(rig.Verdicts(0), Bits({false, true}));
  EXPECT_EQ(rig.stage->synced(0), 2u);
}

TEST(DedupeFailure, NoSpaceIsWaitedOut) {
  DedupeRig rig(100);
  rig.MustOpen();
  rig.fs.SetCapacity(0);
  rig.PutOthers(0, 250);
  rig.Sync();
  EXPECT_EQ(rig.stage->failure(), "");
  EXPECT_EQ(rig.stage->synced(0), 0u);
  rig.fs.SetCapacity(1 << 30);
  rig.clock.Advance(2 * kNanosPerSecond);
  rig.Sync();
  EXPECT_EQ(rig.stage->synced(0), 250u);
}

// ---- On its own thread, on the machine's own files ------------------------------------------

TEST(DedupeThread, RunsOnItsOwnThreadOnRealFiles) {
  constexpr std::size_t kBatches = 200;
  test::TempDir dir;
  os::FileSystem& fs = os::PosixFileSystem();
  ASSERT_TRUE(fs.CreateDir(dir / "log"));
  ASSERT_TRUE(fs.CreateDir(dir / "log/p0"));
  test::MemoryLog log(1);
  log.SetSegments(1'000, dir / "log");
  metrics::Registry registry;
  auto opened = Dedupe::Open({&fs, &os::SystemClock(), &os::SystemRandom(), &log, &registry},
                             {.dir = dir / "dedupe"});
  ASSERT_TRUE(opened) << opened.error().ToString();
  Dedupe& dedupe = **opened;
  std::thread thread([&] {
    while (!dedupe.closed()) {
      while (dedupe.Step()) {
      }
      dedupe.WaitForWork();
    }
    while (dedupe.Step()) {
    }
  });
  for (std::size_t i = 0; i < kBatches; ++i) {
    auto batch = std::make_unique<log::Batch>();
    for (int j = 0; j < 20; ++j) {
      const std::string id = std::to_string(i / 2 * 20 + j);  // every batch comes twice
      ASSERT_TRUE(batch->Add({.received_at_us = 1, .source = 1, .message_id = id}, "{}"));
    }
    ASSERT_TRUE(log.Append(0, batch, [](const Result<log::Appended>&) {}));
    dedupe.RequestSync();
    ASSERT_TRUE(dedupe.Find(1, "7"));
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool indexed = false;
  const MonoNanos deadline = os::SystemClock().Monotonic() + 20 * kNanosPerSecond;
  ASSERT_TRUE(dedupe.WhenIndexed(0, log.committed(0), deadline, [&](bool in_time) {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(in_time);
    indexed = true;
    changed.notify_one();
  }));
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return indexed; });
  }
  dedupe.Close();
  thread.join();
  EXPECT_EQ(dedupe.synced(0), kBatches * 20);
  const auto bits = dedupe.Duplicates(0, 0, kBatches * 20);
  for (std::size_t i = 0; i < bits.size(); ++i) ASSERT_EQ(bits[i], i / 20 % 2 == 1) << i;
  log.RemoveHolder(&dedupe);
}

}  // namespace
}  // namespace tributary::dedupe
