// What a crash, a restart or damage on the disk may do to verdicts and index: nothing.
#include <random>

#include "dedupe/run_file.h"
#include "sim/dedupe_rig.h"
#include "support/scaled.h"

namespace tributary::dedupe {
namespace {

using sim::DedupeRig;

// A few thousand events in every partition, a third of them repeats of something earlier.
void PutVaried(DedupeRig& rig, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (log::Partition p = 0; p < rig.log.partitions(); ++p) {
    std::vector<std::string> ids;
    std::vector<log::RecordFields> records;
    for (std::size_t i = 0; i < count; ++i) ids.push_back(std::to_string(random() % (count * 3)));
    for (const std::string& id : ids) records.push_back(rig.Fields(1 + random() % 2, id));
    rig.Append(p, records);
  }
}

using AllVerdicts = std::vector<std::vector<bool>>;
AllVerdicts VerdictsOf(const DedupeRig& rig) {
  AllVerdicts out;
  for (log::Partition p = 0; p < rig.log.partitions(); ++p) out.push_back(rig.Verdicts(p));
  return out;
}

std::map<std::string, std::string> BytesOf(const DedupeRig& rig, std::string_view suffix) {
  std::map<std::string, std::string> out;
  for (const std::string& path : rig.Files(suffix)) out[path] = rig.fs.Bytes(path);
  return out;
}

class DedupeRecovery : public testing::Test {
 protected:
  void SetUp() override {
    DedupeRig::Hush();
    rig_.MustOpen();
    for (int round = 0; round < 4; ++round) {
      PutVaried(rig_, 260, static_cast<std::uint64_t>(round));
      rig_.Sync();
    }
    before_ = VerdictsOf(rig_);
    index_ = BytesOf(rig_, ".ids");
  }
  void TearDown() override { DedupeRig::Unhush(); }

  void ExpectAsBefore(const std::string& what) {
    rig_.Sync();
    ASSERT_EQ(rig_.stage->failure(), "") << what;
    ASSERT_EQ(VerdictsOf(rig_), before_) << what;
  }
  // The next events are still told from repeats of old ones.
  void ExpectRepeatsAreKnown() {
    for (log::Partition p = 0; p < rig_.log.partitions(); ++p) {
      const auto record = rig_.log.ReadOne(p, 3);
      ASSERT_TRUE(record);
      const std::string id(record->record.fields.message_id);
      const log::Offset at = rig_.Put(p, record->record.fields.source, id);
      rig_.Sync();
      ASSERT_TRUE(rig_.stage->IsDuplicate(p, at)) << "partition " << p;
    }
  }

