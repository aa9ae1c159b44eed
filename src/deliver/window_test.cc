#include "deliver/window.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/memory_log.h"

namespace tributary::deliver {
namespace {

class NothingRepeats final : public log::Verdicts {
 public:
  explicit NothingRepeats(const log::Log& log) : log_(log) {}
  log::Offset decided(log::Partition p) const override { return log_.committed(p); }
  log::Offset synced(log::Partition p) const override { return log_.committed(p); }
  bool IsDuplicate(log::Partition, log::Offset) const override { return false; }
  std::vector<bool> Duplicates(log::Partition, log::Offset first, log::Offset end) const override {
    return std::vector<bool>(end - first);
  }
  void RequestSync() override {}
  void OnProgress(Listener) override {}

 private:
  const log::Log& log_;
};

class WindowCacheTest : public testing::Test {
 protected:
  // One commit, which is one chunk and so one window, of about so many bytes.
  void Commit(std::size_t bytes) {
    auto batch = std::make_unique<log::Batch>();
    for (std::size_t left = bytes; left > 0;) {
      const std::size_t size = std::min<std::size_t>(left, 256 << 10);
      ASSERT_TRUE(batch->Add({.source = 1, .message_id = "m"}, std::string(size, 'x')));
      left -= size;
    }
    ASSERT_TRUE(log_.Append(0, batch, [](const auto&) {}));
  }
  void ReadAll() {
    for (log::Offset next = 0; next < log_.committed(0);) {
      const auto window = cache_.Get(0, next);
      ASSERT_TRUE(window && *window != nullptr);
      next = (*window)->end();
    }
  }

  test::MemoryLog log_{1};
  NothingRepeats verdicts_{log_};
  WindowCache cache_{log_, verdicts_};
};

TEST_F(WindowCacheTest, KeepsNoMoreThanItsBytes) {
  constexpr std::size_t kCommit = 3 << 20;
  for (int i = 0; i < 12; ++i) Commit(kCommit);
  ReadAll();
  EXPECT_LE(cache_.bytes(), WindowCache::kBytesMax);
  EXPECT_GT(cache_.bytes() + 2 * kCommit, WindowCache::kBytesMax);  // and not much less
}

TEST_F(WindowCacheTest, KeepsAWindowThatIsBiggerThanThat) {
  Commit(WindowCache::kBytesMax + 1);
  const auto first = cache_.Get(0, 0);
  ASSERT_TRUE(first && *first != nullptr);
  const auto again = cache_.Get(0, 0);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *first);
  Commit(1000);
  ASSERT_TRUE(cache_.Get(0, (*first)->end()));
  EXPECT_LE(cache_.bytes(), WindowCache::kBytesMax);
}

TEST_F(WindowCacheTest, KeepsNoMoreThanItsWindows) {
  for (std::size_t i = 0; i < 3 * WindowCache::kWindowsMax; ++i) Commit(1000);
  ReadAll();
  const auto oldest = cache_.Get(0, 2 * WindowCache::kWindowsMax);
  ASSERT_TRUE(oldest);
  const std::size_t one = (*oldest)->bytes();
  EXPECT_LE(cache_.bytes(), WindowCache::kWindowsMax * one * 2);
}

}  // namespace
}  // namespace tributary::deliver
