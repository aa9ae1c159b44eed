#include "cli/cli_kit_test.h"
#include "cli/verify_report.h"
#include "store/data_dir.h"
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