  DedupeRig rig_{100};
  AllVerdicts before_;
  std::map<std::string, std::string> index_;
};

TEST_F(DedupeRecovery, ARestartKnowsWhatWasDecided) {
  rig_.Restart();
  for (log::Partition p = 0; p < 4; ++p) {
    EXPECT_EQ(rig_.stage->decided(p), before_[p].size()) << "known at once, before any step";
    EXPECT_EQ(rig_.stage->synced(p), before_[p].size());
  }
  ASSERT_EQ(VerdictsOf(rig_), before_);
  ExpectAsBefore("restart");
  ExpectRepeatsAreKnown();
}

// What somebody may have acted on stays, even if the rules are others now.
TEST_F(DedupeRecovery, VerdictsBelowSyncedAreReadNotMadeAgain) {
  PutVaried(rig_, 50, 99);  // decided after the restart, by the new rule
  rig_.options.window_us = 0;
  rig_.now_s += 10;
  rig_.Restart();
  rig_.Sync();
  const AllVerdicts after = VerdictsOf(rig_);
  for (log::Partition p = 0; p < 4; ++p) {
    const auto end = after[p].begin() + static_cast<std::ptrdiff_t>(before_[p].size());
    ASSERT_EQ(std::vector<bool>(after[p].begin(), end), before_[p]);
  }
}

TEST_F(DedupeRecovery, VerdictsAboveSyncedAreMadeAgainTheSame) {
  PutVaried(rig_, 150, 50);
  rig_.Settle();  // decided, not synced
  const AllVerdicts decided = VerdictsOf(rig_);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    rig_.fs.Crash(seed);
    rig_.MustOpen();
    rig_.Sync();
    ASSERT_EQ(VerdictsOf(rig_), decided) << "seed " << seed;
  }
}

TEST_F(DedupeRecovery, AnIndexFileThatIsMissingIsMadeAgainToTheSameBytes) {
  for (const auto& [path, bytes] : index_) {
    rig_.Drop();
    rig_.fs.Reboot();
    ASSERT_TRUE(rig_.fs.Remove(path));
    rig_.MustOpen();
    ExpectAsBefore(path);
    ASSERT_EQ(BytesOf(rig_, ".ids"), index_) << path;
  }
  ExpectRepeatsAreKnown();
}

TEST_F(DedupeRecovery, ADamagedIndexFileIsNoticedAndMadeAgainToTheSameBytes) {
  std::mt19937_64 random(3);
  int rebuilt = 0;
  for (const auto& [path, bytes] : index_) {
    rig_.Drop();
    rig_.fs.Reboot();
    const bool header = random() % 3 == 0;
    const std::uint64_t byte = header ? random() % 64 : Run::kBlockBytes + random() % 512;
    rig_.fs.FlipBit(path, byte * 8 + random() % 8);
    rig_.MustOpen();
    ExpectAsBefore(path);
    ASSERT_EQ(BytesOf(rig_, ".ids"), index_) << path << " byte " << byte;
    rebuilt += rig_.Metric("tributary_dedupe_rebuilt_total") > 0;
  }
  // The last run of a partition is not a hole: it is gathered again as after any crash.
  EXPECT_GE(rebuilt, static_cast<int>(index_.size()) - 4);
  ExpectRepeatsAreKnown();
}

TEST_F(DedupeRecovery, ALookUpThatMeetsDamageSaysSoUntilItIsMended) {
  const auto& [path, bytes] = *index_.begin();
  const auto record = rig_.log.ReadOne(0, 0);
  ASSERT_TRUE(record);
  const std::string id(record->record.fields.message_id);
  const log::SourceId source = record->record.fields.source;
  for (std::size_t at = Run::kBlockBytes; at < bytes.size(); at += 64)
    rig_.fs.FlipBit(path, at * 8);
  const auto found = rig_.stage->Find(source, id);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kUnavailable);
  rig_.Settle();
  EXPECT_TRUE(rig_.stage->Find(source, id));
  EXPECT_EQ(rig_.fs.Bytes(path), bytes);
}

