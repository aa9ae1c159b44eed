#include "sim/sim_fs.h"

#include "sim/sim_executor.h"

namespace tributary::sim {
namespace {

using os::OpenMode;

std::unique_ptr<os::File> Create(SimFs& fs, const std::string& path) {
  auto file = fs.Open(path, OpenMode::kCreate);
  EXPECT_TRUE(file) << file.error().ToString();
  return std::move(*file);
}

// How often something holds after a crash, over many seeds.
template <class Setup, class Holds>
int CountAfterCrash(const Setup& setup, const Holds& holds) {
  int count = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimFs fs;
    EXPECT_TRUE(fs.CreateDir("d"));
    EXPECT_TRUE(fs.SyncDir("."));
    setup(fs);
    fs.Crash(seed);
    count += holds(fs) ? 1 : 0;
  }
  return count;
}

TEST(SimFs, UnsyncedSectorsAreKeptDroppedOrGarbled) {
  const auto setup = [](SimFs& fs) {
    auto file = Create(fs, "d/f");
    ASSERT_TRUE(file->WriteAt(0, std::string(1024, 'a')));
    ASSERT_TRUE(file->SyncData());
    ASSERT_TRUE(fs.SyncDir("d"));
    ASSERT_TRUE(file->WriteAt(512, std::string(512, 'b')));
  };
  const auto second = [](SimFs& fs) { return fs.Bytes("d/f").substr(512); };
  const int kept =
      CountAfterCrash(setup, [&](SimFs& fs) { return second(fs) == std::string(512, 'b'); });
  const int dropped =
      CountAfterCrash(setup, [&](SimFs& fs) { return second(fs) == std::string(512, 'a'); });
  EXPECT_GT(kept, 30);
  EXPECT_GT(dropped, 30);
  EXPECT_GT(200 - kept - dropped, 30);
  EXPECT_EQ(
      CountAfterCrash(
          setup, [](SimFs& fs) { return fs.Bytes("d/f").substr(0, 512) == std::string(512, 'a'); }),
      200);
}

TEST(SimFs, SyncedBytesSurviveEveryCrash) {
  const auto setup = [](SimFs& fs) {
    auto file = Create(fs, "d/f");
    ASSERT_TRUE(file->WriteAt(0, "kept"));
    ASSERT_TRUE(file->SyncData());
    ASSERT_TRUE(fs.SyncDir("d"));
  };
  EXPECT_EQ(CountAfterCrash(setup, [](SimFs& fs) { return fs.Bytes("d/f") == "kept"; }), 200);
}

TEST(SimFs, EntryIsDurableOnlyAfterItsDirectoryWasSynced) {
  const auto setup = [](SimFs& fs) {
    auto file = Create(fs, "d/f");
    ASSERT_TRUE(file->WriteAt(0, "x"));
    ASSERT_TRUE(file->SyncData());
  };
  const int there = CountAfterCrash(setup, [](SimFs& fs) { return fs.Exists("d/f"); });
  EXPECT_GT(there, 30);
  EXPECT_LT(there, 170);
}

TEST(SimFs, RenameIsWholeOrDidNotHappen) {
  const auto setup = [](SimFs& fs) {
    auto file = Create(fs, "d/a");
    ASSERT_TRUE(file->WriteAt(0, "x"));
    ASSERT_TRUE(file->SyncData());
    ASSERT_TRUE(fs.SyncDir("d"));
    ASSERT_TRUE(fs.Rename("d/a", "d/b"));
  };
  const int renamed = CountAfterCrash(setup, [](SimFs& fs) { return fs.Exists("d/b"); });
  EXPECT_GT(renamed, 30);
  EXPECT_LT(renamed, 170);
  EXPECT_EQ(CountAfterCrash(setup, [](SimFs& fs) { return fs.Exists("d/a") != fs.Exists("d/b"); }),
            200);
}

TEST(SimFs, UnsyncedRemovalMayComeBack) {
  const auto setup = [](SimFs& fs) {
    Create(fs, "d/f");
    ASSERT_TRUE(fs.SyncDir("d"));
    ASSERT_TRUE(fs.Remove("d/f"));
  };
  const int back = CountAfterCrash(setup, [](SimFs& fs) { return fs.Exists("d/f"); });
  EXPECT_GT(back, 30);
  EXPECT_LT(back, 170);
}

TEST(SimFs, SameSeedSameCrash) {
  std::string first;
  for (int round = 0; round < 2; ++round) {
    SimFs fs;
    ASSERT_TRUE(fs.CreateDir("d"));
    ASSERT_TRUE(fs.SyncDir("."));
    auto file = Create(fs, "d/f");
    ASSERT_TRUE(fs.SyncDir("d"));
    ASSERT_TRUE(file->WriteAt(0, std::string(5'000, 'z')));
    fs.Crash(42);
    if (round == 0) first = fs.Bytes("d/f");
    EXPECT_EQ(fs.Bytes("d/f"), first);
  }
}

TEST(SimFs, PlannedFaultsAndPowerCut) {
  SimFs fs;
  ASSERT_TRUE(fs.CreateDir("d"));
  ASSERT_TRUE(fs.SyncDir("."));
  auto file = Create(fs, "d/f");
  fs.FailCall(Call::kSync, 1, ErrorCode::kIo);
  EXPECT_TRUE(file->SyncData());
  EXPECT_FALSE(file->SyncData());
  EXPECT_TRUE(file->SyncData());
  ASSERT_TRUE(fs.SyncDir("d"));
  fs.PowerOffAfter(1);
  EXPECT_TRUE(file->WriteAt(0, "x"));
  EXPECT_FALSE(file->WriteAt(1, "y"));
  EXPECT_FALSE(fs.powered());
  EXPECT_FALSE(fs.List("d"));
  fs.Crash(1);
  EXPECT_TRUE(fs.List("d"));
  EXPECT_EQ(file->SyncData().error().code(), ErrorCode::kIo) << "opened before the crash";
}

TEST(SimFs, CapacityHoldsAtTheLimitAndOnePast) {
  SimFs fs;
  ASSERT_TRUE(fs.CreateDir("d"));
  fs.SetCapacity(10);
  auto file = Create(fs, "d/f");
  EXPECT_TRUE(file->WriteAt(0, "0123456789"));
  EXPECT_EQ(file->WriteAt(10, "x").error().code(), ErrorCode::kExhausted);
  EXPECT_EQ(*fs.FreeBytes("d"), 0u);
  ASSERT_TRUE(fs.Remove("d/f"));
  EXPECT_EQ(*fs.FreeBytes("d"), 10u);
}

TEST(SimScheduler, SameSeedSameOrderAndTimersInTime) {
  std::vector<std::string> orders;
  for (const std::uint64_t seed : {1, 1, 2}) {
    SimClock clock;
    SimScheduler scheduler(clock, seed);
    SimExecutor& a = scheduler.NewExecutor();
    SimExecutor& b = scheduler.NewExecutor();
    std::string order;
    for (int i = 0; i < 10; ++i) {
      a.Post([&order, i] { order += static_cast<char>('0' + i); });
      b.Post([&order, i] { order += static_cast<char>('a' + i); });
    }
    const auto cancelled = a.At(clock.Monotonic() + 5, [&] { order += '!'; });
    a.At(clock.Monotonic() + 10, [&] { order += 'Z'; });
    b.At(clock.Monotonic() + 9, [&] { order += 'Y'; });
    a.Cancel(cancelled);
    while (scheduler.Step()) {
    }
    EXPECT_TRUE(order.ends_with("YZ")) << order;
    std::string digits = order;
    std::erase_if(digits, [](char c) { return c < '0' || c > '9'; });
    EXPECT_EQ(digits, "0123456789");
    orders.push_back(order);
  }
  EXPECT_EQ(orders[0], orders[1]);
  EXPECT_NE(orders[0], orders[2]);
}

}  // namespace
}  // namespace tributary::sim
