// The delivery log: what was appended is found, also after a restart and with a torn end; limits
// hold; a success costs a few bytes.
#include "deliver/delivery_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "deliver/delivery_log_block.h"
#include "deliver/delivery_log_verify.h"
#include "support/manual_executor.h"
#include "support/temp_dir.h"

namespace tributary::deliver {
namespace {

class HandClock final : public os::Clock {
 public:
  UnixMicros now_us = 1'700'000'000'000'000;
  UnixMicros Now() const override { return now_us; }
  MonoNanos Monotonic() const override { return now_us * 1000; }
};

struct LogWorld {
  test::TempDir dir;
  test::ManualExecutor executor;
  HandClock clock;
  DeliveryLogOptions options{.dir = dir / "delivery_log"};
  std::unique_ptr<DeliveryLog> log;

  Status TryOpen() {
    auto opened = DeliveryLog::Open(
        {.fs = &os::PosixFileSystem(), .clock = &clock, .executor = &executor}, options);
    if (!opened) return std::unexpected(opened.error());
    log = *std::move(opened);
    return {};
  }
  void Open() { ASSERT_TRUE(TryOpen()); }
  void Flush() {
    executor.Run();
    executor.Advance(kDeliveryLogFlush);
  }
  void Reopen() {
    log.reset();
    Open();
  }
  void Success(LaneId lane, log::Offset offset, std::int64_t took_ms = 3) {
    log->Append(lane, {0, offset},
                {.number = 1,
                 .attempt = {.at_us = clock.now_us,
                             .status = 200,
                             .duration_ms = took_ms,
                             .revision = 4,
                             .response = "not kept"}});
  }
  void Failure(LaneId lane, log::Offset offset, std::uint32_t number) {
    log->Append(lane, {0, offset},
                {.number = number,
                 .attempt = {.at_us = clock.now_us,
                             .status = 500,
                             .duration_ms = 7,
                             .revision = 4,
                             .error = "HTTP 500",
                             .response = "sorry " + std::to_string(offset)}});
  }
  std::vector<StoredAttempt> Find(LaneId lane, log::Offset offset) {
    auto found = log->Find(lane, {0, offset});
    EXPECT_TRUE(found.has_value());
    return found.value_or(std::vector<StoredAttempt>{});
  }
  std::vector<std::string> Files(const std::string& suffix) const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(options.dir)) {
      if (entry.path().string().ends_with(suffix)) out.push_back(entry.path().string());
    }
    std::ranges::sort(out);
    return out;
  }
};

TEST(DeliveryLog, AnAttemptIsFoundAtEveryStageOfItsWay) {
  LogWorld w;
  w.options.merge_rows = 100;
  w.Open();
  w.Success(1, 7);
  w.Failure(2, 7, 1);
  const auto check = [&] {
    const auto success = w.Find(1, 7);
    ASSERT_EQ(success.size(), 1U);
    EXPECT_EQ(success[0].attempt.status, 200);
    EXPECT_EQ(success[0].attempt.duration_ms, 3);
    EXPECT_EQ(success[0].attempt.revision, 4U);
    EXPECT_EQ(success[0].attempt.at_us, 1'700'000'000'000'000);
    EXPECT_TRUE(success[0].attempt.response.empty());
    const auto failure = w.Find(2, 7);
    ASSERT_EQ(failure.size(), 1U);
    EXPECT_EQ(failure[0].attempt.error, "HTTP 500");
    EXPECT_EQ(failure[0].attempt.response, "sorry 7");
    EXPECT_TRUE(w.Find(1, 8).empty());
    EXPECT_TRUE(w.Find(3, 7).empty());
  };
  check();  // in the queue
  w.Flush();
  check();  // in memory and in the live file
  w.Reopen();
  check();  // read again
  for (log::Offset offset = 1'000; offset < 1'200; ++offset) w.Success(9, offset);
  w.Flush();
  EXPECT_EQ(w.Files(".dlog").size(), 1U);
  check();  // merged
  w.Reopen();
  check();
  EXPECT_EQ(w.log->stats().attempts, 202U);
}

TEST(DeliveryLog, AttemptsOfAPairAreFoundAcrossFilesByNumber) {
  LogWorld w;
  w.options.merge_rows = 10;
  w.options.block_rows = 4;
  w.Open();
  for (std::uint32_t number = 1; number <= 12; ++number) {
    w.Failure(1, 50, number);
    for (log::Offset offset = 0; offset < 9; ++offset) w.Success(1, number * 100 + offset);
    w.Flush();
  }
  const auto attempts = w.Find(1, 50);
  ASSERT_EQ(attempts.size(), 12U);
  for (std::uint32_t i = 0; i < 12; ++i) EXPECT_EQ(attempts[i].number, i + 1);
}

TEST(DeliveryLog, ATornLiveFileIsCutAtTheLastWholeBlockAtEveryByte) {
  LogWorld w;
  w.Open();
  w.Success(1, 1);
  w.Flush();
  const std::string path = w.Files(".live").at(0);
  const auto whole = std::filesystem::file_size(path);
  w.Failure(1, 2, 1);
  w.Success(1, 3);
  w.Flush();
  w.log.reset();
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(bytes.data(), static_cast<long>(bytes.size()));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    for (const bool garbage : {false, true}) {
      std::string torn = bytes.substr(0, size);
      if (garbage) torn += std::string(bytes.size() - size, '\x5a');
      std::ofstream(path, std::ios::binary | std::ios::trunc) << torn;
      ASSERT_TRUE(w.TryOpen()) << size;
      EXPECT_EQ(w.Find(1, 1).size(), size >= whole ? 1U : 0U) << size;
      EXPECT_TRUE(w.Find(1, 2).empty()) << size;
      // It goes on where it was cut.
      w.Success(5, size);
      w.Flush();
      w.Reopen();
      EXPECT_EQ(w.Find(5, size).size(), 1U) << size;
      w.log.reset();
    }
  }
}

