// What store.h promises, asked of every engine: RocksDB in a directory and the store in memory that
// the simulation uses.
#include <atomic>
#include <thread>

#include "store/keys.h"
#include "store/store.h"
#include "support/memory_store.h"
#include "support/temp_dir.h"

namespace tributary::store {
namespace {

struct RocksEngine {
  test::TempDir dir;
  std::unique_ptr<Store> Open() {
    auto store = OpenRocksStore({.dir = dir / "store"});
    EXPECT_TRUE(store) << store.error().ToString();
    return std::move(*store);
  }
};
struct MemoryEngine {
  std::unique_ptr<Store> Open() { return std::make_unique<test::MemoryStore>(); }
};

std::vector<std::string> Keys(const Store& store, Family family, std::string_view begin,
                              std::string_view end, bool reverse = false) {
  std::vector<std::string> out;
  const auto collect = [&](std::string_view key, std::string_view) {
    out.emplace_back(key);
    return Visit::kContinue;
  };
  EXPECT_TRUE(store.Scan(family, begin, end, reverse, collect));
  return out;
}

template <class Engine>
class StoreContract : public testing::Test {
 protected:
  Engine engine_;
  std::unique_ptr<Store> store_ = engine_.Open();
};
using Engines = testing::Types<RocksEngine, MemoryEngine>;
TYPED_TEST_SUITE(StoreContract, Engines);

using testing::ElementsAre;
using testing::IsEmpty;

TYPED_TEST(StoreContract, AbsentKeyIsNoError) {
  const auto got = this->store_->Get(Family::kOwned, "nothing");
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->has_value());
}

TYPED_TEST(StoreContract, FamiliesAreApart) {
  Batch batch;
  batch.Put(Family::kOwned, "k", "owned");
  batch.Put(Family::kDerived, "k", "derived");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kYes));
  EXPECT_EQ(**this->store_->Get(Family::kOwned, "k"), "owned");
  EXPECT_EQ(**this->store_->Get(Family::kDerived, "k"), "derived");
}

TYPED_TEST(StoreContract, OpsOfABatchApplyInTheOrderGiven) {
  Batch batch;
  batch.Put(Family::kOwned, "a", "1");
  batch.Delete(Family::kOwned, "a");
  batch.Put(Family::kOwned, "b", "1");
  batch.DeleteRange(Family::kOwned, "a", "c");
  batch.Put(Family::kOwned, "b", "2");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kNo));
  EXPECT_FALSE(this->store_->Get(Family::kOwned, "a")->has_value());
  EXPECT_EQ(**this->store_->Get(Family::kOwned, "b"), "2");
}

TYPED_TEST(StoreContract, DeleteRangeEndsBeforeItsEnd) {
  Batch batch;
  for (const char* key : {"a", "b", "c", "d"}) batch.Put(Family::kOwned, key, "");
  batch.DeleteRange(Family::kOwned, "b", "d");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kNo));
  EXPECT_THAT(Keys(*this->store_, Family::kOwned, "", ""), ElementsAre("a", "d"));
}

TYPED_TEST(StoreContract, ScanKeepsItsBoundsInBothDirections) {
  Batch batch;
  for (const char* key : {"a", "b", "ba", "c", "d"}) batch.Put(Family::kDerived, key, "");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kNo));
  const Store& store = *this->store_;
  EXPECT_THAT(Keys(store, Family::kDerived, "b", "d"), ElementsAre("b", "ba", "c"));
  EXPECT_THAT(Keys(store, Family::kDerived, "b", "d", true), ElementsAre("c", "ba", "b"));
  EXPECT_THAT(Keys(store, Family::kDerived, "bb", ""), ElementsAre("c", "d"));
  EXPECT_THAT(Keys(store, Family::kDerived, "", "", true), ElementsAre("d", "c", "ba", "b", "a"));
  EXPECT_THAT(Keys(store, Family::kDerived, "d", "b"), IsEmpty());
  EXPECT_THAT(Keys(store, Family::kOwned, "", ""), IsEmpty());
}

