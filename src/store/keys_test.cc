#include "store/keys.h"

#include "store/store.h"

namespace tributary::store::keys {
namespace {

TEST(Keys, ByteOrderIsNumericOrder) {
  EXPECT_LT(Waiting(1, {0, 255}), Waiting(1, {0, 256}));
  EXPECT_LT(Waiting(1, {0, ~0ULL}), Waiting(1, {1, 0}));
  EXPECT_LT(Waiting(1, {9, 9}), Waiting(2, {0, 0}));
  EXPECT_LT(WaitingDue(1, 1'000, {5, 5}), WaitingDue(1, 65'536, {0, 0}));
  EXPECT_LT(Audit(5, 300), Audit(6, 0));
}

TEST(Keys, WhatIsBuiltIsParsedBack) {
  EXPECT_EQ(ParseSource(Source(70'000)), 70'000u);
  EXPECT_EQ(ParseDestination(Destination(7)), 7u);
  EXPECT_EQ(ParseDestinationName(DestinationName("hook")), "hook");
  EXPECT_EQ(ParseSourceName(SourceName("web")), "web");
  EXPECT_EQ(ParseHistory(History(7, 9))->destination, 7u);
  EXPECT_EQ(ParseHistory(History(7, 9))->revision, 9u);
  EXPECT_TRUE(History(7, 9).starts_with(HistoryOf(7)));
  EXPECT_LT(History(7, 9), History(7, 10));
  EXPECT_FALSE(ParseHistory(Revision(7, 9)).has_value());
  const std::string idempotent(kIdempotencyRowBytes, 'r');
  EXPECT_EQ(ParseIdempotency(Idempotency(idempotent)), idempotent);
  EXPECT_FALSE(ParseIdempotency(Idempotency("short")).has_value());
  EXPECT_TRUE(Idempotency(idempotent).starts_with(AllIdempotency()));
  EXPECT_TRUE(SourceName("web").starts_with(AllSourceNames()));
  EXPECT_EQ(ParseRevision(Revision(7, 9))->revision, 9u);
  EXPECT_EQ(ParseLane(Lane(3)), 3u);
  EXPECT_EQ(ParseCursor(Cursor(3, 2))->partition, 2u);
  const auto row = ParseLaneKey(Prefix::kWaiting, Waiting(3, {2, 1ULL << 40}));
  ASSERT_TRUE(row);
  EXPECT_EQ(row->lane, 3u);
  EXPECT_EQ(row->at, (Position{2, 1ULL << 40}));
  const auto due = ParseLaneTimeKey(Prefix::kWaitingDue, WaitingDue(3, 123'456, {2, 8}));
  ASSERT_TRUE(due);
  EXPECT_EQ(due->at_us, 123'456);
  EXPECT_EQ(due->at, (Position{2, 8}));
  const auto batch = ParseDeliveryBatch(DeliveryBatch(3, 0xbeefULL));
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(batch->lane, 3U);
  EXPECT_EQ(batch->members_hash, 0xbeefULL);
  EXPECT_FALSE(ParseDeliveryBatch(Follower(3, 0xbeefULL, {0, 4})));
  const auto follower = ParseFollower(Follower(1, 0xfeedULL, {0, 4}));
  ASSERT_TRUE(follower);
  EXPECT_EQ(follower->key_hash, 0xfeedULL);
  EXPECT_EQ(ParseAudit(Audit(77, 5))->sequence, 5u);
  EXPECT_EQ(ParseReplay(Replay(8)), 8u);
  EXPECT_EQ(ParseLaneKey(Prefix::kDropped, Dropped(4, {1, 9}))->at, (Position{1, 9}));
  EXPECT_EQ(ParseDeadMove(DeadMove(1ULL << 50)), 1ULL << 50);
}

TEST(Keys, AnotherPrefixOrLengthIsNotParsed) {
  EXPECT_FALSE(ParseSource(Destination(7)));
  EXPECT_FALSE(ParseSource(Source(7) + "x"));
  EXPECT_FALSE(ParseSource(Source(7).substr(0, 3)));
  EXPECT_FALSE(ParseSource(""));
  EXPECT_FALSE(ParseReplay(Lane(8)));
  EXPECT_FALSE(ParseLaneKey(Prefix::kDeadLetter, Waiting(1, {0, 0})));
}

TEST(Keys, PrefixesOfOneLaneDoNotReachTheNext) {
  for (const std::uint32_t lane : {0u, 1u, 255u, 256u, 0xffffffu}) {
    const std::string end = PrefixEnd(WaitingOf(lane));
    EXPECT_LT(Waiting(lane, {~0u, ~0ULL}), end);
    EXPECT_GE(Waiting(lane + 1, {0, 0}), end);
  }
}

TEST(Keys, DueScanEndsBeforeItsBound) {
  EXPECT_LT(WaitingDue(1, 99, {~0u, ~0ULL}), WaitingDueUntil(1, 100));
  EXPECT_GE(WaitingDue(1, 100, {0, 0}), WaitingDueUntil(1, 100));
}

TEST(Keys, TimesBeforeTheEpochSortFirst) {
  EXPECT_EQ(WaitingDue(1, -5, {0, 0}), WaitingDue(1, 0, {0, 0}));
}

TEST(Keys, DerivedKeysSayTheirSlot) {
  EXPECT_EQ(SlotOfDerived(Processor(1, 200, "user")), 200);
  EXPECT_EQ(SlotOfDerived(ProcessorCursor(1, 64, 0)), 64);
  EXPECT_FALSE(SlotOfDerived(Waiting(1, {0, 0})));
}

TEST(Keys, PrefixEndSkipsBytesWithoutSuccessor) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd(std::string("a\xff\xff")), "b");
  EXPECT_EQ(PrefixEnd(std::string("\xff")), "");
  EXPECT_EQ(PrefixEnd(""), "");
}

}  // namespace
}  // namespace tributary::store::keys
