// Verify of the store: a whole one is clean and left as it is, whatever is damaged is named.
#include "store/verify.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "store/store.h"
#include "support/temp_dir.h"

namespace tributary::store {
namespace {

// Every file's bytes, by name.
std::map<std::string, std::string> Contents(const std::string& dir) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    std::stringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    out[entry.path().filename().string()] = bytes.str();
  }
  return out;
}

void Put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class VerifyStore : public testing::Test {
 protected:
  VerifyStore() {
    auto store = OpenRocksStore({.dir = dir_ / "s", .write_buffer_bytes = 64 << 10});
    EXPECT_TRUE(store.has_value());
    for (int i = 0; i < 2'000; ++i) {
      Batch batch;
      batch.Put(Family::kOwned, "o" + std::to_string(i), std::string(200, 'x'));
      batch.Put(Family::kDerived, "d" + std::to_string(i), std::to_string(i * 7919));
      EXPECT_TRUE((*store)->Write(batch, Sync::kNo));
    }
    EXPECT_TRUE((*store)->Checkpoint(copy_));  // writes what is in memory as tables
  }
  StoreReport Report() {
    auto report = VerifyRocksStore(copy_, {});
    EXPECT_TRUE(report.has_value());
    return report.value_or(StoreReport{});
  }

  test::TempDir dir_;
  const std::string copy_ = dir_ / "copy";
};

TEST_F(VerifyStore, AWholeOneIsCleanAndNothingOfItChanges) {
  for (const std::string& dir : {dir_ / "s", copy_}) {  // with a write-ahead log, and without
    const auto before = Contents(dir);
    std::uint64_t told = 0;
    const auto report = VerifyRocksStore(dir, [&told](std::uint64_t bytes) { told += bytes; });
    ASSERT_TRUE(report.has_value());
    EXPECT_TRUE(report->damage.empty());
    EXPECT_GE(report->tables, 2U);
    EXPECT_EQ(told, report->bytes);
    EXPECT_EQ(Contents(dir), before);
  }
}

TEST_F(VerifyStore, ATableThatIsCutChangedOrMissingIsNamed) {
  for (const auto& [name, bytes] : Contents(copy_)) {
    if (!name.ends_with(".sst")) continue;
    for (const std::size_t size : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      Put(copy_ + "/" + name, bytes.substr(0, size));
      ASSERT_EQ(Report().damage.size(), 1U) << name << " " << size;
      EXPECT_EQ(Report().damage.front().file, name);
    }
    std::string changed = bytes;
    changed[100] = static_cast<char>(changed[100] ^ 1);
    Put(copy_ + "/" + name, changed);
    ASSERT_EQ(Report().damage.size(), 1U) << name;
    EXPECT_EQ(Report().damage.front().file, name);
    std::filesystem::remove(copy_ + "/" + name);
    EXPECT_FALSE(Report().damage.empty()) << name;
    Put(copy_ + "/" + name, bytes);
  }
  EXPECT_TRUE(Report().damage.empty());
}

TEST_F(VerifyStore, WhatNamesTheTablesIsReadToo) {
  for (const auto& [name, bytes] : Contents(copy_)) {
    if (name != "CURRENT" && !name.starts_with("MANIFEST")) continue;
    std::string changed = bytes;
    changed[bytes.size() / 2] = static_cast<char>(changed[bytes.size() / 2] ^ 1);
    Put(copy_ + "/" + name, changed);
    EXPECT_FALSE(Report().damage.empty()) << name;
    Put(copy_ + "/" + name, bytes);
  }
}

}  // namespace
}  // namespace tributary::store
