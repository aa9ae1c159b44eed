// What outlived its events goes, however much it is, and nobody waits long for it.
#include "deliver/pruner.h"

#include "deliver/sim_kit_test.h"
#include "support/durations.h"
#include "support/passing_store.h"

namespace tributary::deliver {
namespace {

// Counts who is asked about. `real` outlives it.
class CountingStore final : public test::PassingStore {
 public:
  using PassingStore::PassingStore;
  std::size_t asked_if_kept() const { return asked_if_kept_; }

  Result<std::optional<std::string>> Get(store::Family family,
                                         std::string_view key) const override {
    const bool kept = key.front() == static_cast<char>(store::keys::Prefix::kKeptBody);
    asked_if_kept_ += kept ? 1 : 0;
    return PassingStore::Get(family, key);
  }

 private:
  mutable std::size_t asked_if_kept_ = 0;
};

// A destination that began after `pairs` events, of each of which it is said to have made two
// attempts.
struct PruneWorld : DeliverWorld {
  explicit PruneWorld(log::Offset pairs) : DeliverWorld(1) {
    AppendMany(pairs);
    OpenOn(counting);
    Make("hook");
    store::Batch batch;
    for (log::Offset offset = 0; offset < pairs; ++offset) {
      for (std::uint8_t slot = 0; slot < 2; ++slot) {
        batch.Put(store::Family::kOwned, store::keys::Attempt(1, {0, offset}, slot),
                  EncodeAttempt({.number = slot + 1U}));
      }
    }
    EXPECT_TRUE(store.Write(batch, store::Sync::kYes));
  }
  // Their pairs wait, or no more.
  void Keep(log::Offset first, log::Offset end, bool keep = true) {
    store::Batch batch;
    for (log::Offset offset = first; offset < end; ++offset) {
      std::string key = store::keys::KeptBody(1, {0, offset});
      if (keep) {
        batch.Put(store::Family::kOwned, std::move(key), "x");
      } else {
        batch.Delete(store::Family::kOwned, std::move(key));
      }
    }
    EXPECT_TRUE(store.Write(batch, store::Sync::kYes));
  }
  std::size_t Rows() const {
    std::size_t n = 0;
    EXPECT_TRUE(
        store.ScanPrefix(store::Family::kOwned, store::keys::AttemptsOf(1), [&](auto, auto) {
          ++n;
          return store::Visit::kContinue;
        }));
    return n;
  }

  CountingStore counting{store};
};

TEST(Pruner, AllThatOutlivedTheLogGoesInOnePassAndOtherWorkIsDoneMeanwhile) {
  PruneWorld w(12'000);
  w.Keep(4'000, 4'100);
  w.log.RetainTo(0, 11'900);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Rows() < 24'000; }, kPruneEvery + kS));
  std::size_t left = 0;
  w.blocking.Post([&] { left = w.Rows(); });
  w.sim.RunFor(kS);
  EXPECT_GT(left, 20'000U);
  EXPECT_EQ(w.Rows(), 2 * (100U + 100U));
}

TEST(Pruner, WhatIsKeptIsNotAskedAboutInEveryPass) {
  PruneWorld w(1'000);
  w.Keep(0, 600);
  w.log.RetainTo(0, 500);
  w.sim.RunFor(kPruneEvery + kS);
  EXPECT_EQ(w.counting.asked_if_kept(), 500U);
  w.log.RetainTo(0, 700);
  w.sim.RunFor(10 * kPruneEvery);
  EXPECT_EQ(w.counting.asked_if_kept(), 700U);
  EXPECT_EQ(w.Rows(), 2 * (600U + 300U));
  // What was kept has been settled: it goes with a later pass that looks at all of them.
  w.Keep(0, 500, false);
  w.sim.RunFor(kWholePruneEvery * kPruneEvery);
  EXPECT_EQ(w.Rows(), 2 * (100U + 300U));
  EXPECT_LE(w.counting.asked_if_kept(), 700U + 600U);
}

TEST(Pruner, APassEndsWhenTheEngineCloses) {
  PruneWorld w(12'000);
  w.log.RetainTo(0, 12'000);
  ASSERT_TRUE(w.sim.RunUntil([&] { return w.Rows() < 24'000; }, kPruneEvery + kS));
  const std::size_t left = w.Rows();
  w.engine->Close(w.sim.Monotonic() + kS, [] {});
  w.sim.RunFor(5 * kPruneEvery);
  EXPECT_EQ(w.Rows(), left);
  EXPECT_GT(left, 0U);
}

}  // namespace
}  // namespace tributary::deliver
