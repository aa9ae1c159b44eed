#include "log/batch.h"

#include "base/crc32c.h"
#include "base/limits.h"
#include "log/frame.h"
#include "support/memory_log.h"

namespace tributary::log {
namespace {

constexpr FrameSeed kSeed = 0x12345678;

RecordFields SomeFields() {
  RecordFields fields;
  fields.received_at_us = 1'000;
  fields.event_time_us = -5;
  fields.source = 7;
  fields.kind = Kind::kQueue;
  fields.type = EventType::kGroup;
  fields.flags = kFlagHistorical | kFlagTest;
  fields.key = "key";
  fields.name = "a name";
  fields.message_id = "message";
  fields.correlation_id = "c";
  return fields;
}

// The frames of a batch as the writer leaves them.
std::string Stamped(Batch& batch, Offset first, UnixMicros not_before = 0) {
  std::string& bytes = BatchAccess::bytes(batch);
  for (const std::uint32_t start : BatchAccess::starts(batch)) {
    not_before = StampRecord(bytes.data() + start, first++, not_before, kSeed);
  }
  return bytes;
}

TEST(Batch, WhatGoesInComesOut) {
  Batch batch;
  const std::string_view parts[] = {"{\"a\":", "", "1}"};
  ASSERT_TRUE(batch.Add(SomeFields(), parts));
  const std::string bytes = Stamped(batch, 42);
  EXPECT_EQ(bytes.size() % kFrameAlignment, 0u);
  const Frame frame = ParseFrame(bytes, kSeed, 3);
  ASSERT_EQ(frame.kind, Frame::Kind::kRecord);
  EXPECT_EQ(frame.bytes, bytes.size());
  EXPECT_EQ(frame.record.partition, 3u);
  EXPECT_EQ(frame.record.offset, 42u);
  EXPECT_EQ(frame.record.slot, SlotOf("key"));
  EXPECT_EQ(frame.record.payload, "{\"a\":1}");
  const RecordFields& fields = frame.record.fields;
  EXPECT_EQ(fields.received_at_us, 1'000);
  EXPECT_EQ(fields.event_time_us, -5);
  EXPECT_EQ(fields.source, 7u);
  EXPECT_EQ(fields.kind, Kind::kQueue);
  EXPECT_EQ(fields.type, EventType::kGroup);
  EXPECT_EQ(fields.flags, kFlagHistorical | kFlagTest);
  EXPECT_EQ(fields.key, "key");
  EXPECT_EQ(fields.name, "a name");
  EXPECT_EQ(fields.message_id, "message");
  EXPECT_EQ(fields.correlation_id, "c");
}

TEST(Batch, ReceivedAtNeverGoesBack) {
  Batch batch;
  ASSERT_TRUE(batch.Add(SomeFields(), "x"));
  const std::string bytes = Stamped(batch, 0, 5'000);
  EXPECT_EQ(ParseFrame(bytes, kSeed, 0).record.fields.received_at_us, 5'000);
}

TEST(Batch, RefusedRequestLeavesNothingBehind) {
  Batch batch;
  ASSERT_TRUE(batch.Add(SomeFields(), "kept"));
  const std::size_t bytes = batch.bytes();
  const Batch::Mark mark = batch.mark();
  ASSERT_TRUE(batch.Add(SomeFields(), "refused"));
  batch.RollBack(mark);
  EXPECT_EQ(batch.records(), 1u);
  EXPECT_EQ(batch.bytes(), bytes);
  ASSERT_TRUE(batch.Add(SomeFields(), "next"));
  const std::string frames = Stamped(batch, 0);
  const Frame first = ParseFrame(frames, kSeed, 0);
  EXPECT_EQ(ParseFrame(std::string_view(frames).substr(first.bytes), kSeed, 0).record.payload,
            "next");
}

TEST(Batch, PayloadLimitHoldsAtTheLimitAndOnePast) {
  Batch batch;
  const std::string payload(kRecordPayloadBytesMax + 1, 'x');
  ASSERT_TRUE(batch.Add({}, std::string_view(payload).substr(1)));
  const Status refused = batch.Add({}, payload);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kTooLarge);
  EXPECT_EQ(batch.records(), 1u);
}

TEST(Batch, HeaderStringLimitHoldsAtTheLimitAndOnePast) {
  const std::string text(kRecordStringBytesMax + 1, 'x');
  const std::string_view most = std::string_view(text).substr(1);
  RecordFields fields;
  fields.key = fields.name = fields.message_id = fields.correlation_id = most;
  Batch batch;
  ASSERT_TRUE(batch.Add(fields, "x"));
  const std::string bytes = Stamped(batch, 0);
  const Frame frame = ParseFrame(bytes, kSeed, 0);
  ASSERT_EQ(frame.kind, Frame::Kind::kRecord);
  EXPECT_EQ(frame.record.fields.correlation_id, most);
  for (auto member : {&RecordFields::key, &RecordFields::name, &RecordFields::message_id,
                      &RecordFields::correlation_id}) {
    RecordFields longer;
    longer.*member = text;
    const Status refused = batch.Add(longer, "x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::kTooLarge);
  }
}

TEST(Frame, EveryFlippedBitIsNoticed) {
  Batch batch;
  ASSERT_TRUE(batch.Add(SomeFields(), "0123456789"));
  std::string bytes = Stamped(batch, 1);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_NE(ParseFrame(bytes, kSeed, 0).kind, Frame::Kind::kRecord) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
  EXPECT_EQ(ParseFrame(bytes, kSeed, 0).kind, Frame::Kind::kRecord);
}

TEST(Frame, FrameOfAnotherSegmentNeverParses) {
  Batch batch;
  ASSERT_TRUE(batch.Add(SomeFields(), "x"));
  const std::string bytes = Stamped(batch, 1);
  EXPECT_EQ(ParseFrame(bytes, kSeed + 1, 0).kind, Frame::Kind::kBad);
  EXPECT_NE(SeedOf(5, 0), SeedOf(5, 1));
  EXPECT_NE(SeedOf(5, 0), SeedOf(6, 0));
}

TEST(Frame, CutFrameIsShortWhereverItIsCut) {
  Batch batch;
  ASSERT_TRUE(batch.Add(SomeFields(), "0123456789"));
  const std::string bytes = Stamped(batch, 1);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Frame frame = ParseFrame(std::string_view(bytes).substr(0, size), kSeed, 0);
    EXPECT_EQ(frame.kind, Frame::Kind::kShort) << size;
    EXPECT_GT(frame.bytes, size);
  }
}

TEST(Frame, HeaderExtensionOfALaterWriterIsSkipped) {
  Batch batch;
  ASSERT_TRUE(batch.Add(SomeFields(), "payload"));
  std::string bytes = Stamped(batch, 9);
  bytes.insert(kRecordFixedBytes, "EXTENDED");  // eight more bytes before the strings
  bytes[47] = static_cast<char>(kRecordFixedBytes + 8);
  const std::size_t header_bytes = kRecordFixedBytes + 8 + 3 + 6 + 7 + 1;
  const std::uint32_t crc = Crc32c({bytes.data() + 4, header_bytes - 4}, kSeed);
  std::memcpy(bytes.data(), &crc, sizeof crc);
  const Frame frame = ParseFrame(bytes, kSeed, 0);
  ASSERT_EQ(frame.kind, Frame::Kind::kRecord);
  EXPECT_EQ(frame.record.fields.key, "key");
  EXPECT_EQ(frame.record.payload, "payload");
}

TEST(Frame, CommitMarkKeepsItsFieldsAndNoticesEveryFlippedBit) {
  CommitMark mark;
  mark.flags = kCommitSeal;
  mark.first = 10;
  mark.synced_below = 9;
  mark.count = 3;
  mark.bytes = 480;
  mark.newest_us = 77;
  std::string bytes;
  EncodeCommit(mark, kSeed, bytes);
  ASSERT_EQ(bytes.size(), kCommitFrameBytes);
  const Frame frame = ParseFrame(bytes, kSeed, 0);
  ASSERT_EQ(frame.kind, Frame::Kind::kCommit);
  EXPECT_EQ(frame.commit.flags, kCommitSeal);
  EXPECT_EQ(frame.commit.first, 10u);
  EXPECT_EQ(frame.commit.synced_below, 9u);
  EXPECT_EQ(frame.commit.count, 3u);
  EXPECT_EQ(frame.commit.bytes, 480u);
  EXPECT_EQ(frame.commit.newest_us, 77);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_NE(ParseFrame(bytes, kSeed, 0).kind, Frame::Kind::kCommit) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(MemoryLogTest, BehavesAsTheDoorSays) {
  test::MemoryLog log(2, test::CommitMode::kManual);
  auto batch = std::make_unique<Batch>();
  ASSERT_TRUE(batch->Add(SomeFields(), "one"));
  ASSERT_TRUE(batch->Add(SomeFields(), "two"));
  Offset first = 99;
  ASSERT_TRUE(log.Append(1, batch, [&](const Result<Appended>& r) { first = r->first; }));
  EXPECT_EQ(log.committed(1), 0u);
  EXPECT_EQ(log.assigned(1), 2u);
  EXPECT_FALSE(log.Read(1, 0, 1));
  log.Commit();
  EXPECT_EQ(first, 0u);
  EXPECT_EQ(log.committed(1), 2u);
  EXPECT_EQ(log.ReadOne(1, 1)->record.payload, "two");
  log.Lose(1, 0);
  EXPECT_FALSE(log.ReadOne(1, 0));
  EXPECT_EQ((*log.Read(1, 0, 1))->From(0).front().payload, "two");
  log.RetainTo(1, 2);
  EXPECT_EQ(log.first(1), 2u);
  EXPECT_FALSE(log.Read(1, 0, 1));
}

}  // namespace
}  // namespace tributary::log
