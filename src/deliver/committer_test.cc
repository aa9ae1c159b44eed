#include "deliver/committer.h"

#include <gtest/gtest.h>

#include <thread>

#include "deliver/sim_kit_test.h"

namespace tributary::deliver {
namespace {

store::Batch OnePut(const std::string& key) {
  store::Batch batch;
  batch.Put(store::Family::kOwned, key, "v");
  return batch;
}

TEST(Committer, ManySubmissionsAreOneSyncedBatch) {
  test::MemoryStore store;
  Committer committer(store, nullptr);
  int done = 0;
  for (int i = 0; i < 10; ++i) {
    committer.Submit({.batch = OnePut(std::to_string(i)), .high = {}, .done = [&](const Status& s) {
                        EXPECT_TRUE(s.has_value());
                        ++done;
                      }});
  }
  EXPECT_EQ(done, 0);
  EXPECT_TRUE(committer.Step());
  EXPECT_EQ(done, 10);
  store.CrashKeeping(0);
  EXPECT_TRUE(store.Get(store::Family::kOwned, "9").value().has_value());
  EXPECT_FALSE(committer.Step());
}

TEST(Committer, GateHoldsOneBackAndNotTheOthers) {
  Sim sim(1);
  test::MemoryLog log(1);
  FakeVerdicts verdicts(sim, 1);
  test::MemoryStore store;
  Committer committer(store, &verdicts);
  bool gated = false;
  bool free = false;
  committer.Submit({.batch = OnePut("gated"), .high = {5}, .done = [&](auto&) { gated = true; }});
  committer.Submit({.batch = OnePut("free"), .high = {0}, .done = [&](auto&) { free = true; }});
  committer.Step();
  EXPECT_TRUE(free);
  EXPECT_FALSE(gated);
  EXPECT_FALSE(store.Get(store::Family::kOwned, "gated").value().has_value());
}

// Verdicts that anybody may move, from any thread.
class MovableVerdicts : public log::Verdicts {
 public:
  log::Offset decided(log::Partition) const override { return synced_at; }
  log::Offset synced(log::Partition) const override { return synced_at; }
  bool IsDuplicate(log::Partition, log::Offset) const override { return false; }
  std::vector<bool> Duplicates(log::Partition, log::Offset first, log::Offset end) const override {
    return std::vector<bool>(end - first);
  }
  void RequestSync() override { ++asked; }
  void OnProgress(Listener) override {}
  std::atomic<log::Offset> synced_at{0};
  std::atomic<int> asked{0};
};

TEST(Committer, WokenByWhatIsSyncedAndNotByWhatIsOnlyDecided) {
  MovableVerdicts verdicts;
  test::MemoryStore store;
  Committer committer(store, &verdicts);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    while (committer.WaitForWork()) {
      while (committer.Step()) {
      }
    }
  });
  committer.Submit({.batch = OnePut("gated"), .high = {5}, .done = [&](auto& s) {
                      EXPECT_TRUE(s.has_value());
                      done = true;
                    }});
  while (verdicts.asked == 0) std::this_thread::yield();
  for (int i = 0; i < 100; ++i) committer.Wake();
  EXPECT_LE(verdicts.asked, 4) << "each time it is woken it asks again";
  verdicts.synced_at = 4;
  committer.Wake();
  verdicts.synced_at = 5;
  committer.Wake();
  while (!done) std::this_thread::yield();
  committer.Close();
  writer.join();
}

TEST(Committer, CloseWritesWhatItMayAndFailsTheRest) {
  Sim sim(1);
  FakeVerdicts verdicts(sim, 1);
  test::MemoryStore store;
  Committer committer(store, &verdicts);
  std::optional<bool> written;
  std::optional<bool> gated;
  committer.Submit(
      {.batch = OnePut("a"), .high = {0}, .done = [&](auto& s) { written = s.has_value(); }});
  committer.Submit(
      {.batch = OnePut("b"), .high = {9}, .done = [&](auto& s) { gated = s.has_value(); }});
  committer.Close();
  EXPECT_TRUE(committer.WaitForWork());
  committer.Step();
  EXPECT_EQ(written, true);
  EXPECT_EQ(gated, false);
  EXPECT_FALSE(committer.WaitForWork());
  EXPECT_FALSE(committer.Post([] {}));
}

TEST(Committer, SubmissionsFromManyThreadsAreAllAnswered) {
  test::MemoryStore store;
  Committer committer(store, nullptr);
  std::atomic<int> done{0};
  std::thread writer([&] {
    while (committer.WaitForWork()) {
      while (committer.Step()) {
      }
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        committer.Submit({.batch = OnePut(std::to_string(t) + "-" + std::to_string(i)),
                          .high = {},
                          .done = [&](const Status& s) { done += s ? 1 : 0; }});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  committer.Close();
  writer.join();
  EXPECT_EQ(done, 2'000);
}

}  // namespace
}  // namespace tributary::deliver
