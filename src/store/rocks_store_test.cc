// What only RocksDB can show: files that survive, crashes of them, the second process, backups.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/logging.h"
#include "store/store.h"
#include "support/temp_dir.h"

namespace tributary::store {
namespace {

namespace stdfs = std::filesystem;

std::unique_ptr<Store> MustOpen(const std::string& dir) {
  auto store = OpenRocksStore({.dir = dir});
  EXPECT_TRUE(store) << store.error().ToString();
  return store ? std::move(*store) : nullptr;
}

std::size_t Count(const Store& store, Family family) {
  std::size_t count = 0;
  EXPECT_TRUE(store.Scan(family, "", "", false, [&](auto, auto) {
    ++count;
    return Visit::kContinue;
  }));
  return count;
}

std::string Numbered(char prefix, int i) {
  char text[16];
  std::snprintf(text, sizeof text, "%c%06d", prefix, i);
  return text;
}

Batch NumberedBatch(int i) {
  Batch batch;
  // Some batches are longer than one 32 KiB block of the write-ahead log.
  const std::size_t bytes = i % 37 == 0 ? 40'000 : 20 + static_cast<std::size_t>(i) % 300;
  batch.Put(Family::kOwned, Numbered('o', i), std::string(bytes, 'o'));
  batch.Put(Family::kDerived, Numbered('d', i), std::to_string(i));
  batch.Put(Family::kDerived, "cursor", std::to_string(i));
  return batch;
}

TEST(RocksStore, WhatWasWrittenIsThereAfterReopening) {
  test::TempDir dir;
  {
    auto store = MustOpen(dir / "s");
    ASSERT_TRUE(store->Write(NumberedBatch(1), Sync::kNo));
  }
  auto store = MustOpen(dir / "s");
  EXPECT_EQ(**store->Get(Family::kDerived, "cursor"), "1");
  EXPECT_EQ(Count(*store, Family::kOwned), 1u);
}

TEST(RocksStore, AWipeSurvivesReopening) {
  test::TempDir dir;
  {
    auto store = MustOpen(dir / "s");
    ASSERT_TRUE(store->Write(NumberedBatch(1), Sync::kYes));
    ASSERT_TRUE(store->WipeDerived());
    ASSERT_TRUE(store->Write(NumberedBatch(2), Sync::kYes));
  }
  auto store = MustOpen(dir / "s");
  EXPECT_EQ(Count(*store, Family::kOwned), 2u);
  EXPECT_EQ(Count(*store, Family::kDerived), 2u);  // d000002 and the cursor
}

TEST(RocksStore, SecondOpenIsRefusedAndChangesNothing) {
  test::TempDir dir;
  auto first = MustOpen(dir / "s");
  const auto second = OpenRocksStore({.dir = dir / "s"});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict) << second.error().ToString();
  EXPECT_TRUE(first->Write(NumberedBatch(1), Sync::kYes));
}

TEST(RocksStore, DirectoryThatCannotBeMadeIsAnError) {
  test::TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto store = OpenRocksStore({.dir = dir / "file/store"});
  EXPECT_FALSE(store);
}

TEST(RocksStore, CheckpointIsAConsistentCopyThatOpens) {
  test::TempDir dir;
  auto store = MustOpen(dir / "s");
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store->Write(NumberedBatch(i), Sync::kNo));
  ASSERT_TRUE(store->Checkpoint(dir / "copy"));
  ASSERT_TRUE(store->Write(NumberedBatch(100), Sync::kYes));
  EXPECT_EQ(store->Checkpoint(dir / "copy").error().code(), ErrorCode::kConflict);
  auto copy = MustOpen(dir / "copy");
  EXPECT_EQ(Count(*copy, Family::kOwned), 100u);
  EXPECT_EQ(**copy->Get(Family::kDerived, "cursor"), "99");
}

TEST(RocksStore, NoFilesButItsOwnTables) {
  // RocksDB's own LOG files would grow in the data directory and hold its options at each start.
  test::TempDir dir;
  { auto store = MustOpen(dir / "s"); }
  { auto store = MustOpen(dir / "s"); }
  for (const auto& entry : stdfs::directory_iterator(dir / "s")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("LOG")) << entry.path();
  }
}