TEST(DeliveryLog, ATornMergeLosesNothingAndTellsNothingTwice) {
  LogWorld w;
  w.options.merge_rows = 50;
  w.options.block_rows = 20;
  w.Open();
  for (log::Offset offset = 0; offset < 49; ++offset) w.Success(1, offset);
  w.Flush();
  const std::string live = w.Files(".live").at(0);
  std::stringstream before;
  before << std::ifstream(live, std::ios::binary).rdbuf();
  w.Success(1, 49);
  w.Flush();
  const std::string archive = w.Files(".dlog").at(0);
  w.log.reset();
  const auto size = std::filesystem::file_size(archive);
  for (std::uintmax_t cut = 16; cut <= size; cut += 7) {
    // As a crash between the sync of the archive and the end of the merge leaves it.
    test::TempDir copy;
    std::filesystem::copy(w.options.dir, copy / "d");
    for (const auto& entry : std::filesystem::directory_iterator(copy / "d")) {
      if (entry.path().extension() == ".live") std::filesystem::remove(entry.path());
      if (entry.path().extension() == ".dlog") std::filesystem::resize_file(entry.path(), cut);
    }
    std::ofstream(copy / ("d/" + std::filesystem::path(live).filename().string()), std::ios::binary)
        << before.str();
    LogWorld again;
    again.options.dir = copy / "d";
    again.Open();
    for (log::Offset offset = 0; offset < 49; ++offset) {
      ASSERT_EQ(again.Find(1, offset).size(), 1U) << cut << " " << offset;
    }
  }
}

TEST(DeliveryLog, ADamagedBlockIsPassedOver) {
  LogWorld w;
  w.options.merge_rows = 10;
  w.Open();
  for (log::Offset offset = 0; offset < 10; ++offset) w.Success(1, offset);
  w.Flush();
  const std::string archive = w.Files(".dlog").at(0);
  for (log::Offset offset = 10; offset < 20; ++offset) w.Success(1, offset);
  w.Flush();
  std::fstream file(archive, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(16 + static_cast<long>(kBlockFixedBytes + kBlockGroupBytes) + 9);
  file.put('\x7f');
  file.close();
  EXPECT_TRUE(w.Find(1, 3).empty());
  EXPECT_EQ(w.Find(1, 13).size(), 1U);
}

DeliveryLogReport Verified(const LogWorld& w) {
  auto report = VerifyDeliveryLog(os::PosixFileSystem(), w.options.dir);
  EXPECT_TRUE(report.has_value());
  return report.value_or(DeliveryLogReport{});
}

void Flip(const std::string& path, std::uint64_t position) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(position));
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(static_cast<std::streamoff>(position));
  file.put(byte);
}

