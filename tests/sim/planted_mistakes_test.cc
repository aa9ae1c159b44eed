// That the conservation simulation finds what it is for: mistakes in how delivery becomes durable,
// each planted between the engine and its store, are found within its 1,000 seeds.
#include "sim/conservation_world.h"
#include "support/planted_cursor.h"

namespace tributary::deliver {
namespace {

namespace keys = store::keys;
using Op = store::Batch::Op;
using Parts = std::vector<test::RewritingStore::Part>;

bool IsWaiting(const Op& op) {
  return keys::ParseLaneKey(keys::Prefix::kWaiting, op.key).has_value();
}
bool IsDead(const Op& op) {
  return keys::ParseLaneKey(keys::Prefix::kDeadLetter, op.key).has_value();
}

conserve::Plant Planted(test::RewritingStore::Rewrite rewrite) {
  return [rewrite = std::move(rewrite)](store::Store& real) {
    return std::make_unique<test::RewritingStore>(real, rewrite);
  };
}

// A plant that changes operations one by one.
template <class Change>
conserve::Plant EachOp(Change change) {
  return Planted([change](const store::Batch& batch, store::Sync sync) {
    store::Batch planted;
    for (const Op& op : batch.ops()) {
      Op changed = op;
      if (change(batch, changed)) test::AddOp(changed, planted);
    }
    return Parts{{std::move(planted), sync}};
  });
}

// When a batch is split, one of its halves, with the outcomes of its members, is forgotten.
bool SplitForgets(const store::Batch& batch, Op& op) {
  if (op.kind != Op::Kind::kPut || !keys::ParseDeliveryBatch(op.key)) return true;
  const auto half = DecodeBatch(op.value);
  const bool splits = std::ranges::any_of(batch.ops(), [&](const Op& other) {
    const auto key = keys::ParseDeliveryBatch(other.key);
    return other.kind == Op::Kind::kDelete && key &&
           key->lane == keys::ParseDeliveryBatch(op.key)->lane;
  });
  return !splits || half->attempts == 0 || half->attempts != half->base || half->after != 0;
}

// The row of a head does not say that it holds its key.
bool HeadHoldsNothing(const store::Batch&, Op& op) {
  if (op.kind != Op::Kind::kPut || !IsWaiting(op)) return true;
  StoredWaiting row = DecodeWaiting(op.value).value();
  row.key = 0;
  op.value = EncodeWaiting(row);
  return true;
}

// A redrive deletes the dead letter durably, and only then stores that the pair waits.
Parts DeletesFirst(const store::Batch& batch, store::Sync sync) {
  const bool redrives = std::ranges::any_of(
      batch.ops(), [](const Op& op) { return op.kind == Op::Kind::kDelete && IsDead(op); });
  if (!redrives) return {{batch, sync}};
  Parts parts{{{}, sync}, {{}, store::Sync::kNo}};
  for (const Op& op : batch.ops()) {
    const bool later = op.kind == Op::Kind::kPut && IsWaiting(op);
    test::AddOp(op, parts[later ? 1 : 0].batch);
  }
  return parts;
}

// The copy of an event that the log is about to forget is not made.
bool NoBodyKept(const store::Batch&, Op& op) {
  return op.kind != Op::Kind::kPut || !keys::ParseLaneKey(keys::Prefix::kKeptBody, op.key);
}

// The first seed that finds the mistake; nullopt when none does.
std::optional<std::uint64_t> FoundBy(const conserve::Plant& plant) {
  for (std::uint64_t seed = 0; seed < 1'000; ++seed) {
    conserve::World world(seed, plant);
    if (!world.Run().empty()) return seed;
  }
  return std::nullopt;
}

TEST(PlantedMistakes, AnOutcomeForgottenWhenABatchSplitsIsFound) {
  EXPECT_TRUE(FoundBy(EachOp(SplitForgets)).has_value());
}

TEST(PlantedMistakes, ACursorBeforeItsOutcomesIsFound) {
  EXPECT_TRUE(FoundBy(Planted(test::CursorBeforeOutcome)).has_value());
}

TEST(PlantedMistakes, AFollowerReleasedBeforeItsHeadIsFound) {
  EXPECT_TRUE(FoundBy(EachOp(HeadHoldsNothing)).has_value());
}

TEST(PlantedMistakes, ARedriveThatDeletesBeforeItIsStoredIsFound) {
  EXPECT_TRUE(FoundBy(Planted(DeletesFirst)).has_value());
}

TEST(PlantedMistakes, AnEventThatIsNotKeptBeforeTheLogForgetsItIsFound) {
  EXPECT_TRUE(FoundBy(EachOp(NoBodyKept)).has_value());
}

// The seam itself changes nothing.
TEST(PlantedMistakes, WithoutAMistakeNothingIsFound) {
  const auto as_it_is = Planted([](const store::Batch& batch, store::Sync sync) {
    return Parts{{batch, sync}};
  });
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    conserve::World world(seed, as_it_is);
    EXPECT_TRUE(world.Run().empty()) << seed;
  }
}

}  // namespace
}  // namespace tributary::deliver