TEST(RocksStore, MoreThanTheWriteBufferStaysReadableAndOrdered) {
  test::TempDir dir;
  auto opened = OpenRocksStore({.dir = dir / "s", .write_buffer_bytes = 256 << 10});
  ASSERT_TRUE(opened);
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE((*opened)->Write(NumberedBatch(i), Sync::kNo));
  opened->reset();
  auto store = MustOpen(dir / "s");
  EXPECT_EQ(Count(*store, Family::kOwned), 5'000u);
  EXPECT_EQ(Count(*store, Family::kDerived), 5'001u);
  EXPECT_EQ(**store->Get(Family::kDerived, "cursor"), "4999");
}

// ---- Crash: the write-ahead log cut or garbled at many places -------------------------------

class RocksWalCrash : public testing::Test {
 protected:
  static constexpr int kBatches = 300;

  // A directory as a killed process leaves it, and where in the log each batch ended.
  void SetUp() override {
    SetLogging(LogLevel::kError, LogFormat::kText);  // RocksDB names each torn block
    auto store = MustOpen(live_);
    for (int i = 0; i < kBatches; ++i) {
      ASSERT_TRUE(store->Write(NumberedBatch(i), i % 10 == 9 ? Sync::kYes : Sync::kNo));
      ends_.push_back(stdfs::file_size(WalOf(live_)));
    }
    stdfs::copy(live_, killed_);
  }
  void TearDown() override { SetLogging(LogLevel::kInfo, LogFormat::kText); }

  static std::string WalOf(const std::string& dir) {
    std::string wal;
    for (const auto& entry : stdfs::directory_iterator(dir)) {
      if (entry.path().extension() != ".log") continue;
      EXPECT_EQ(wal, "") << "one write-ahead log expected";
      wal = entry.path().string();
    }
    return wal;
  }

  int WholeBefore(std::uint64_t cut) const {
    return static_cast<int>(std::upper_bound(ends_.begin(), ends_.end(), cut) - ends_.begin());
  }

  // Opens a copy of the killed directory after `damage` was done to its log.
  template <class Damage>
  std::unique_ptr<Store> OpenDamaged(const Damage& damage) {
    const std::string dir = dir_ / "damaged";
    stdfs::remove_all(dir);
    stdfs::copy(killed_, dir);
    damage(WalOf(dir));
    return MustOpen(dir);
  }

  void ExpectExactly(const Store& store, int batches, std::uint64_t cut) {
    ASSERT_EQ(Count(store, Family::kOwned), static_cast<std::size_t>(batches)) << "cut at " << cut;
    if (batches == 0) return;
    const std::string last = std::to_string(batches - 1);
    ASSERT_EQ(**store.Get(Family::kDerived, "cursor"), last) << "cut at " << cut;
    ASSERT_TRUE(store.Get(Family::kOwned, Numbered('o', batches - 1))->has_value());
    ASSERT_EQ(Count(store, Family::kDerived), static_cast<std::size_t>(batches) + 1);
  }

  test::TempDir dir_;
  const std::string live_ = dir_ / "live";
  const std::string killed_ = dir_ / "killed";
  std::vector<std::uint64_t> ends_;  // bytes of the log after each batch
};

TEST_F(RocksWalCrash, CutAnywhereLeavesWholeBatchesInOrder) {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> cuts = {0,           1, 6, 7, ends_[9], ends_[9] - 1, ends_[9] + 1,
                                     ends_.back()};
  while (cuts.size() < 210) cuts.push_back(random() % ends_.back());
  for (const std::uint64_t cut : cuts) {
    auto store = OpenDamaged([&](const std::string& wal) { stdfs::resize_file(wal, cut); });
    ASSERT_TRUE(store) << "cut at " << cut;
    ExpectExactly(*store, WholeBefore(cut), cut);
    ASSERT_FALSE(HasFatalFailure());
  }
}

TEST_F(RocksWalCrash, GarbageAfterTheCutIsNeverServed) {
  std::mt19937_64 random(8);
  for (int round = 0; round < 40; ++round) {
    const std::uint64_t cut = random() % ends_.back();
    auto store = OpenDamaged([&](const std::string& wal) {
      std::string garbage(ends_.back() - cut, '\0');
      for (char& c : garbage) c = static_cast<char>(random());
      std::fstream file(wal, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(cut));
      file.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
    });
    ASSERT_TRUE(store) << "garbage at " << cut;
    ExpectExactly(*store, WholeBefore(cut), cut);
    ASSERT_FALSE(HasFatalFailure());
  }
}

TEST_F(RocksWalCrash, AfterACutTheStoreGoesOnAndKeepsWhatCameLater) {
  const std::string dir = dir_ / "on";
  stdfs::copy(killed_, dir);
  stdfs::resize_file(WalOf(dir), ends_[50] + 3);
  for (int restart = 0; restart < 5; ++restart) {
    auto store = MustOpen(dir);
    ASSERT_TRUE(store);
    ExpectExactly(*store, 51 + restart, ends_[50] + 3);
    ASSERT_TRUE(store->Write(NumberedBatch(51 + restart), Sync::kYes));
  }
}

}  // namespace
}  // namespace tributary::store
