// The real file system and real threads: producers, writer, maintenance and readers at once.
#include <thread>

#include "base/logging.h"
#include "log/open.h"
#include "support/temp_dir.h"

namespace tributary::log {
namespace {

constexpr int kProducers = 4;
constexpr int kBatchesEach = 1'500;
constexpr int kRecordsInABatch = 3;

// Writer and maintenance threads, as app/ runs them.
class Running {
 public:
  explicit Running(const std::string& dir) {
    LogOptions options;
    options.dir = dir;
    options.first_segment_bytes = 64 * 1024;
    options.segment_bytes = 512 * 1024;
    options.tail_window_bytes = 128 * 1024;
    options.reserve_bytes = 0;
    log = *SegmentedLog::Open({&os::PosixFileSystem(), &os::SystemClock(), &os::SystemRandom()},
                              options);
    writer_ = std::thread([this] {
      while (!log->closed()) {
        if (!log->WriterStep()) log->WaitForWork();
      }
    });
    maintenance_ = std::thread([this] {
      while (!log->closed()) {
        if (!log->MaintainStep()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
  }
  ~Running() {
    log->Close();
    writer_.join();
    maintenance_.join();
  }
  std::unique_ptr<SegmentedLog> log;

 private:
  std::thread writer_;
  std::thread maintenance_;
};

std::string PayloadOf(int producer, int batch, int record) {
  return std::to_string(producer) + "/" + std::to_string(batch) + "/" + std::to_string(record) +
         std::string(static_cast<std::size_t>(batch % 200), 'x');
}

void Produce(SegmentedLog& log, int producer, std::atomic<int>& acknowledged) {
  for (int b = 0; b < kBatchesEach; ++b) {
    auto batch = std::make_unique<Batch>();
    for (int r = 0; r < kRecordsInABatch; ++r) {
      RecordFields fields;
      fields.received_at_us = os::SystemClock().Now();
      fields.key = "k";
      ASSERT_TRUE(batch->Add(fields, PayloadOf(producer, b, r)));
    }
    for (;;) {
      const Status taken = log.Append(0, batch, [&](const Result<Appended>& result) {
        if (result) ++acknowledged;
      });
      if (taken) break;
      ASSERT_EQ(taken.error().code(), ErrorCode::kUnavailable);
      std::this_thread::yield();
    }
  }
}

// Reads everything once, in order, and checks that each producer's records are in its order.
void Consume(SegmentedLog& log, std::size_t bytes_wanted) {
  const Offset end = kProducers * kBatchesEach * kRecordsInABatch;
  std::vector<int> next(kProducers, 0);
  for (Offset from = 0; from < end;) {
    const auto chunk = log.Read(0, from, bytes_wanted);
    if (!chunk) {
      ASSERT_EQ(chunk.error().code(), ErrorCode::kNotFound);
      std::this_thread::yield();
      continue;
    }
    for (const RecordView& record : (*chunk)->From(from)) {
      ASSERT_EQ(record.offset, from++);
      const int producer = record.payload[0] - '0';
      const int n = next[static_cast<std::size_t>(producer)]++;
      ASSERT_EQ(record.payload, PayloadOf(producer, n / kRecordsInABatch, n % kRecordsInABatch));
    }
  }
}

TEST(LogThreads, ManyProducersAndReadersSeeEveryRecordOnceInOrder) {
  SetLogging(LogLevel::kError, LogFormat::kText);
  test::TempDir dir;
  std::atomic<int> acknowledged{0};
  {
    Running running(dir / "log");
    std::atomic<Offset> woken{0};
    running.log->OnCommit([&](Partition, Offset committed) { woken = committed; });
    std::vector<std::thread> threads;
    for (int p = 0; p < kProducers; ++p) {
      threads.emplace_back([&, p] { Produce(*running.log, p, acknowledged); });
    }
    for (const std::size_t wanted : {1u, 256u * 1024u}) {
      threads.emplace_back([&, wanted] { Consume(*running.log, wanted); });
    }
    threads.emplace_back([&] {  // whoever looks at metrics
      while (running.log->committed(0) < kProducers * kBatchesEach * kRecordsInABatch) {
        running.log->stats();
        running.log->health();
        running.log->segments(0);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(acknowledged, kProducers * kBatchesEach);
    EXPECT_EQ(woken, running.log->committed(0));
    EXPECT_TRUE(running.log->damage().empty());
  }
  const auto report = VerifyLog(os::PosixFileSystem(), dir / "log");
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->damage.empty());
  EXPECT_EQ(report->records, kProducers * kBatchesEach * kRecordsInABatch);
  SetLogging(LogLevel::kInfo, LogFormat::kText);
}

TEST(LogThreads, CloseWakesAWriterThatWaits) {
  test::TempDir dir;
  Running running(dir / "log");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

}  // namespace
}  // namespace tributary::log
