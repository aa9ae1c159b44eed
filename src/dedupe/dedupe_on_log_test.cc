// The stage on the real log, both on one simulated machine that loses its power: verdicts beside
// segments that roll, are recompressed and retained away.
#include <random>
#include <unordered_set>

#include "sim/dedupe_rig.h"
#include "sim/log_rig.h"
#include "support/scaled.h"

namespace tributary::dedupe {
namespace {

struct Machine {
  explicit Machine(std::uint64_t seed) : random(seed), rig(seed) {
    rig.options.segment_bytes = 8 * 1024;
    rig.options.first_segment_bytes = 4 * 1024;
    if (seed % 2 == 1) rig.options.retention.size_bytes_max = 64 * 1024;
    if (seed % 2 == 1) rig.options.retention.on_full = log::OnFull::kDropOldest;
  }
  ~Machine() { DropStage(); }

  Status Open() {
    TRY(rig.Open());
    registry = std::make_unique<metrics::Registry>();
    TRY_ASSIGN(stage, Dedupe::Open({&rig.fs(), &rig.clock, &rig.random, &rig.log(), registry.get()},
                                   {.dir = "data/dedupe"}));
    return {};
  }
  void DropStage() {
    if (stage != nullptr && rig.is_open()) rig.log().RemoveHolder(stage.get());
    stage = nullptr;
    registry = nullptr;
  }
  void Settle() {
    for (int i = 0; i < 200 && (stage->Step() || rig.log().MaintainStep()); ++i) {
    }
  }
  void Sync() {
    Settle();
    stage->RequestSync();
    rig.clock.Advance(30 * kNanosPerMilli);
    Settle();
  }
  void PutSome() {
    std::vector<std::string> payloads;
    for (std::uint64_t i = 1 + random() % 20; i > 0; --i) {
      payloads.push_back(std::to_string(random() % 3'000) + std::string(random() % 120, '.'));
    }
    if (rig.Append(payloads) == nullptr) return;
    for (std::uint64_t i = 1 + random() % 2; i > 0; --i) rig.log().WriterStep();
  }
  // Ids of all records that were ever readable, also of those that retention took since.
  void Remember() {
    const log::Offset end = rig.log().committed(0);
    for (log::Offset at = ids.size(); at < end; ++at) {
      const auto found = rig.log().ReadOne(0, at);
      ids.push_back(found ? std::string(found->record.fields.message_id) : "");
    }
  }
  std::string Check() {
    Remember();
    if (stage->decided(0) != rig.log().committed(0)) return "not everything is decided";
    const log::Offset first = rig.log().first(0);
    const auto bits = stage->Duplicates(0, first, stage->decided(0));
    std::unordered_set<std::string> seen;
    for (log::Offset at = 0; at < ids.size(); ++at) {
      const bool repeat = !ids[at].empty() && !seen.insert(ids[at]).second;
      if (at >= first && bits[at - first] != repeat) return "wrong at " + std::to_string(at);
    }
    return "";
  }
  // One life until the power goes. Says what went wrong.
  std::string Live() {
    rig.fs().PowerOffAfter(random() % 200);
    log::Offset synced = stage->synced(0);
    for (int round = 0; round < 60 && rig.fs().powered(); ++round) {
      PutSome();
      if (random() % 3 != 0) stage->Step();
      if (random() % 3 == 0) rig.log().MaintainStep();
      if (random() % 4 == 0) Sync();
      if (rig.fs().powered()) Remember();
      synced = stage->synced(0);
    }
    const auto durable = stage->Duplicates(0, 0, synced);
    DropStage();
    rig.Drop();
    rig.fs().Crash(random());
    const Status opened = Open();
    if (!opened) return "does not open: " + opened.error().ToString();
    if (stage->synced(0) < synced) return "durable verdicts are gone";
    const log::Offset first = rig.log().first(0);
    const auto now = stage->Duplicates(0, 0, synced);
    for (log::Offset at = first; at < synced; ++at) {
      if (now[at] != durable[at]) return "a durable verdict is another now";
    }
    Sync();
    return stage->failure().empty() ? Check() : stage->failure();
  }

  std::mt19937_64 random;
  sim::LogRig rig;
  std::unique_ptr<metrics::Registry> registry;
  std::shared_ptr<Dedupe> stage;
  std::vector<std::string> ids;
};

TEST(DedupeOnLog, PowerLossOfBothChangesNoVerdict) {
  sim::DedupeRig::Hush();
  bool rolled = false;
  bool retained = false;
  for (std::uint64_t seed = 0; seed < test::Seeds(150); ++seed) {
    Machine machine(seed);
    ASSERT_TRUE(machine.Open()) << "seed " << seed;
    for (int life = 0; life < 4; ++life) {
      ASSERT_EQ(machine.Live(), "") << "seed " << seed << " life " << life;
    }
    rolled |= machine.rig.log().segments(0).size() > 3;
    retained |= machine.rig.log().first(0) > 0;
  }
  sim::DedupeRig::Unhush();
  if (test::kSanitized) return;  // too few lives to see everything
  EXPECT_TRUE(rolled);
  EXPECT_TRUE(retained) << "the test shows less than it says";
}

// A log whose newest records may be missing goes on 2^32 offsets above what it has.
TEST(DedupeOnLog, ALeapOfTheLogIsPassedAndWhatIsOnBothSidesIsKnown) {
  sim::DedupeRig::Hush();
  Machine m(2);
  m.rig.options.sync = log::SyncMode::kNone;
  ASSERT_TRUE(m.Open());
  ASSERT_TRUE(m.rig.Put({"a", "b", "a"}));
  m.Sync();
  const auto die = [&m] {
    m.DropStage();
    m.rig.Drop();
    ASSERT_TRUE(m.Open());
  };
  die();
  const auto leapt = m.rig.Put({"b", "c", "c"});
  ASSERT_TRUE(leapt);
  ASSERT_GE(*leapt, log::Offset{1} << 32);
  m.Sync();
  const auto check = [&] {
    EXPECT_EQ(m.stage->synced(0), m.rig.log().committed(0));
    EXPECT_EQ(m.stage->Duplicates(0, 0, 3), (std::vector<bool>{false, false, true}));
    EXPECT_EQ(m.stage->Duplicates(0, *leapt, *leapt + 3), (std::vector<bool>{true, false, true}));
  };
  check();
  die();
  m.Sync();
  check();
  // Without its index too: it is made again from the log, leap and all.
  m.DropStage();
  const auto names = m.rig.fs().List("data/dedupe/p0");
  ASSERT_TRUE(names);
  for (const std::string& name : *names) {
    ASSERT_TRUE(m.rig.fs().Remove("data/dedupe/p0/" + name));
  }
  m.rig.Drop();
  ASSERT_TRUE(m.Open());
  m.Sync();
  check();
  ASSERT_TRUE(m.rig.Put(std::vector<std::string>{"c", "d"}));
  m.Sync();
  const log::Offset end = m.stage->decided(0);
  EXPECT_EQ(m.stage->Duplicates(0, end - 2, end), (std::vector<bool>{true, false}));
  EXPECT_EQ(m.stage->failure(), "");
  sim::DedupeRig::Unhush();
}

TEST(DedupeOnLog, FilesOfRetainedSegmentsGo) {
  sim::DedupeRig::Hush();
  Machine machine(1);
  ASSERT_TRUE(machine.Open());
  for (int i = 0; i < 400; ++i) {
    machine.PutSome();
    machine.Remember();
    machine.Sync();
  }
  ASSERT_GT(machine.rig.log().first(0), 0u);
  machine.rig.clock.Advance(2 * kNanosPerSecond);
  machine.Sync();
  sim::DedupeRig::Unhush();
  EXPECT_EQ(machine.Check(), "");
  std::size_t verdicts = 0;
  for (const std::string& path : machine.rig.fs().Files()) verdicts += path.ends_with(".dup");
  EXPECT_LE(verdicts, machine.rig.log().segments(0).size());
}

}  // namespace
}  // namespace tributary::dedupe