TEST_F(DedupeRecovery, DamagedVerdictsComeFromTheIndex) {
  const auto files = rig_.Files(".dup");
  for (const std::string& path : files) {
    rig_.Drop();
    rig_.fs.Reboot();
    for (std::size_t at = 0; at < rig_.fs.Bytes(path).size(); at += 50) {
      rig_.fs.FlipBit(path, at * 8);
    }
    rig_.MustOpen();
    // Readers get the right ones at once. (Of the active segment no index has been written yet:
    // there decided() starts lower, and the stage decides again.)
    for (log::Partition p = 0; p < 4; ++p) {
      const std::vector<bool> now = rig_.Verdicts(p);
      ASSERT_GE(now.size(), 1'000u);
      ASSERT_TRUE(std::equal(now.begin(), now.end(), before_[p].begin())) << path;
    }
    ExpectAsBefore(path);
    const bool active = path.find("00001000.dup") != std::string::npos;
    EXPECT_TRUE(active || rig_.Metric("tributary_dedupe_rebuilt_total") > 0) << path;
    rig_.Restart();
    ASSERT_EQ(VerdictsOf(rig_), before_) << path << ": the file is whole again";
    EXPECT_EQ(rig_.Metric("tributary_dedupe_rebuilt_total"), 0u) << path;
  }
}

TEST_F(DedupeRecovery, VerdictFilesThatAreMissingComeFromTheIndex) {
  rig_.Drop();
  rig_.fs.Reboot();
  for (const std::string& path : rig_.Files(".dup")) ASSERT_TRUE(rig_.fs.Remove(path));
  rig_.MustOpen();
  ExpectAsBefore("all of them");
}

TEST_F(DedupeRecovery, WithoutIndexAndVerdictsEverythingIsDecidedAnewTheSame) {
  rig_.Drop();
  rig_.fs.Reboot();
  for (const char* suffix : {".dup", ".ids"}) {
    for (const std::string& path : rig_.Files(suffix)) ASSERT_TRUE(rig_.fs.Remove(path));
  }
  rig_.MustOpen();
  ExpectAsBefore("both gone");
  EXPECT_EQ(BytesOf(rig_, ".ids"), index_);
}

TEST_F(DedupeRecovery, WithoutIndexTheVerdictsAreTakenAsTheyAre) {
  rig_.Drop();
  rig_.fs.Reboot();
  for (const std::string& path : rig_.Files(".ids")) ASSERT_TRUE(rig_.fs.Remove(path));
  rig_.MustOpen();
  for (log::Partition p = 0; p < 4; ++p) EXPECT_EQ(rig_.stage->decided(p), before_[p].size());
  ExpectAsBefore("no index");
  EXPECT_EQ(BytesOf(rig_, ".ids"), index_);
}

TEST_F(DedupeRecovery, DamageOfBothInTheMiddleIsDecidedAnew) {
  rig_.Drop();
  rig_.fs.Reboot();
  const std::string dup = std::string(DedupeRig::kLogDir) + "/p1/00000000000000000300.dup";
  const std::string ids = std::string(DedupeRig::kDir) + "/p1/" + Run::FileName(300, 400);
  ASSERT_TRUE(rig_.fs.Remove(dup));
  ASSERT_TRUE(rig_.fs.Remove(ids));
  rig_.MustOpen();
  ExpectAsBefore("both of one segment");
  EXPECT_EQ(rig_.fs.Bytes(ids), index_[ids]);
  rig_.Restart();
  ASSERT_EQ(VerdictsOf(rig_), before_);
}

TEST_F(DedupeRecovery, LeftoversOfACrashAreRemoved) {
  const std::string tmp = std::string(DedupeRig::kDir) + "/p0/x.ids.tmp";
  const std::string doomed =
      std::string(DedupeRig::kLogDir) + "/p0/00000000000000000000.dup.deleted";
  rig_.fs.SetBytes(tmp, "x");
  rig_.fs.SetBytes(doomed, "x");
  rig_.Restart();
  EXPECT_FALSE(rig_.fs.Exists(tmp));
  EXPECT_FALSE(rig_.fs.Exists(doomed));
}

// ---- Power loss -----------------------------------------------------------------------------

// What the verdicts must be, from the log alone.
std::vector<bool> Truth(DedupeRig& rig, log::Partition partition, std::int64_t window_s) {
  std::vector<bool> out(rig.log.committed(partition));
  std::map<std::pair<log::SourceId, std::string>, std::int64_t> originals;
  for (log::Offset at = 0; at < out.size(); ++at) {
    const auto found = rig.log.ReadOne(partition, at);
    EXPECT_TRUE(found);
    const log::RecordFields& fields = found->record.fields;
    const std::int64_t now_s = fields.received_at_us / kMicrosPerSecond;
    const auto [original, fresh] =
        originals.try_emplace({fields.source, std::string(fields.message_id)}, now_s);
    if (!fresh && now_s - original->second <= window_s) out[at] = true;
    if (!out[at]) original->second = now_s;
  }
  return out;
}

struct PowerLoss {
  std::uint64_t seed;
  bool ignore_syncs = false;
  bool ignore_dir_syncs = false;

  // Says what went wrong; "" when nothing did.
  std::string Run() const {
    constexpr std::int64_t kShortWindow = 40;
    std::mt19937_64 random(seed);
    DedupeRig rig(20 + random() % 60, 1 + random() % 2);
    rig.options.window_us = kShortWindow * kMicrosPerSecond;
    if (!rig.Open()) return "does not open";
    if (ignore_syncs) rig.fs.IgnoreSyncs();
    if (ignore_dir_syncs) rig.fs.IgnoreDirSyncs();
    for (int life = 0; life < 4; ++life) {
      rig.fs.PowerOffAfter(random() % 60);
      std::vector<log::Offset> synced(rig.log.partitions(), 0);
      for (int round = 0; round < 40 && rig.fs.powered(); ++round) {
        PutVaried(rig, 1 + random() % 30, random());
        rig.now_s += static_cast<std::int64_t>(random() % 8);
        for (std::uint64_t steps = random() % 6; steps > 0 && rig.stage->Step(); --steps) {
        }
        if (random() % 2 == 0) rig.Sync();
        for (log::Partition p = 0; p < synced.size(); ++p) synced[p] = rig.stage->synced(p);
      }
      std::vector<log::Offset> cursors;
      for (log::Partition p = 0; p < synced.size(); ++p) {
        cursors.push_back(rig.stage->synced_cursor(p));
      }
      rig.Drop();
      rig.fs.Crash(random());
      const Status opened = rig.Open();
      if (!opened) return "after the crash: " + opened.error().ToString();
      for (log::Partition p = 0; p < synced.size(); ++p) {
        if (rig.stage->synced(p) < synced[p]) return "verdicts that were durable are gone";
        if (rig.stage->synced_cursor(p) < cursors[p]) return "the index went back";
      }
      rig.Sync();
      for (log::Partition p = 0; p < synced.size(); ++p) {
        if (rig.Verdicts(p) != Truth(rig, p, kShortWindow)) return "a verdict is another now";
      }
    }
    return "";
  }
};

TEST(DedupePowerLoss, VerdictsAgreeBeforeAndAfter) {
  DedupeRig::Hush();
  for (std::uint64_t seed = 0; seed < test::Scaled(400); ++seed) {
    ASSERT_EQ(PowerLoss{.seed = seed}.Run(), "") << "seed " << seed;
  }
  DedupeRig::Unhush();
}

// The tester tested: without syncs, and without directory syncs, the same seeds must fail.
TEST(DedupePowerLoss, AMissingSyncIsFound) {
  DedupeRig::Hush();
  int files = 0;
  int directories = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    files += !PowerLoss{.seed = seed, .ignore_syncs = true}.Run().empty();
    directories += !PowerLoss{.seed = seed, .ignore_dir_syncs = true}.Run().empty();
  }
  EXPECT_GT(files, 0);
  EXPECT_GT(directories, 0);
  DedupeRig::Unhush();
}

// A start costs next to nothing however much was decided: neither index files nor verdicts are
// read through.
TEST(DedupeStart, OpeningReadsOnlyTheTail) {
  DedupeRig rig(2'000, 1);
  rig.MustOpen();
  for (int i = 0; i < 40; ++i) {
    rig.PutOthers(0, 2'000);
    rig.Sync();
  }
  rig.PutOthers(0, 100);
  rig.Sync();
  std::uint64_t stored = 0;
  for (const std::string& path : rig.Files(".ids")) stored += rig.fs.Bytes(path).size();
  ASSERT_EQ(rig.Files(".ids").size(), 40u);
  ASSERT_GT(stored, 1'000'000u);
  rig.Drop();
  rig.fs.Reboot();
  const std::uint64_t bytes = rig.fs.bytes_read();
  rig.MustOpen();
  EXPECT_EQ(rig.stage->decided(0), 80'100u);
  EXPECT_LE(rig.fs.bytes_read() - bytes, 40 * 1024u);
}

}  // namespace
}  // namespace tributary::dedupe