TYPED_TEST(StoreContract, ScanStopsWhenAsked) {
  Batch batch;
  for (const char* key : {"a", "b", "c"}) batch.Put(Family::kOwned, key, "");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kNo));
  int seen = 0;
  ASSERT_TRUE(this->store_->Scan(Family::kOwned, "", "", false, [&](auto, auto) {
    return ++seen == 2 ? Visit::kStop : Visit::kContinue;
  }));
  EXPECT_EQ(seen, 2);
}

TYPED_TEST(StoreContract, ScanPrefixEndsAtThePrefix) {
  Batch batch;
  const std::string top = std::string("p\xff", 2);
  for (const std::string& key : {std::string("o"), std::string("p"), top, std::string("q")}) {
    batch.Put(Family::kOwned, key, "");
  }
  ASSERT_TRUE(this->store_->Write(batch, Sync::kNo));
  std::vector<std::string> seen;
  ASSERT_TRUE(this->store_->ScanPrefix(Family::kOwned, "p", [&](std::string_view key, auto) {
    seen.emplace_back(key);
    return Visit::kContinue;
  }));
  EXPECT_THAT(seen, ElementsAre("p", top));
}

TYPED_TEST(StoreContract, AVisitorMayWrite) {
  Batch batch;
  for (const char* key : {"a", "b"}) batch.Put(Family::kOwned, key, "");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kNo));
  ASSERT_TRUE(this->store_->Scan(Family::kOwned, "", "", false, [&](std::string_view key, auto) {
    Batch more;
    more.Delete(Family::kOwned, std::string(key));
    EXPECT_TRUE(this->store_->Write(more, Sync::kNo));
    return Visit::kContinue;
  }));
  EXPECT_THAT(Keys(*this->store_, Family::kOwned, "", ""), IsEmpty());
}

TYPED_TEST(StoreContract, BinaryAndEmptyValuesComeBackWhole) {
  const std::string binary("\0\xff\n\0", 4);
  Batch batch;
  batch.Put(Family::kOwned, binary, binary);
  batch.Put(Family::kOwned, "empty", "");
  batch.Put(Family::kOwned, "large", std::string(1 << 20, 'x'));
  ASSERT_TRUE(this->store_->Write(batch, Sync::kYes));
  EXPECT_EQ(**this->store_->Get(Family::kOwned, binary), binary);
  EXPECT_EQ(**this->store_->Get(Family::kOwned, "empty"), "");
  EXPECT_EQ((*this->store_->Get(Family::kOwned, "large"))->size(), 1u << 20);
}

TYPED_TEST(StoreContract, WipeForgetsDerivedAndKeepsOwned) {
  Batch batch;
  batch.Put(Family::kOwned, "k", "owned");
  batch.Put(Family::kDerived, "k", "derived");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kNo));
  ASSERT_TRUE(this->store_->WipeDerived());
  EXPECT_THAT(Keys(*this->store_, Family::kDerived, "", ""), IsEmpty());
  EXPECT_EQ(**this->store_->Get(Family::kOwned, "k"), "owned");
  ASSERT_TRUE(this->store_->Write(batch, Sync::kYes));
  EXPECT_EQ(**this->store_->Get(Family::kDerived, "k"), "derived");
}

TYPED_TEST(StoreContract, WipeUnderReadersAndWritersLosesNoOwnedWrite) {
  constexpr int kWrites = 500;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; i < kWrites; ++i) {
      Batch batch;
      batch.Put(Family::kOwned, "o" + std::to_string(i), "x");
      batch.Put(Family::kDerived, "d" + std::to_string(i), "x");
      EXPECT_TRUE(this->store_->Write(batch, Sync::kNo));
    }
    stop = true;
  });
  std::thread reader([&] {
    while (!stop) {
      EXPECT_TRUE(this->store_->Get(Family::kDerived, "d0"));
      EXPECT_TRUE(this->store_->Scan(Family::kDerived, "", "", false,
                                     [](auto, auto) { return Visit::kContinue; }));
    }
  });
  while (!stop) EXPECT_TRUE(this->store_->WipeDerived());
  writer.join();
  reader.join();
  EXPECT_EQ(Keys(*this->store_, Family::kOwned, "", "").size(), std::size_t{kWrites});
  EXPECT_EQ(this->store_->failure(), "");
}

