#include <filesystem>
#include <fstream>

#include "cli/cli_kit_test.h"
#include "cli/verify_report.h"
#include "store/data_dir.h"
#include "store/store.h"
#include "support/temp_dir.h"

namespace tributary::cli {
namespace {

using ::testing::HasSubstr;

log::VerifyReport Damaged() {
  log::VerifyReport report{.segments = 2, .records = 10, .bytes = 4096, .damage = {}};
  report.damage.push_back({.partition = 0,
                           .segment = "00000000000000000005.seg",
                           .position = 512,
                           .first = 5,
                           .end = 8,
                           .what = "checksum\x1b differs"});
  report.damage.push_back({.partition = 0,
                           .segment = "00000000000000000009.seg",
                           .position = 640,
                           .first = 9,
                           .end = 10,
                           .what = "torn"});
  return report;
}

TEST(VerifyReport, NamesEachDamageThenSumsUp) {
  EXPECT_EQ(VerifyText(Damaged()),
            "damage: partition 0, 00000000000000000005.seg at byte 512, offsets 5 to 7 lost: "
            "checksum\\x1b differs\n"
            "damage: partition 0, 00000000000000000009.seg at byte 640, offset 9 lost: torn\n"
            "2 segments, 10 records, 4096 bytes: damaged in 2 places, 4 records lost\n");
}

TEST(VerifyReport, DamageWithoutALossIsStillNamed) {
  log::VerifyReport report = Damaged();
  report.damage = {
      {.segment = "a.seg", .position = 1, .first = 3, .end = 3, .what = "half a header"}};
  EXPECT_THAT(VerifyText(report), HasSubstr("no record lost: half a header\n"));
  EXPECT_THAT(VerifyText(report), HasSubstr("damaged in 1 place, 0 records lost\n"));
}

TEST(VerifyReport, CleanIsOneLine) {
  const log::VerifyReport report{.segments = 1, .records = 0, .bytes = 512, .damage = {}};
  EXPECT_EQ(VerifyText(report), "1 segment, 0 records, 512 bytes: no damage\n");
}

TEST(VerifyReport, JsonSaysTheSame) {
  const std::string text = VerifyJson({.log = Damaged()});
  EXPECT_THAT(text, HasSubstr("\"ok\": false"));
  EXPECT_THAT(text, HasSubstr("\"position\": 512"));
  EXPECT_THAT(text, HasSubstr("\"first\": 5"));
  EXPECT_THAT(text, HasSubstr("\"end\": 8"));
  EXPECT_THAT(VerifyJson({}), HasSubstr("\"ok\": true"));
}

TEST(VerifyReport, TheDeliveryLogAndTheStoreCountToo) {
  DirectoryReport report{.log = {.segments = 1, .records = 2, .bytes = 512, .damage = {}}};
  report.attempts = {.files = 1, .attempts = 2, .bytes = 80, .damage = {}};
  EXPECT_EQ(VerifyText(report),
            "1 segment, 2 records, 512 bytes: no damage\n"
            "delivery log: 1 file, 2 attempts, 80 bytes: no damage\n");
  EXPECT_TRUE(report.ok());
  report.attempts.damage.push_back({"1.dlog", 16, "a block is damaged"});
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(VerifyText(report), HasSubstr("damage: delivery log, 1.dlog at byte 16: a block"));
  EXPECT_THAT(VerifyJson(report), HasSubstr("\"ok\": false"));
  report.attempts.damage.clear();
  report.store_missing = true;
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(VerifyText(report), HasSubstr("the store is missing"));
  EXPECT_THAT(VerifyJson(report), HasSubstr("\"store\": \"missing\""));
}

TEST(VerifyReport, TablesAndDedupeFilesAreCountedAndNamed) {
  DirectoryReport report{.log = {.segments = 1, .records = 2, .bytes = 512, .damage = {}}};
  report.dedupe = {.files = 2, .bytes = 9, .damage = {}};
  report.store = {.tables = 1, .bytes = 7, .damage = {}};
  EXPECT_THAT(VerifyText(report), HasSubstr("dedupe: 2 files, 9 bytes: no damage\n"
                                            "store: 1 table, 7 bytes: no damage\n"));
  report.dedupe.damage.push_back({"log/p0/0.dup", "it is cut short"});
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(VerifyText(report), HasSubstr("damage: dedupe, log/p0/0.dup: it is cut short (the "));
  report.dedupe.damage.clear();
  report.store.damage.push_back({"000008.sst", "Corruption: block"});
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(VerifyText(report), HasSubstr("damage: store, 000008.sst: Corruption: block\n"));
  EXPECT_THAT(VerifyJson(report), HasSubstr("\"store\": \"damaged\""));
  EXPECT_THAT(VerifyJson(report), HasSubstr("\"file\": \"000008.sst\""));
}

// The backup's own order of things is in backup_test; here only that verify looks at every part.
TEST(Verify, DamageOfTheStoreAndOfDedupeIsFound) {
  namespace stdfs = std::filesystem;
  const test::TempDir temp;
  const std::string dir = temp / "data";
  ASSERT_TRUE(store::OpenDataDir(os::PosixFileSystem(), dir).has_value());
  {
    const auto made = store::OpenRocksStore({.dir = temp / "store"});
    ASSERT_TRUE(made.has_value());
    store::Batch batch;
    batch.Put(store::Family::kOwned, "key", "value");
    ASSERT_TRUE((*made)->Write(batch, store::Sync::kYes));
    stdfs::remove_all(dir + "/store");
    ASSERT_TRUE((*made)->Checkpoint(dir + "/store"));
  }
  Terminal terminal;
  Ran ran = terminal.Run({"verify", dir});
  ASSERT_EQ(ran.code, kExitFine) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("store: 1 table"));
  stdfs::create_directories(dir + "/dedupe/p0");
  std::ofstream(dir + "/dedupe/p0/00000000000000000000-00000000000000000009.ids") << "TRIB";
  ran = terminal.Run({"verify", dir});
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_THAT(ran.out, HasSubstr("damage: dedupe, dedupe/p0/"));
  for (const auto& entry : stdfs::directory_iterator(dir + "/store")) {
    if (entry.path().extension() == ".sst") stdfs::resize_file(entry.path(), 50);
  }
  ran = terminal.Run({"verify", dir});
  EXPECT_THAT(ran.out, HasSubstr("damage: store, 0"));
}

TEST(Verify, FreshDirectoryIsClean) {
  const test::TempDir temp;
  const std::string dir = temp / "data";
  ASSERT_TRUE(store::OpenDataDir(os::PosixFileSystem(), dir).has_value());
  Terminal terminal;
  const Ran ran = terminal.Run({"verify", dir});
  EXPECT_EQ(ran.code, kExitFine) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("no damage"));
  EXPECT_THAT(terminal.Run({"verify", "--json", dir}).out, HasSubstr("\"ok\": true"));
}

