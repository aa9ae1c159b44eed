// Verify of dedupe's files: whole ones are clean, each damaged one is named.
#include "dedupe/verify.h"

#include "dedupe/ids_kit_test.h"
#include "dedupe/run_file.h"
#include "dedupe/verdict_file.h"
#include "sim/sim_fs.h"

namespace tributary::dedupe {
namespace {

constexpr log::Offset kRecords = 5'000;  // of the first segment: two pages of verdicts

class VerifyDedupeFiles : public testing::Test {
 protected:
  VerifyDedupeFiles() {
    for (const char* dir : {"d", "d/dedupe", "d/dedupe/p0", "d/log", "d/log/p0"}) {
      EXPECT_TRUE(fs_.CreateDir(dir));
    }
    for (const log::Offset first : {log::Offset{0}, kRecords}) {
      const std::string stem = "d/log/p0/" + Run::FileName(first, 0).substr(0, 20);
      EXPECT_TRUE(os::WriteFileAtomic(fs_, stem + ".seg", "segment"));
      VerdictWriter writer(fs_, {.partition = 0, .first = first, .path = stem + ".dup"}, {});
      // The second one is still written to: no index file tells how far it goes.
      for (log::Offset i = 0; i < (first == 0 ? kRecords : 10); ++i) writer.Add(i % 3 == 1);
      EXPECT_TRUE(writer.Sync());
    }
    std::vector<IdEntry> entries;
    for (std::uint32_t i = 0; i < kRecords; ++i) entries.push_back({.id = Id(i), .place = i});
    OpenFiles files(fs_);
    EXPECT_TRUE(Run::Write(files, "d/dedupe/p0", {.first = 0, .end = kRecords}, entries));
  }

  std::vector<DedupeDamage> Damage() {
    auto report = VerifyDedupe(fs_, "d");
    EXPECT_TRUE(report.has_value());
    return report ? report->damage : std::vector<DedupeDamage>{};
  }
  std::string Read(const std::string& path) { return *os::ReadFile(fs_, path, 1 << 30); }
  void Write(const std::string& path, std::string_view bytes) {
    ASSERT_TRUE(os::WriteFileAtomic(fs_, path, bytes));
  }

  sim::SimFs fs_;
  const std::string ids_ = "dedupe/p0/" + Run::FileName(0, kRecords);
  const std::string dup_ = "log/p0/00000000000000000000.dup";
  const std::string growing_ = "log/p0/00000000000000005000.dup";
};

TEST_F(VerifyDedupeFiles, WholeOnesAreCountedAndClean) {
  const auto report = VerifyDedupe(fs_, "d");
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->files, 3U);
  EXPECT_GT(report->bytes, kRecords * sizeof(IdEntry));
  EXPECT_TRUE(report->damage.empty());
  EXPECT_TRUE(VerifyDedupe(fs_, "nowhere")->damage.empty());
}

TEST_F(VerifyDedupeFiles, AnIndexFileThatIsCutOrChangedIsNamed) {
  const std::string whole = Read("d/" + ids_);
  for (const std::size_t size : {0UL, 10UL, 4'096UL, whole.size() / 2, whole.size() - 1}) {
    Write("d/" + ids_, whole.substr(0, size));
    ASSERT_EQ(Damage().size(), 1U) << size;
    EXPECT_EQ(Damage().front().file, ids_);
  }
  for (std::size_t at = 0; at < whole.size(); at += 999) {
    if (at >= 64 && at < Run::kBlockBytes) continue;  // zeros behind the header
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    Write("d/" + ids_, changed);
    ASSERT_EQ(Damage().size(), 1U) << at;
  }
}

TEST_F(VerifyDedupeFiles, VerdictsThatTheIndexHasAndTheirFileHasNotAreNamed) {
  const std::string whole = Read("d/" + dup_);
  for (const std::size_t size : {0UL, 100UL, 1'024UL, 1'536UL}) {
    Write("d/" + dup_, whole.substr(0, size));
    ASSERT_EQ(Damage().size(), 1U) << size;
    EXPECT_EQ(Damage().front().file, dup_);
  }
  std::string changed = whole;
  changed[512 + 40] = static_cast<char>(changed[512 + 40] ^ 1);  // the first write of a page
  Write("d/" + dup_, changed);
  ASSERT_EQ(Damage().size(), 1U);
  EXPECT_EQ(Damage().front().what, "verdicts of offsets 0 to 4999 are missing");
  ASSERT_TRUE(fs_.Remove("d/" + dup_));
  EXPECT_EQ(Damage().front().what, "it is missing");
}

TEST_F(VerifyDedupeFiles, OfTheGrowingOneOnlyItsFormIsJudged) {
  const std::string whole = Read("d/" + growing_);
  Write("d/" + growing_, whole.substr(0, 700));
  ASSERT_EQ(Damage().size(), 1U);
  EXPECT_EQ(Damage().front().file, growing_);
  // What a crash leaves: it was only just made, or lags behind the log.
  Write("d/" + growing_, "");
  EXPECT_TRUE(Damage().empty());
  ASSERT_TRUE(fs_.Remove("d/" + growing_));
  EXPECT_TRUE(Damage().empty());
}

}  // namespace
}  // namespace tributary::dedupe
