#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include <array>
#include <thread>

#include "os/asio_loop.h"
#include "os/clock.h"
#include "os/fs.h"
#include "os/process.h"
#include "os/random.h"
#include "support/temp_dir.h"

namespace tributary::os {
namespace {

TEST(PosixFile, PartsAreWrittenOneAfterTheOther) {
  test::TempDir dir;
  FileSystem& fs = PosixFileSystem();
  auto file = fs.Open(dir / "f", OpenMode::kCreate);
  ASSERT_TRUE(file);
  // More parts than one pwritev takes, with empty ones in between.
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back(i % 7 == 0 ? "" : std::to_string(i));
  std::vector<std::string_view> parts(texts.begin(), texts.end());
  std::string want;
  for (const auto& t : texts) want += t;
  ASSERT_TRUE((*file)->WriteAt(3, parts));
  ASSERT_TRUE((*file)->SyncData());
  EXPECT_EQ(*ReadFile(fs, dir / "f", 4096), std::string(3, '\0') + want);
}

TEST(PosixFile, ReadPastTheEndIsShortNotAnError) {
  test::TempDir dir;
  auto file = PosixFileSystem().Open(dir / "f", OpenMode::kCreate);
  ASSERT_TRUE((*file)->WriteAt(0, "abc"));
  std::array<char, 8> out;
  EXPECT_EQ(*(*file)->ReadAt(1, out), 2u);
}

TEST(PosixFileSystem, ErrorsKeepTheirKind) {
  test::TempDir dir;
  FileSystem& fs = PosixFileSystem();
  EXPECT_EQ(fs.Open(dir / "absent", OpenMode::kRead).error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(fs.Open(dir / "f", OpenMode::kCreate));
  EXPECT_EQ(fs.Open(dir / "f", OpenMode::kCreate).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(ReadFile(fs, dir / "f", 0).value(), "");
}

TEST(PosixFileSystem, ReadFileStopsAtItsLimit) {
  test::TempDir dir;
  FileSystem& fs = PosixFileSystem();
  ASSERT_TRUE(WriteFileAtomic(fs, dir / "f", "12345"));
  EXPECT_EQ(*ReadFile(fs, dir / "f", 5), "12345");
  EXPECT_EQ(ReadFile(fs, dir / "f", 4).error().code(), ErrorCode::kTooLarge);
}

TEST(PosixFileSystem, APipeIsReadToItsEndAndStopsAtTheLimit) {
  FileSystem& fs = PosixFileSystem();
  const std::string text(200'000, 'x');  // more than a pipe holds, and than one block
  const auto through_pipe = [&](std::uint64_t bytes_max) {
    std::array<int, 2> ends;
    EXPECT_EQ(::pipe(ends.data()), 0);
    std::thread writer([&] {
      for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(ends[1], text.data() + done, text.size() - done);
        if (n < 0) break;
        done += static_cast<std::size_t>(n);
      }
      ::close(ends[1]);
    });
    auto read = ReadFile(fs, "/dev/fd/" + std::to_string(ends[0]), bytes_max);
    for (std::array<char, 4096> rest; ::read(ends[0], rest.data(), rest.size()) > 0;) continue;
    writer.join();
    ::close(ends[0]);
    return read;
  };
  EXPECT_EQ(through_pipe(text.size()).value_or(""), text);
  EXPECT_EQ(through_pipe(text.size() - 1).error().code(), ErrorCode::kTooLarge);
}

TEST(PosixFileSystem, SecondLockOfADirectoryIsRefused) {
  test::TempDir dir;
  FileSystem& fs = PosixFileSystem();
  auto first = fs.LockDir(dir.path());
  ASSERT_TRUE(first);
  EXPECT_EQ(fs.LockDir(dir.path()).error().code(), ErrorCode::kConflict);
  first->reset();
  EXPECT_TRUE(fs.LockDir(dir.path()));
}

TEST(Random, UuidsHaveTheirVersionAndDiffer) {
  const std::string a = SystemRandom().Uuid();
  EXPECT_EQ(a.size(), 36u);
  EXPECT_EQ(a[14], '4');
  EXPECT_TRUE(a[19] == '8' || a[19] == '9' || a[19] == 'a' || a[19] == 'b');
  EXPECT_NE(a, SystemRandom().Uuid());
}

TEST(Process, TheLoopbackIsAmongTheInterfaces) {
  const std::vector<std::string> addresses = InterfaceAddresses();
  EXPECT_NE(std::ranges::find(addresses, "127.0.0.1"), addresses.end());
}

TEST(AsioLoop, TasksRunInOrderAndTimersAtTheirTime) {
  AsioLoop loop;
  std::string order;
  loop.Post([&] {
    order += 'a';
    const MonoNanos now = loop.Now();
    loop.At(now + 20 * kNanosPerMilli, [&] {
      order += 'd';
      loop.Stop();
    });
    loop.At(now + 5 * kNanosPerMilli, [&] { order += 'c'; });
    const auto cancelled = loop.At(now + 10 * kNanosPerMilli, [&] { order += 'x'; });
    loop.Cancel(cancelled);
    loop.Post([&] { order += 'b'; });
  });
  loop.Run();
  EXPECT_EQ(order, "abcd");
}

TEST(AsioLoop, ATimerSetByATimerIsNotLost) {
  AsioLoop loop;
  int fired = 0;
  loop.Post([&] {
    loop.At(loop.Now() + kNanosPerMilli, [&] {
      ++fired;
      loop.At(loop.Now() + kNanosPerMilli, [&] {
        ++fired;
        loop.Stop();
      });
    });
  });
  loop.Run();
  EXPECT_EQ(fired, 2);
}

TEST(AsioLoop, PostsFromOtherThreadsAllArrive) {
  AsioLoop loop;
  int count = 0;
  std::thread poster([&] {
    for (int i = 0; i < 10'000; ++i) {
      loop.Post([&] {
        if (++count == 10'000) loop.Stop();
      });
    }
  });
  loop.Run();
  poster.join();
  EXPECT_EQ(count, 10'000);
}

}  // namespace
}  // namespace tributary::os