// Of a directory with a file of some bytes and a store.
TEST(LongWork, IsWatchedWhereSomebodyLooksAndNowhereElse) {
  const test::TempDir temp;
  const std::string data = temp / "data";
  ASSERT_TRUE(store::OpenDataDir(os::PosixFileSystem(), data).has_value());
  ASSERT_TRUE(os::PosixFileSystem().CreateDir(data + "/files"));
  std::ofstream(data + "/files/f.ndjson") << std::string(3 << 20, 'x');
  ASSERT_TRUE(store::OpenRocksStore({.dir = data + "/store"}).has_value());
  for (const bool watched : {true, false}) {
    Terminal terminal;
    terminal.err_is_terminal = watched;
    const std::string n = watched ? "1" : "2";
    const std::vector<std::pair<std::vector<std::string>, std::string>> commands = {
        {{"backup", temp / ("backup" + n), "--data-dir", data}, "backing up  ["},
        {{"restore", temp / ("backup" + n), "--data-dir", temp / ("restored" + n)}, "restoring  ["},
        {{"verify", data}, "verifying  ["}};
    for (const auto& [arguments, bar] : commands) {
      const Ran ran = terminal.Run(arguments);
      ASSERT_EQ(ran.code, kExitFine) << ran.err;
      if (watched) {
        EXPECT_THAT(ran.err, HasSubstr(bar));
        EXPECT_THAT(ran.err, HasSubstr("100 %"));
      } else {
        EXPECT_EQ(ran.err.find('['), std::string::npos) << ran.err;
      }
    }
  }
}

TEST(Verify, WhatIsNoDataDirectoryIsSaidSo) {
  const test::TempDir temp;
  Terminal terminal;
  const Ran ran = terminal.Run({"verify", temp.path()});
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_THAT(ran.err, HasSubstr("FORMAT"));
}

TEST(Verify, DirectoryInUseIsLeftAlone) {
  const test::TempDir temp;
  const std::string dir = temp / "data";
  const auto held = store::OpenDataDir(os::PosixFileSystem(), dir);
  ASSERT_TRUE(held.has_value());
  Terminal terminal;
  const Ran ran = terminal.Run({"verify", dir});
  EXPECT_EQ(ran.code, kExitFailed);
  EXPECT_EQ(ran.out, "");
}

}  // namespace
}  // namespace tributary::cli
