// The log against a model of a few lines: a list of records and where it begins. A million random
// operations, no disagreement.
#include <cstdlib>
#include <deque>

#include "base/logging.h"
#include "sim/log_rig.h"
#include "support/scaled.h"

namespace tributary::sim {
namespace {

using log::Offset;

constexpr std::uint64_t kOperations = test::Scaled(1'000'000);

class Lane final : public log::Holder {
 public:
  std::string name() const override { return "lane"; }
  Offset synced_cursor(log::Partition) const override { return cursor; }
  void ReleaseBelow(log::Partition, Offset) override {}
  Offset cursor = 0;
};

class ModelTest : public testing::Test {
 protected:
  void SetUp() override { SetLogging(LogLevel::kError, LogFormat::kText); }
  void TearDown() override { SetLogging(LogLevel::kInfo, LogFormat::kText); }
};

struct Model {
  struct Record {
    std::string payload;
    UnixMicros at_us;
  };
  std::deque<Record> records;  // of [first, end)
  Offset first = 0;
  UnixMicros newest_us = 0;
  Offset end() const { return first + records.size(); }
  const Record& at(Offset offset) const { return records[offset - first]; }
};

class Agreement {
 public:
  explicit Agreement(std::uint64_t seed) : random_(seed), rig_(seed + 1) {
    rig_.options.first_segment_bytes = 16 * 1024;
    rig_.options.segment_bytes = 64 * 1024;
    rig_.options.tail_window_bytes = 32 * 1024;
    rig_.options.retention.age_us = 20 * kMicrosPerSecond;
    rig_.options.retention.hold_us = 1'000'000 * kMicrosPerSecond;
    Reopen();
  }

  void Run(std::uint64_t operations) {
    for (std::uint64_t i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
      const std::uint64_t draw = random_.Below(10'000);
      if (draw < 3'500)
        Append();
      else if (draw < 6'500)
        ReadOne();
      else if (draw < 8'000)
        ReadChunk();
      else if (draw < 8'800)
        Seek();
      else if (draw < 9'800)
        Maintain();
      else if (draw < 9'990)
        MoveLane();
      else
        Restart();
    }
    EXPECT_TRUE(rig_.log().damage().empty());
  }

 private:
  void Reopen() {
    ASSERT_TRUE(rig_.Open());
    rig_.log().AddHolder(lane_);
    ASSERT_EQ(rig_.log().committed(0), model_.end());
  }

  void Append() {
    rig_.clock.Advance(static_cast<MonoNanos>(random_.Below(10)) * kNanosPerMilli);
    if (random_.OneIn(200)) {
      const auto jump = static_cast<UnixMicros>(random_.Below(2'000));
      rig_.clock.JumpWall(random_.OneIn(2) ? jump : -jump);
    }
    std::vector<std::string> payloads;
    for (std::uint64_t n = random_.Between(1, 3); n > 0; --n) {
      payloads.push_back(std::to_string(serial_++) + std::string(random_.Below(200), 'p'));
    }
    const UnixMicros now = rig_.clock.Now();
    const auto first = rig_.Put(payloads);
    ASSERT_TRUE(first) << first.error().ToString();
    ASSERT_EQ(*first, model_.end());
    model_.newest_us = std::max(model_.newest_us, now);
    for (std::string& payload : payloads) {
      model_.records.push_back({std::move(payload), model_.newest_us});
    }
    ASSERT_EQ(rig_.log().committed(0), model_.end());
  }

  // Mostly near the end, where readers are; sometimes anywhere, or just outside.
  Offset AnyOffset() {
    const Offset span = model_.end() + 2;
    if (random_.OneIn(4)) return random_.Below(span);
    return span - 1 - random_.Below(std::min<Offset>(span, 300));
  }

  void ReadOne() {
    const Offset offset = AnyOffset();
    const auto found = rig_.log().ReadOne(0, offset);
    const bool there = offset >= model_.first && offset < model_.end();
    ASSERT_EQ(found.has_value(), there) << offset;
    if (!there) return;
    ASSERT_EQ(found->record.payload, model_.at(offset).payload);
    ASSERT_EQ(found->record.fields.received_at_us, model_.at(offset).at_us);
  }

  void ReadChunk() {
    const Offset from = AnyOffset();
    const auto chunk = rig_.log().Read(0, from, 1 + random_.Below(20'000));
    ASSERT_EQ(chunk.has_value(), from < model_.end());
    if (!chunk) return;
    Offset expected = std::max(from, model_.first);
    for (const log::RecordView& record : (*chunk)->From(from)) {
      ASSERT_EQ(record.offset, expected);
      ASSERT_EQ(record.payload, model_.at(expected).payload);
      ++expected;
    }
    ASSERT_GT(expected, from);
    ASSERT_EQ((*chunk)->end(), expected);
  }

  void Seek() {
    if (model_.records.empty()) return;
    const Model::Record& target = model_.records[random_.Below(model_.records.size())];
    const UnixMicros at = target.at_us + static_cast<UnixMicros>(random_.Below(3)) - 1;
    const auto expected = std::ranges::lower_bound(model_.records, at, {}, &Model::Record::at_us);
    ASSERT_EQ(*rig_.log().OffsetAtTime(0, at),
              model_.first + static_cast<Offset>(expected - model_.records.begin()));
  }

  void Maintain() {
    rig_.log().MaintainStep();
    rig_.log().WriterStep();
    // What went had been passed by the lane and was too old; the model follows.
    const Offset first = rig_.log().first(0);
    ASSERT_GE(first, model_.first);
    for (; model_.first < first; ++model_.first) {
      ASSERT_LT(model_.first, lane_->cursor);
      ASSERT_LE(model_.records.front().at_us, rig_.clock.Now() - rig_.options.retention.age_us);
      model_.records.pop_front();
    }
  }

  void MoveLane() {
    if (random_.OneIn(2))
      lane_->cursor += random_.Below(model_.end() - lane_->cursor + 1);
    else
      rig_.clock.Advance(static_cast<MonoNanos>(random_.Below(500)) * kNanosPerMilli);
  }

  void Restart() {
    if (random_.OneIn(2)) {
      rig_.CloseCleanly();
    } else {
      rig_.Drop();
      rig_.fs().Crash(random_.Draw());
    }
    Reopen();
    Maintain();
  }

  SimRandom random_;
  LogRig rig_;
  std::shared_ptr<Lane> lane_ = std::make_shared<Lane>();
  Model model_;
  std::uint64_t serial_ = 0;
};

TEST_F(ModelTest, AMillionRandomOperationsAgreeWithTheModel) {
  if (const char* seed = std::getenv("TRIBUTARY_SEED")) {
    Agreement(std::strtoull(seed, nullptr, 10)).Run(kOperations);
    return;
  }
  constexpr std::uint64_t kSeeds = 10;
  for (std::uint64_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("TRIBUTARY_SEED=" + std::to_string(seed));
    Agreement(seed).Run(kOperations / kSeeds);
  }
}

}  // namespace
}  // namespace tributary::sim