// Merged blocks of one attempt each, at offsets 0, 1, 2 …; returns where they begin, and the end.
std::vector<std::uint64_t> WriteArchive(LogWorld& w, log::Offset blocks) {
  w.options.merge_rows = 1;
  w.Open();
  std::vector<std::uint64_t> positions;
  for (log::Offset offset = 0; offset < blocks; ++offset) {
    positions.push_back(offset == 0 ? 16 : std::filesystem::file_size(w.Files(".dlog").at(0)));
    w.Failure(1, offset, 1);
    w.Flush();
  }
  positions.push_back(std::filesystem::file_size(w.Files(".dlog").at(0)));
  w.log.reset();
  return positions;
}

TEST(DeliveryLog, WhateverByteOfABlockIsDamagedThoseBehindItAreKept) {
  for (const bool newest : {true, false}) {
    LogWorld w;
    const auto positions = WriteArchive(w, 4);
    const std::string archive = w.Files(".dlog").at(0);
    if (!newest) {
      std::filesystem::copy(archive, w.options.dir + "/00000000000000999998.dlog");
      std::filesystem::resize_file(w.options.dir + "/00000000000000999998.dlog", 16);
    }
    for (std::uint64_t at = positions[1]; at < positions[3]; ++at) {
      Flip(archive, at);
      const std::size_t bad = at < positions[2] ? 1 : 2;
      ASSERT_EQ(Verified(w).damage.size(), 1U) << at;
      EXPECT_EQ(Verified(w).damage.front().position, positions[bad]);
      ASSERT_TRUE(w.TryOpen()) << at;
      for (log::Offset offset = 0; offset < 4; ++offset) {
        EXPECT_EQ(w.Find(1, offset).size(), offset == bad ? 0U : 1U) << at << " " << offset;
      }
      EXPECT_GE(w.log->stats().damaged, 1U) << at;
      w.log.reset();
      ASSERT_EQ(std::filesystem::file_size(archive), positions[4]) << at;
      Flip(archive, at);
    }
    EXPECT_TRUE(Verified(w).damage.empty());
  }
}

TEST(DeliveryLog, SeveralDamagedBlocksArePassedOverAndTheTornEndIsCut) {
  LogWorld w;
  const auto positions = WriteArchive(w, 6);
  const std::string archive = w.Files(".dlog").at(0);
  Flip(archive, positions[0]);       // a header
  Flip(archive, positions[2] - 1);   // a payload
  Flip(archive, positions[3] + 4);   // a length in a header
  Flip(archive, positions[5] + 30);  // the last: nobody can tell it from a torn end
  EXPECT_EQ(Verified(w).damage.size(), 3U);
  w.Open();
  for (log::Offset offset = 0; offset < 6; ++offset) {
    EXPECT_EQ(w.Find(1, offset).size(), offset == 2 || offset == 4 ? 1U : 0U) << offset;
  }
  EXPECT_EQ(w.log->stats().attempts, 2U);
  EXPECT_EQ(std::filesystem::file_size(archive), positions[5]);
  // It goes on where it was cut.
  w.Success(1, 9);
  w.Flush();
  w.Reopen();
  EXPECT_EQ(w.Find(1, 9).size(), 1U);
  EXPECT_EQ(w.Find(1, 4).size(), 1U);
}

TEST(DeliveryLog, ADamagedBlockOfTheLiveFileIsPassedOverToo) {
  LogWorld w;
  w.Open();
  for (log::Offset offset = 0; offset < 3; ++offset) {
    w.Success(1, offset);
    w.Flush();
  }
  const std::string live = w.Files(".live").at(0);
  w.log.reset();
  Flip(live, 16);
  EXPECT_EQ(Verified(w).damage.size(), 1U);
  w.Open();
  EXPECT_TRUE(w.Find(1, 0).empty());
  EXPECT_EQ(w.Find(1, 1).size(), 1U);
  EXPECT_EQ(w.Find(1, 2).size(), 1U);
}

