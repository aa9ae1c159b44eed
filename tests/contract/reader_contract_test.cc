#include "contract/reader_contract.h"

#include <gtest/gtest.h>

#include "store/keys.h"

namespace tributary::contract {

std::vector<ReaderEntry>& Readers() {
  static std::vector<ReaderEntry> readers;
  return readers;
}

World::World(test::MemoryStoreOptions store_options) : store(std::move(store_options)) {
  for (const char* dir : {"data", "data/log", "data/dedupe"}) EXPECT_TRUE(fs.CreateDir(dir));
  for (log::Partition p = 0; p < log.partitions(); ++p) {
    EXPECT_TRUE(fs.CreateDir(std::string(kLogDir) + "/p" + std::to_string(p)));
  }
  for (const char* dir : {".", "data", kLogDir}) EXPECT_TRUE(fs.SyncDir(dir));
  log.SetSegments(kSegmentRecords, kLogDir);
}

namespace {

constexpr std::size_t kRecords = 160;  // of each partition
constexpr std::int64_t kStart = 1'790'000'000;

// The records of a partition: events of which every fifth is a repeat, and a few of other kinds.
void Append(World& world, log::Partition partition, std::size_t from, std::size_t end) {
  auto batch = std::make_unique<log::Batch>();
  for (std::size_t i = from; i < end; ++i) {
    const std::size_t repeated = i % 5 == 4 ? i / 2 : i;
    const std::string id = "p" + std::to_string(partition) + "-" + std::to_string(repeated);
    log::RecordFields fields;
    fields.received_at_us = (kStart + static_cast<std::int64_t>(i)) * kMicrosPerSecond;
    fields.source = 1;
    fields.kind = i % 11 == 10 ? log::Kind::kControl : log::Kind::kEvent;
    fields.type = log::EventType::kTrack;
    fields.key = id;
    fields.name = "Order Completed";
    fields.message_id = id;
    ASSERT_TRUE(batch->Add(fields, R"({"type":"track"})"));
  }
  ASSERT_TRUE(world.log.Append(partition, batch, [](const Result<log::Appended>&) {}));
}

std::vector<std::string> Outcomes(World& world, Reader& reader) {
  std::vector<std::string> out;
  for (log::Partition p = 0; p < world.log.partitions(); ++p) {
    out.push_back(reader.Outcome(world, p));
  }
  return out;
}

class ReaderContract : public testing::TestWithParam<ReaderEntry> {
 protected:
  // The plainest run: everything is there, then read in one go.
  std::vector<std::string> Plain() {
    World world;
    const auto reader = GetParam().make();
    reader->Open(world);
    for (log::Partition p = 0; p < world.log.partitions(); ++p) Append(world, p, 0, kRecords);
    reader->Settle(world);
    return Outcomes(world, *reader);
  }
};

TEST_P(ReaderContract, EveryPartitionIsRead) {
  for (const std::string& outcome : Plain()) {
    EXPECT_EQ(std::ranges::count(outcome, '\n'), static_cast<std::ptrdiff_t>(kRecords));
  }
}

TEST_P(ReaderContract, PartitionsDoNotTouchEachOther) {
  const auto together = Plain();
  for (log::Partition p = 0; p < together.size(); ++p) {
    World world;
    const auto reader = GetParam().make();
    reader->Open(world);
    Append(world, p, 0, kRecords);
    reader->Settle(world);
    EXPECT_EQ(reader->Outcome(world, p), together[p]) << "partition " << p << " alone";
  }
}

TEST_P(ReaderContract, HowRecordsArriveDoesNotMatter) {
  World world;
  const auto reader = GetParam().make();
  reader->Open(world);
  for (std::size_t i = 0; i < kRecords;) {
    const std::size_t end = std::min(kRecords, i + 1 + i % 7);
    for (log::Partition p = world.log.partitions(); p > 0; --p) Append(world, p - 1, i, end);
    if (i % 3 == 0) reader->Settle(world);
    i = end;
  }
  reader->Settle(world);
  EXPECT_EQ(Outcomes(world, *reader), Plain());
}

TEST_P(ReaderContract, CrashesAnywhereDoNotMatter) {
  const auto plain = Plain();
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    World world;
    sim::SimRandom random(seed);
    auto reader = GetParam().make();
    reader->Open(world);
    reader->Settle(world);  // what it is set up with is durable before the first event
    for (std::size_t i = 0; i < kRecords; i += 20) {
      for (log::Partition p = 0; p < world.log.partitions(); ++p) Append(world, p, i, i + 20);
      if (random.OneIn(2)) reader->Settle(world);
      if (!random.OneIn(3)) continue;
      reader.reset();
      world.fs.Crash(random.Draw());
      world.store.Crash(random.Draw());
      reader = GetParam().make();
      reader->Open(world);
    }
    reader->Settle(world);
    ASSERT_EQ(Outcomes(world, *reader), plain) << "seed " << seed;
  }
}

TEST_P(ReaderContract, AStoreThatAppliesTwiceAndRefusesWideBatchesDoesNotMatter) {
  World world({.apply_twice = true, .slot_of = store::keys::SlotOfDerived});
  const auto reader = GetParam().make();
  reader->Open(world);
  for (log::Partition p = 0; p < world.log.partitions(); ++p) Append(world, p, 0, kRecords);
  reader->Settle(world);
  EXPECT_EQ(world.store.failure(), "");
  EXPECT_EQ(Outcomes(world, *reader), Plain());
}

TEST_P(ReaderContract, LostRecordsAreSteppedOver) {
  World world;
  const auto reader = GetParam().make();
  reader->Open(world);
  for (log::Partition p = 0; p < world.log.partitions(); ++p) {
    Append(world, p, 0, kRecords);
    world.log.Lose(p, 7);
    world.log.Lose(p, kRecords - 1);
  }
  reader->Settle(world);
  const auto plain = Plain();
  const auto damaged = Outcomes(world, *reader);
  for (log::Partition p = 0; p < plain.size(); ++p) {
    // The line of record 8, which follows the lost one, is as before.
    EXPECT_NE(damaged[p].find("\n8 "), std::string::npos);
    EXPECT_EQ(damaged[p].substr(0, damaged[p].find("\n7 ")),
              plain[p].substr(0, plain[p].find("\n7 ")));
  }
}

INSTANTIATE_TEST_SUITE_P(Readers, ReaderContract, testing::ValuesIn(Readers()),
                         [](const auto& reader) { return reader.param.name; });

}  // namespace
}  // namespace tributary::contract
