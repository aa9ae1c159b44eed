// Rotated files: when they appear, what they are called, what a crash leaves of them.
#include "destinations/rotating_file.h"

#include <filesystem>

#include "codec/gzip.h"
#include "codec/zstd.h"
#include "destinations/destination_kit_test.h"

namespace tributary::destinations {
namespace {

using nlohmann::json;
using test::FieldOf;
using test::World;

// 2021-02-25T15:02:10Z is what the kit's clock says.
constexpr const char* kFirst = "orders-20210225T150210000Z-000001.ndjson";
constexpr const char* kSecond = "orders-20210225T150210000Z-000002.ndjson";

struct Files : World {
  json Options(const json& rotate, const char* compression = "none") const {
    return {{"path", "a/orders.ndjson"}, {"rotate", rotate}, {"compression", compression}};
  }
  // The names in the directory, joined.
  std::string Names() const {
    const auto names = os::PosixFileSystem().List(root + "/a");
    std::string out;
    for (const std::string& name : names.value_or(std::vector<std::string>{})) out += name + " ";
    return out;
  }
  std::string Text(const std::string& name) const { return FileText("a/" + name); }
  void Put(const std::string& name, const std::string& text) const {
    auto& fs = os::PosixFileSystem();
    ASSERT_TRUE(fs.CreateDir(root).has_value());
    ASSERT_TRUE(fs.CreateDir(root + "/a").has_value());
    auto file = fs.Open(root + "/a/" + name, os::OpenMode::kCreate);
    ASSERT_TRUE((*file)->WriteAt(0, text).has_value());
  }
  void Send(deliver::Destination& destination, const std::string& line) {
    Deliver(destination, line);
    loop.Run();
  }
};

TEST(RotatingFile, AppearsWholeOnceItsSizeIsReached) {
  Files w;
  const auto file = w.Make("file", w.Options({{"bytes", 16}}));
  w.Send(*file, R"({"a":1})");
  EXPECT_EQ(w.outcomes.size(), 1U) << "an event counts once its line is synced, not at rotation";
  EXPECT_EQ(w.Names(), std::string(".") + kFirst + ".part ");
  w.Send(*file, R"({"a":2})");
  EXPECT_EQ(w.Names(), std::string(kFirst) + " ");
  EXPECT_EQ(w.Text(kFirst), "{\"a\":1}\n{\"a\":2}\n");
}

TEST(RotatingFile, HoldsAtMostItsSizeOrOneLine) {
  Files w;
  const auto file = w.Make("file", w.Options({{"bytes", 10}}));
  for (const char* line :
       {"1", "22", "333", "4444", "5", "\"a line of more than ten bytes\"", "6"}) {
    w.Deliver(*file, line);  // one flush of all
  }
  w.loop.Run();
  EXPECT_EQ(w.Text(kFirst), "1\n22\n333\n");
  EXPECT_EQ(w.Text(kSecond), "4444\n5\n");
  EXPECT_EQ(w.Text("orders-20210225T150210000Z-000003.ndjson"),
            "\"a line of more than ten bytes\"\n");
  EXPECT_EQ(w.Text(".orders-20210225T150210000Z-000004.ndjson.part"), "6\n");
}

TEST(RotatingFile, AnOldNameIsNeverTakenAgain) {
  Files w;
  w.Put(kFirst, "old\n");
  w.Put(std::string(kSecond) + ".gz", "older");
  const auto file = w.Make("file", w.Options({{"bytes", 1}}));
  w.Send(*file, "1");
  EXPECT_EQ(w.Text(kFirst), "old\n");
  EXPECT_EQ(w.Text("orders-20210225T150210000Z-000003.ndjson"), "1\n");
}

TEST(RotatingFile, CompressedFilesAreReadByTheirTools) {
  for (const char* kind : {"gzip", "zstd"}) {
    Files w;
    const auto file = w.Make("file", w.Options({{"bytes", 3'000'000}}, kind));
    std::string all;
    const std::string line = json(std::string(1'000'000, 'x')).dump();
    for (int i = 0; i < 3; ++i) {
      w.Send(*file, line);
      all += line + "\n";
    }
    const bool gzip = std::string(kind) == "gzip";
    const std::string name = std::string(kFirst) + (gzip ? ".gz" : ".zst");
    EXPECT_TRUE(w.Names().starts_with(".orders")) << w.Names();  // the third line's file is open
    EXPECT_TRUE(w.Names().find(name) != std::string::npos) << w.Names();
    EXPECT_EQ(w.Names().find(std::string(".") + kFirst), std::string::npos) << w.Names();
    const std::string tool = gzip ? "gzip -dc " : "zstd -dcq ";
    FILE* const pipe = ::popen((tool + w.root + "/a/" + name).c_str(), "r");
    std::string out(all.size() + 1, '\0');
    out.resize(std::fread(out.data(), 1, out.size(), pipe));
    ::pclose(pipe);
    EXPECT_TRUE(out == line + "\n" + line + "\n") << kind << ": " << out.size() << " bytes";
  }
}

TEST(RotatingFile, WhatACrashTornIsCutAndTheRestAppears) {
  Files w;
  w.Put(std::string(".") + kFirst + ".part", "{\"a\":1}\n{\"a\":2}\n{\"torn");
  w.Put(std::string(".") + kSecond + ".part", std::string("{\"b\":1}\n\0\0\0\n{\"b\":3}\n", 19));
  w.Put(".orders-20210225T150210000Z-000003.ndjson.part", "{\"torn");
  const auto file = w.Make("file", w.Options({{"bytes", 100}}));
  w.loop.Run();  // nothing needs to come for it
  EXPECT_EQ(w.Names(), std::string(kFirst) + " " + kSecond + " ");
  EXPECT_EQ(w.Text(kFirst), "{\"a\":1}\n{\"a\":2}\n");
  EXPECT_EQ(w.Text(kSecond), "{\"b\":1}\n");
}

TEST(RotatingFile, ACrashBetweenRenameAndRemovalMakesNoSecondFile) {
  Files w;
  w.Put(std::string(".") + kFirst + ".part", "1\n");
  w.Put(std::string(kFirst) + ".gz", codec::GzipCompress("1\n"));
  w.Put(std::string(".") + kSecond + ".part", "2\n");
  w.Put(std::string(".") + kSecond + ".gz.tmp", "half of it");
  const auto file = w.Make("file", w.Options({{"bytes", 100}}, "gzip"));
  w.loop.Run();
  EXPECT_EQ(w.Names(), std::string(kFirst) + ".gz " + kSecond + ".gz ");
  std::string out;
  ASSERT_TRUE(codec::Inflate(w.Text(std::string(kSecond) + ".gz"), 100, out).has_value());
  EXPECT_EQ(out, "2\n");
}

TEST(RotatingFile, FilesOfOtherPathsAreLeftAlone) {
  Files w;
  w.Put(".orders-eu-20210225T150210000Z-000001.ndjson.part", "1\n");
  w.Put(".orders-x.ndjson.part", "1\n");
  const auto file = w.Make("file", w.Options({{"bytes", 100}}));
  w.loop.Run();
  EXPECT_EQ(w.Names(), ".orders-eu-20210225T150210000Z-000001.ndjson.part .orders-x.ndjson.part ");
}

TEST(RotatingFile, TheLastInstanceEndsTheFile) {
  Files w;
  auto file = w.Make("file", w.Options({{"bytes", 100}}, "zstd"));
  w.Send(*file, "1");
  file.reset();
  w.loop.Run();
  EXPECT_EQ(w.Names(), std::string(kFirst) + ".zst ");
}

TEST(RotatingFile, TheLastInstanceEndsTheFileWhenThatCanBeDone) {
  Files w;
  auto file = w.Make("file", w.Options({{"bytes", 100}}));
  w.Send(*file, "1");
  const std::string in_the_way = w.root + "/a/" + kFirst;
  ASSERT_TRUE(std::filesystem::create_directory(in_the_way));
  file.reset();
  w.loop.Run();
  w.loop.Advance(3 * kNanosPerSecond);
  ASSERT_TRUE(std::filesystem::remove(in_the_way));
  EXPECT_EQ(w.Names(), std::string(".") + kFirst + ".part ");
  w.loop.Advance(2 * kEndAgainAfter);
  EXPECT_EQ(w.Names(), std::string(kFirst) + " ");
  EXPECT_EQ(w.Text(kFirst), "1\n");
}

TEST(RotatingFile, AFileThatCannotBeMadeIsARetry) {
  Files w;
  ASSERT_TRUE(os::PosixFileSystem().CreateDir(w.root).has_value());
  auto blocked = os::PosixFileSystem().Open(w.root + "/a", os::OpenMode::kCreate);
  const auto file = w.Make("file", w.Options({{"bytes", 100}}));
  w.Send(*file, "1");
  ASSERT_EQ(w.outcomes.size(), 1U);
  EXPECT_EQ(w.outcomes[0].verdict, deliver::Verdict::kRetry);
  ASSERT_TRUE(os::PosixFileSystem().Remove(w.root + "/a").has_value());
  w.Send(*file, "1");
  EXPECT_EQ(w.outcomes[1].verdict, deliver::Verdict::kDelivered) << w.outcomes[1].error;
}

TEST(FileOptions, BadOnesAreNamed) {
  World w;
  const auto field = [&](const json& options) { return FieldOf(w.Check("file", options)); };
  EXPECT_EQ(field({{"compression", "gzip"}}), "compression");
  EXPECT_EQ(field({{"compression", "lzma"}, {"rotate", {{"bytes", 1}}}}), "compression");
  EXPECT_EQ(field({{"rotate", {{"every", "999ms"}}}}), "rotate.every");
  EXPECT_EQ(field({{"rotate", {{"every", "1s"}}}}), "accepted");
  EXPECT_EQ(field({{"rotate", {{"every", "367d"}}}}), "rotate.every");
  EXPECT_EQ(field({{"rotate", {{"bytes", -1}}}}), "rotate.bytes");
  EXPECT_EQ(field({{"rotate", {{"bytes", "1TiB"}}}}), "accepted");
  EXPECT_EQ(field({{"rotate", {{"bytes", (1LL << 40) + 1}}}}), "rotate.bytes");
  EXPECT_EQ(field({{"rotate", {{"bytes", "64MiB"}}}, {"compression", "zstd"}}), "accepted");
}

}  // namespace
}  // namespace tributary::destinations