TEST(DeliveryLog, ItGoesOnWhenTheNewestArchiveHadToBePutAside) {
  LogWorld w;
  WriteArchive(w, 2);
  const std::string archive = w.Files(".dlog").at(0);
  std::filesystem::copy(archive, w.options.dir + "/00000000000000999990.dlog");
  Flip(w.options.dir + "/00000000000000999990.dlog", 3);
  w.Open();
  EXPECT_EQ(w.Files(".damaged").size(), 1U);
  w.Success(1, 7);
  w.Flush();  // merged: an older archive takes nothing any more
  w.Success(1, 8);
  w.Flush();
  EXPECT_EQ(w.log->stats().lost, 0U);
  w.Reopen();
  for (const log::Offset offset : {0, 1, 7, 8}) EXPECT_EQ(w.Find(1, offset).size(), 1U) << offset;
}

TEST(VerifyDeliveryLog, WhatIsWholeIsCountedAndWhatIsNotThereIsNothing) {
  LogWorld w;
  EXPECT_EQ(Verified(w).files, 0u);
  w.options.merge_rows = 50;
  w.Open();
  for (log::Offset i = 0; i < 120; ++i) {
    w.Failure(1, i, 1);
    if (i % 60 == 59) w.Flush();
  }
  ASSERT_TRUE(w.log->Close());
  const DeliveryLogReport report = Verified(w);
  EXPECT_EQ(report.attempts, 120u);
  EXPECT_GE(report.files, 2u);
  EXPECT_TRUE(report.damage.empty());
}

TEST(VerifyDeliveryLog, EveryDamagedByteIsNamedWithItsFile) {
  LogWorld w;
  w.options.merge_rows = 20;
  w.Open();
  for (log::Offset i = 0; i < 60; ++i) {
    w.Failure(1, i, 1);
    if (i % 20 == 19) w.Flush();
  }
  ASSERT_TRUE(w.log->Close());
  w.log.reset();
  const auto archives = w.Files(".dlog");
  ASSERT_FALSE(archives.empty());
  const auto size = std::filesystem::file_size(archives.front());
  // With a newer one beside it no end of it may be torn.
  std::filesystem::copy(archives.front(), w.options.dir + "/99999999999999999999.dlog");
  for (std::uint64_t at = 0; at < size; ++at) {
    Flip(archives.front(), at);
    const DeliveryLogReport report = Verified(w);
    ASSERT_EQ(report.damage.size(), 1u) << at;
    EXPECT_TRUE(archives.front().ends_with(report.damage.front().file));
    Flip(archives.front(), at);
  }
  EXPECT_TRUE(Verified(w).damage.empty());
}

TEST(VerifyDeliveryLog, ATornEndThatTheServerWouldCutIsNoDamage) {
  LogWorld w;
  w.Open();
  for (log::Offset i = 0; i < 3; ++i) {
    w.Success(1, i);
    w.Flush();
  }
  const std::string live = w.Files(".live").front();
  for (auto size = std::filesystem::file_size(live); size-- > 0;) {
    std::filesystem::resize_file(live, size);
    ASSERT_TRUE(Verified(w).damage.empty()) << size;
  }
}

TEST(DeliveryLog, AnotherVersionIsRefused) {
  LogWorld w;
  w.Open();
  w.log.reset();
  std::string head = "TRIBDLV\n";
  AppendLe(head, std::uint32_t{2});
  AppendLe(head, Crc32c(head));
  std::ofstream(w.Files(".live").at(0), std::ios::binary) << head;
  EXPECT_EQ(w.TryOpen().error().code(), ErrorCode::kUnsupported);
}