// ---- What only the store in memory can do ---------------------------------------------------

void PutNumbered(Store& store, int i, Sync sync) {
  Batch batch;
  batch.Put(Family::kOwned, "o" + std::to_string(i), "x");
  batch.Put(Family::kDerived, "d" + std::to_string(i), "x");
  ASSERT_TRUE(store.Write(batch, sync));
}

TEST(MemoryStoreCrash, KeepsWhatWasSyncedAndAPrefixOfTheRest) {
  std::set<std::size_t> outcomes;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    test::MemoryStore store;
    for (int i = 0; i < 10; ++i) PutNumbered(store, i, i == 4 ? Sync::kYes : Sync::kNo);
    store.Crash(seed);
    const std::size_t kept = Keys(store, Family::kOwned, "", "").size();
    ASSERT_GE(kept, 5u);
    ASSERT_EQ(Keys(store, Family::kDerived, "", "").size(), kept);
    ASSERT_TRUE(store.Get(Family::kOwned, "o" + std::to_string(kept - 1))->has_value());
    outcomes.insert(kept);
  }
  EXPECT_EQ(outcomes.size(), 6u) << "every prefix should come up";
}

TEST(MemoryStoreCrash, ASecondCrashTakesNothingOfWhatRecoveryFound) {
  test::MemoryStore store;
  for (int i = 0; i < 6; ++i) PutNumbered(store, i, Sync::kNo);
  store.CrashKeeping(4);
  store.CrashKeeping(0);
  EXPECT_EQ(Keys(store, Family::kOwned, "", "").size(), 4u);
}

TEST(MemoryStoreCrash, AWipeIsNotUndone) {
  test::MemoryStore store;
  PutNumbered(store, 0, Sync::kNo);
  ASSERT_TRUE(store.WipeDerived());
  store.CrashKeeping(1);
  EXPECT_THAT(Keys(store, Family::kDerived, "", ""), IsEmpty());
  EXPECT_THAT(Keys(store, Family::kOwned, "", ""), ElementsAre("o0"));
}

TEST(MemoryStoreFailure, IsFinalUntilRestart) {
  test::MemoryStore store;
  PutNumbered(store, 0, Sync::kYes);
  store.FailWrites("disk on fire");
  Batch batch;
  batch.Put(Family::kOwned, "k", "v");
  EXPECT_EQ(store.Write(batch, Sync::kNo).error().code(), ErrorCode::kIo);
  EXPECT_EQ(store.Write(batch, Sync::kNo).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(store.failure(), "disk on fire");
  EXPECT_TRUE(store.Get(Family::kOwned, "o0")->has_value());
  store.Crash(1);
  EXPECT_TRUE(store.Write(batch, Sync::kNo));
}

TEST(MemoryStoreEngine, RefusesADerivedBatchThatSpansSlotRanges) {
  test::MemoryStore store({.slot_of = keys::SlotOfDerived, .slots_per_range = 64});
  Batch narrow;
  narrow.Put(Family::kDerived, keys::Processor(1, 0, "a"), "");
  narrow.Put(Family::kDerived, keys::Processor(1, 63, "b"), "");
  narrow.Put(Family::kDerived, keys::ProcessorCursor(1, 0, 0), "");
  narrow.Put(Family::kOwned, keys::Lane(1), "");
  EXPECT_TRUE(store.Write(narrow, Sync::kNo));
  Batch wide;
  wide.Put(Family::kDerived, keys::Processor(1, 63, "a"), "");
  wide.Put(Family::kDerived, keys::Processor(1, 64, "b"), "");
  EXPECT_EQ(store.Write(wide, Sync::kNo).error().code(), ErrorCode::kInvalid);
  Batch slotless;
  slotless.Put(Family::kDerived, "whose?", "");
  EXPECT_EQ(store.Write(slotless, Sync::kNo).error().code(), ErrorCode::kInvalid);
  EXPECT_FALSE(store.Get(Family::kDerived, keys::Processor(1, 64, "b"))->has_value());
}

}  // namespace
}  // namespace tributary::store
