#include "store/data_dir.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace tributary::store {
namespace {

TEST(DataDir, IsMadeWithItsParentsAndOpensAgain) {
  test::TempDir dir;
  const std::string path = dir / "a/b";
  ASSERT_TRUE(OpenDataDir(os::PosixFileSystem(), path));
  EXPECT_TRUE(os::PosixFileSystem().Exists(path + "/FORMAT"));
  EXPECT_TRUE(OpenDataDir(os::PosixFileSystem(), path));
  EXPECT_TRUE(InspectDataDir(os::PosixFileSystem(), path));
}

TEST(DataDir, SecondProcessIsRefusedAndNothingChanges) {
  test::TempDir dir;
  auto first = OpenDataDir(os::PosixFileSystem(), dir.path());
  ASSERT_TRUE(first);
  const auto before = os::PosixFileSystem().List(dir.path());
  auto second = OpenDataDir(os::PosixFileSystem(), dir.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
  EXPECT_EQ(os::PosixFileSystem().List(dir.path()).value(), before.value());
}

TEST(DataDir, UnknownVersionIsRefusedWithASentenceThatNamesIt) {
  test::TempDir dir;
  ASSERT_TRUE(os::WriteFileAtomic(os::PosixFileSystem(), dir / "FORMAT",
                                  "tributary data directory\nlog 99\n"));
  auto opened = OpenDataDir(os::PosixFileSystem(), dir.path());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(opened.error().message().find("'log 99'"), std::string::npos);
  EXPECT_FALSE(os::PosixFileSystem().Exists(dir / "log"));
}

TEST(DataDir, AFormatThatIsNotWholeIsRefused) {
  for (const char* text :
       {"", "\n", "tributary data directory", "tributary data directory\nlog 1\n",
        "tributary data directory\nlog 1x\nkeys 1\ndedupe 1\ndelivery_log 1\n",
        "tributary data directory\nlog 01\nkeys 1\ndedupe 1\ndelivery_log 1\n"}) {
    test::TempDir dir;
    ASSERT_TRUE(os::WriteFileAtomic(os::PosixFileSystem(), dir / "FORMAT", text));
    auto opened = OpenDataDir(os::PosixFileSystem(), dir.path());
    ASSERT_FALSE(opened) << text;
    EXPECT_EQ(opened.error().code(), ErrorCode::kUnsupported) << text;
    EXPECT_FALSE(os::PosixFileSystem().Exists(dir / "log")) << text;
  }
}

TEST(DataDir, DataThatLostItsFormatIsRefused) {
  test::TempDir dir;
  ASSERT_TRUE(OpenDataDir(os::PosixFileSystem(), dir.path()));
  ASSERT_TRUE(os::PosixFileSystem().Remove(dir / "FORMAT"));
  auto opened = OpenDataDir(os::PosixFileSystem(), dir.path());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message().find("no FORMAT file"), std::string::npos);
  EXPECT_FALSE(os::PosixFileSystem().Exists(dir / "FORMAT"));
}

TEST(DataDir, UnknownPartIsRefused) {
  test::TempDir dir;
  ASSERT_TRUE(os::WriteFileAtomic(os::PosixFileSystem(), dir / "FORMAT",
                                  "tributary data directory\nlog 1\nquantum 1\n"));
  EXPECT_FALSE(OpenDataDir(os::PosixFileSystem(), dir.path()));
}

TEST(DataDir, InspectingCreatesNothing) {
  test::TempDir dir;
  EXPECT_EQ(InspectDataDir(os::PosixFileSystem(), dir / "absent").error().code(),
            ErrorCode::kNotFound);
  EXPECT_FALSE(os::PosixFileSystem().Exists(dir / "absent"));
}

}  // namespace
}  // namespace tributary::store