TEST(DeliveryLog, TheOldestLeavePastTheByteLimitAndAtTheirAgeAndAreCounted) {
  LogWorld w;
  w.options.merge_rows = 20'000;
  w.options.size_bytes_max = 256 << 10;
  w.Open();
  std::mt19937_64 random(1);
  for (log::Offset offset = 0; offset < 1'200'000; ++offset) {
    w.Success(1, offset, static_cast<std::int64_t>(random() % 5'000));
    if (offset % 20'000 == 19'999) w.Flush();
  }
  const DeliveryLogStats stats = w.log->stats();
  EXPECT_LE(stats.bytes, w.options.size_bytes_max + (64 << 10));
  EXPECT_GT(stats.dropped, 0U);
  EXPECT_EQ(stats.dropped + stats.attempts, 1'200'000U);
  EXPECT_TRUE(w.Find(1, 0).empty());
  EXPECT_EQ(w.Find(1, 1'199'999).size(), 1U);
  w.clock.now_us += 8LL * 86'400 * kMicrosPerSecond;
  w.executor.Advance(3'600 * kNanosPerSecond);
  EXPECT_EQ(w.log->stats().attempts, 0U);
}

TEST(DeliveryLog, PastTheQueueLimitAttemptsAreCountedAsLost) {
  LogWorld w;
  w.Open();
  for (std::size_t i = 0; i < kDeliveryLogQueueMax; ++i) w.Success(1, i);
  EXPECT_EQ(w.log->stats().lost, 0U);
  w.Success(1, kDeliveryLogQueueMax);
  EXPECT_EQ(w.log->stats().lost, 1U);
  w.Flush();
  w.Success(1, kDeliveryLogQueueMax);
  EXPECT_EQ(w.Find(1, kDeliveryLogQueueMax).size(), 1U);
}

TEST(DeliveryLog, ASuccessCostsFewBytes) {
  LogWorld w;
  w.Open();
  std::mt19937_64 random(2);
  for (std::size_t i = 0; i < 4 * kDeliveryLogMergeRows; ++i) {
    // Four destinations, out of order by a window of sixteen, some latency.
    const LaneId lane = 1 + i % 4;
    const log::Offset offset = (i / 64) * 16 + random() % 16;
    w.clock.now_us += 20;
    w.Success(lane, offset, static_cast<std::int64_t>(1 + random() % 40));
    if (i % 1'024 == 1'023) w.Flush();
  }
  const DeliveryLogStats stats = w.log->stats();
  const double bytes = static_cast<double>(stats.bytes) / static_cast<double>(stats.attempts);
  RecordProperty("bytes_per_success", std::to_string(bytes));
  EXPECT_LT(bytes, 10.0);
}

TEST(DeliveryLog, ABlockIsReadBackAsItWas) {
  std::mt19937_64 random(3);
  AttemptRows rows;
  for (int i = 0; i < 500; ++i) {
    StoredAttempt attempt{
        .number = static_cast<std::uint32_t>(1 + random() % 3),
        .attempt = {.at_us = static_cast<UnixMicros>(random() % (1ULL << 50)) * 1000,
                    .status = static_cast<int>(random() % 600),
                    .duration_ms = static_cast<std::int64_t>(random() % 100'000),
                    .revision = static_cast<std::uint32_t>(random())}};
    if (random() % 3 == 0) {
      attempt.attempt.error = std::string(random() % 50 + 1, 'e');
      attempt.attempt.response = std::string(random() % 512, '\xff');
    }
    rows.Add(static_cast<LaneId>(random() % 5),
             {static_cast<std::uint32_t>(random() % 2), random()}, attempt);
  }
  rows.Sort();
  codec::ZstdCompressor compressor;
  codec::ZstdDecompressor decompressor;
  const std::string block = EncodeBlock(rows, 100, 400, compressor);
  const auto header = DecodeBlockHeader(block);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->bytes(), block.size());
  AttemptRows read;
  ASSERT_TRUE(DecodeBlock(*header, std::string_view(block).substr(header->header_bytes),
                          decompressor, read));
  ASSERT_EQ(read.rows.size(), 300U);
  for (std::size_t i = 0; i < 300; ++i) {
    const StoredAttempt a = rows.At(100 + i);
    const StoredAttempt b = read.At(i);
    const AttemptRow& row = read.rows[i];
    ASSERT_TRUE(header->Has(row.lane, {row.partition, row.offset}));
    ASSERT_EQ(a.number, b.number);
    ASSERT_EQ(a.attempt.at_us, b.attempt.at_us);
    ASSERT_EQ(a.attempt.status, b.attempt.status);
    ASSERT_EQ(a.attempt.error, b.attempt.error);
    ASSERT_EQ(a.attempt.response, b.attempt.response);
    ASSERT_EQ(a.attempt.duration_ms, b.attempt.duration_ms);
    ASSERT_EQ(a.attempt.revision, b.attempt.revision);
    ASSERT_EQ(rows.rows[100 + i].offset, row.offset);
  }
  for (std::size_t at = 0; at < block.size(); ++at) {
    std::string damaged = block;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    const auto bad = DecodeBlockHeader(damaged);
    AttemptRows out;
    const bool read_back =
        bad &&
        DecodeBlock(*bad, std::string_view(damaged).substr(bad->header_bytes), decompressor, out)
            .has_value();
    ASSERT_FALSE(read_back) << at;
  }
}

}  // namespace
}  // namespace tributary::deliver
