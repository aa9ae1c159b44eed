// Backups on a real file system: what is taken, what is refused, and what a restore makes of it.
#include "backup/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "backup/target.h"
#include "backup/tree.h"
#include "log/open.h"
#include "support/memory_log.h"
#include "support/temp_dir.h"

namespace tributary::backup {
namespace {

using test::MemoryLog;
using test::TempDir;

os::FileSystem& Fs() {
  return os::PosixFileSystem();
}

// The real one, but for what a test takes away.
class Wrapped final : public os::FileSystem {
 public:
  bool links = true;
  std::string fail_copy_of;  // its end

  Result<std::unique_ptr<os::File>> Open(const std::string& path, os::OpenMode mode) override {
    if (!fail_copy_of.empty() && mode == os::OpenMode::kCreate && path.ends_with(fail_copy_of)) {
      return Fail(ErrorCode::kIo, "planted");
    }
    if (before_read && mode == os::OpenMode::kRead) before_read(path);
    return Fs().Open(path, mode);
  }
  std::function<void(const std::string& path)> before_read;
  Status CreateDir(const std::string& path) override { return Fs().CreateDir(path); }
  Status SyncDir(const std::string& path) override { return Fs().SyncDir(path); }
  Status Rename(const std::string& from, const std::string& to) override {
    return Fs().Rename(from, to);
  }
  Status Remove(const std::string& path) override { return Fs().Remove(path); }
  Result<std::vector<std::string>> List(const std::string& dir) override { return Fs().List(dir); }
  bool Exists(const std::string& path) override { return Fs().Exists(path); }
  Result<std::uint64_t> FreeBytes(const std::string& path) override {
    return free_bytes ? Result<std::uint64_t>(*free_bytes) : Fs().FreeBytes(path);
  }
  std::optional<std::uint64_t> free_bytes;
  Result<std::unique_ptr<os::DirLock>> LockDir(const std::string& dir) override {
    return Fs().LockDir(dir);
  }
  Result<os::FileInfo> Info(const std::string& path) override { return Fs().Info(path); }
  Status Link(const std::string& from, const std::string& to) override {
    if (!links) return FileSystem::Link(from, to);
    return Fs().Link(from, to);
  }
  Status RemoveDir(const std::string& path) override { return Fs().RemoveDir(path); }
  Result<std::string> RealPath(const std::string& path) override { return Fs().RealPath(path); }
};

void Write(const std::string& path, std::string_view bytes) {
  if (Fs().Exists(path)) {
    ASSERT_TRUE(Fs().Remove(path));
  }
  const auto file = Fs().Open(path, os::OpenMode::kCreate);
  ASSERT_TRUE(file) << path;
  ASSERT_TRUE((*file)->WriteAt(0, bytes));
}

std::string Read(const std::string& path) {
  return os::ReadFile(Fs(), path, 1 << 20).value_or("absent");
}

class BackupTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"", "/log", "/log/p0", "/store", "/dedupe", "/dedupe/p0", "/files"}) {
      ASSERT_TRUE(Fs().CreateDir(data + name));
    }
    Write(data + "/FORMAT", "tributary data directory\nlog 1\n");
    Write(data + "/log/p0/00000000000000000000.seg", "raw");
    Write(data + "/log/p0/00000000000000000000.dup", "verdicts");
    Write(data + "/dedupe/p0/0-1.ids", "index");
    Write(data + "/files/out.ndjson", "line\n");
    Write(data + "/LOCK", "");
    Write(data + "/secret.key", "secret");
    Write(data + "/log/p0/ready-0.tmp", "zeros");
    store = *store::OpenRocksStore({.dir = data + "/store"});
    ASSERT_TRUE(PutRow("before"));
  }
  Status PutRow(const std::string& value) {
    store::Batch batch;
    batch.Put(store::Family::kOwned, "Mrow", value);
    return store->Write(batch, store::Sync::kYes);
  }
  BackupWorld World() {
    return {.fs = &fs,
            .clock = &os::SystemClock(),
            .store = store.get(),
            .log = nullptr,
            .data_dir = data,
            .version = "test",
            .wait = [this](MonoNanos) { return ++waits < 1000; }};
  }
  Result<Manifest> Make() {
    Progress progress;
    auto made = MakeBackup(World(), backup, progress);
    copied = progress.bytes_copied;
    linked = progress.bytes_linked;
    kept = progress.bytes_kept;
    return made;
  }
  Result<Manifest> Back() {
    Progress progress;
    return Restore(fs, backup, restored, progress);
  }
  std::uint64_t InodeOf(const Manifest& manifest, const std::string& path) {
    return Fs().Info(backup + "/" + manifest.data + "/" + path)->inode;
  }

  TempDir dir;
  const std::string data = dir / "data";
  const std::string backup = dir / "backup";
  const std::string restored = dir / "restored";
  Wrapped fs;
  std::unique_ptr<store::Store> store;
  int waits = 0;
  std::uint64_t copied = 0, linked = 0, kept = 0;
};

TEST_F(BackupTest, TakesEverythingButLocksKeysAndWhatPasses) {
  const auto manifest = Make();
  ASSERT_TRUE(manifest) << manifest.error().message();
  for (const char* path :
       {"FORMAT", "log/p0/00000000000000000000.seg", "files/out.ndjson",
        "log/p0/00000000000000000000.dup", "dedupe/p0/0-1.ids", "store/CURRENT"}) {
    EXPECT_NE(manifest->Find(path), nullptr) << path;
  }
  for (const ManifestFile& file : manifest->files) {
    EXPECT_FALSE(file.path.ends_with(".tmp") || file.path.ends_with("LOCK") ||
                 file.path.ends_with("secret.key"))
        << file.path;
  }
  EXPECT_TRUE(manifest->secret_key_left_out);
  EXPECT_FALSE(Fs().Exists(data + "/backup.tmp"));
  const auto back = Back();
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(Read(restored + "/log/p0/00000000000000000000.seg"), "raw");
  EXPECT_EQ(Read(restored + "/FORMAT"), Read(data + "/FORMAT"));
  EXPECT_FALSE(Fs().Exists(restored + "/secret.key"));
  const auto opened = store::OpenRocksStore({.dir = restored + "/store"});
  ASSERT_TRUE(opened);
  EXPECT_EQ(*(*opened)->Get(store::Family::kOwned, "Mrow"), "before");
}

TEST_F(BackupTest, TheSecondOneKeepsWhatDidNotChangeAndTakesWhatDid) {
  ASSERT_TRUE(Make());
  const auto first = ReadManifest(Fs(), backup);
  const std::uint64_t index = InodeOf(*first, "dedupe/p0/0-1.ids");
  EXPECT_GT(linked, 0u);
  Write(data + "/files/out.ndjson", "line\nmore\n");
  const auto second = Make();
  ASSERT_TRUE(second);
  EXPECT_GT(kept, 0u);
  EXPECT_EQ(InodeOf(*second, "dedupe/p0/0-1.ids"), index);
  EXPECT_EQ(Read(backup + "/" + second->data + "/files/out.ndjson"), "line\nmore\n");
  EXPECT_FALSE(Fs().Exists(backup + "/" + first->data)) << "the one before is gone";
}

// As when an operator moves it to another disk and leaves a link.
void MoveAway(const std::string& from, const std::string& to) {
  std::filesystem::rename(from, to);
  std::filesystem::create_directory_symlink(to, from);
}

TEST_F(BackupTest, DirectoriesThatAreLinksAreTakenWhole) {
  ASSERT_TRUE(Fs().CreateDir(data + "/delivery_log"));
  Write(data + "/delivery_log/00000000000000000001.dlog", "attempts");
  store.reset();
  for (const std::string name : {"files", "delivery_log", "log", "dedupe", "store"}) {
    MoveAway(data + "/" + name, dir / ("moved-" + name));
  }
  store = *store::OpenRocksStore({.dir = data + "/store"});
  ASSERT_TRUE(PutRow("linked"));
  const auto made = Make();
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_TRUE(Back());
  EXPECT_EQ(Read(restored + "/files/out.ndjson"), "line\n");
  EXPECT_EQ(Read(restored + "/delivery_log/00000000000000000001.dlog"), "attempts");
  EXPECT_EQ(Read(restored + "/log/p0/00000000000000000000.seg"), "raw");
  EXPECT_EQ(Read(restored + "/dedupe/p0/0-1.ids"), "index");
  const auto opened = store::OpenRocksStore({.dir = restored + "/store"});
  ASSERT_TRUE(opened);
  EXPECT_EQ(*(*opened)->Get(store::Family::kOwned, "Mrow"), "linked");
}

TEST_F(BackupTest, AnyOtherLinkFailsTheBackupAndIsNamed) {
  Write(dir / "elsewhere", "bytes");
  for (const std::string path : {"note", "files/newest", "files/gone", "dedupe/p0/0-2.ids",
                                 "log/p0/00000000000000000009.zseg"}) {
    const std::string to = path.ends_with("gone") ? dir / "nothing" : dir / "elsewhere";
    std::filesystem::create_symlink(to, data + "/" + path);
    const auto made = Make();
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(made.error().message(), testing::HasSubstr(data + "/" + path + " is a symbolic"));
    ASSERT_TRUE(Fs().Remove(data + "/" + path));
  }
  ASSERT_TRUE(Fs().CreateDir(dir / "d"));
  std::filesystem::create_directory_symlink(dir / "d", data + "/files/d");
  EXPECT_FALSE(Make()) << "only right below the data directory";
  ASSERT_TRUE(Fs().Remove(data + "/files/d"));
  EXPECT_TRUE(Make());
}

TEST_F(BackupTest, ALinkToWhereTheBackupIsIsRefused) {
  std::filesystem::create_directory_symlink(dir.path(), data + "/around");
  const auto made = Make();
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), testing::HasSubstr(data + "/around leads to"));
}

TEST_F(BackupTest, AttemptsThatAreMergedMeanwhileAreNotMissed) {
  const std::string attempts = data + "/delivery_log";
  ASSERT_TRUE(Fs().CreateDir(attempts));
  Write(attempts + "/00000000000000000001.dlog", "older;");
  Write(attempts + "/00000000000000000002.live", "newer;");
  int opened = 0;
  fs.before_read = [&](const std::string& path) {
    if (!path.starts_with(attempts) || ++opened != 2) return;
    Write(attempts + "/00000000000000000001.dlog", "older;newer;");
    Write(attempts + "/00000000000000000003.live", "");
    ASSERT_TRUE(Fs().Remove(attempts + "/00000000000000000002.live"));
  };
  ASSERT_TRUE(Make());
  ASSERT_TRUE(Back());
  std::string all;
  const std::vector<std::string> names = Fs().List(restored + "/delivery_log").value();
  for (const std::string& name : names) {
    all += Read(restored + "/delivery_log/" + name);
  }
  EXPECT_NE(all.find("older;"), std::string::npos) << all;
  EXPECT_NE(all.find("newer;"), std::string::npos) << all;
}

TEST_F(BackupTest, AFileThatWasJustChangedIsNotBelievedToBeUnchanged) {
  const auto first = Make();
  ASSERT_TRUE(first);
  // The same file, the same size and, as far as a coarse clock tells, the same time.
  const ManifestFile* file = first->Find("files/out.ndjson");
  ASSERT_TRUE(file->source && !file->source->settled);
  ASSERT_TRUE(
      (*Fs().Open(data + "/files/out.ndjson", os::OpenMode::kReadWrite))->WriteAt(0, "LINE"));
  const auto second = Make();
  ASSERT_TRUE(second);
  EXPECT_EQ(Read(backup + "/" + second->data + "/files/out.ndjson"), "LINE\n");
}

TEST_F(BackupTest, WithoutHardLinksItCopies) {
  fs.links = false;
  ASSERT_TRUE(Make());
  EXPECT_EQ(linked, 0u);
  const auto second = Make();
  ASSERT_TRUE(second);
  EXPECT_EQ(kept, 0u);
  EXPECT_TRUE(Back());
}

TEST_F(BackupTest, OneThatFailsLeavesTheOneBefore) {
  const auto first = Make();
  ASSERT_TRUE(first);
  fs.fail_copy_of = "out.ndjson";
  Write(data + "/files/out.ndjson", "changed");
  EXPECT_FALSE(Make());
  fs.fail_copy_of.clear();
  ASSERT_TRUE(Back());
  EXPECT_EQ(Read(restored + "/files/out.ndjson"), "line\n");
  const auto names = *Fs().List(backup);
  EXPECT_EQ(names.size(), 4u) << "BACKUP, LOCK, manifest.json and one data directory";
}

TEST_F(BackupTest, CancelledEndsIt) {
  Progress progress;
  progress.cancel = true;
  const auto made = MakeBackup(World(), backup, progress);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(Fs().Exists(data + "/backup.tmp"));
}

// A destination made while records are on their way begins behind them. If the log's copy ended
// before that, the restored lane would pass over the next records.
TEST_F(BackupTest, TheLogsEndIsNotBeforeWhatTheStoreMaySpeakOf) {
  MemoryLog log(1, test::CommitMode::kManual);
  log.SetSegments(1000, data + "/log/p0");
  auto batch = std::make_unique<log::Batch>();
  log::RecordFields fields;
  fields.kind = log::Kind::kEvent;
  ASSERT_TRUE(batch->Add(fields, "{}"));
  ASSERT_TRUE(log.Append(0, batch, [](const Result<log::Appended>&) {}));
  ASSERT_EQ(log.assigned(0), 1u);
  ASSERT_EQ(log.committed(0), 0u);
  BackupWorld world = World();
  world.log = &log;
  world.wait = [&](MonoNanos) {
    if (++waits == 3) log.Commit();
    return waits < 1000;
  };
  Progress progress;
  const auto made = MakeBackup(world, backup, progress);
  EXPECT_EQ(waits, 3) << "it waited for the record, and no longer";
}

TEST_F(BackupTest, ALogThatNeverBecomesDurableEndsItAndSaysWhy) {
  MemoryLog log(1, test::CommitMode::kManual);
  auto batch = std::make_unique<log::Batch>();
  ASSERT_TRUE(batch->Add(log::RecordFields{}, "{}"));
  ASSERT_TRUE(log.Append(0, batch, [](const Result<log::Appended>&) {}));
  BackupWorld world = World();
  world.log = &log;
  world.wait = [&](MonoNanos) { return false; };
  Progress progress;
  const auto made = MakeBackup(world, backup, progress);
  ASSERT_FALSE(made);
  EXPECT_FALSE(Fs().Exists(backup + "/manifest.json"));
}

TEST_F(BackupTest, WhereItMayNotGo) {
  Fs().CreateDir(dir / "other").value();
  Write(dir / "other/file", "mine");
  for (const std::string& bad :
       {std::string("relative"), std::string("/"), data, data + "/x", dir.path(), dir / "none/x",
        dir / "a/../b", dir.path() + "//b", dir / "a\x01", dir / "a/.",
        "/" + std::string(kPathBytesMax, 'a')}) {
    const Status checked = CheckTarget(fs, bad, data);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().field(), "dir");
    EXPECT_EQ(checked.error().code(), ErrorCode::kInvalid);
  }
  EXPECT_TRUE(CheckTarget(fs, dir / "data2", data)) << "a name that only begins the same";
  EXPECT_TRUE(CheckTarget(fs, backup + "/", data)) << "one slash at the end";
  const auto other = Target::Open(fs, dir / "other");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kConflict);
  EXPECT_EQ(Fs().List(dir / "other")->size(), 1u);
}

TEST_F(BackupTest, TwoAtOnceInOneDirectoryAreRefused) {
  const auto held = Target::Open(fs, backup);
  ASSERT_TRUE(held);
  const auto made = Make();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::kConflict);
}

TEST_F(BackupTest, ARestoreOfAnythingButTheBackupIsRefusedAndLeavesNothing) {
  const auto manifest = Make();
  ASSERT_TRUE(manifest);
  const std::string file = backup + "/" + manifest->data + "/files/out.ndjson";
  for (const char* bytes : {"lime\n", "line", "line\n\n"}) {
    Write(file, bytes);
    const auto back = Back();
    ASSERT_FALSE(back) << bytes;
    EXPECT_EQ(back.error().code(), ErrorCode::kCorrupt);
    EXPECT_NE(back.error().message().find("out.ndjson"), std::string::npos);
    EXPECT_TRUE(Fs().List(restored)->empty());
  }
  Write(file, "line\n");
  fs.free_bytes = manifest->bytes() - 1;
  EXPECT_EQ(Back().error().code(), ErrorCode::kExhausted);
  fs.free_bytes = manifest->bytes();
  EXPECT_TRUE(Back());
  EXPECT_EQ(Back().error().code(), ErrorCode::kConflict) << "no longer empty";
}

TEST_F(BackupTest, ARestoreThatWasCutShortDoesNotOpen) {
  ASSERT_TRUE(Make());
  fs.fail_copy_of = "FORMAT.tmp";
  ASSERT_FALSE(Back());
  // As a crash would leave it: what Restore writes first is no FORMAT of a data directory.
  ASSERT_TRUE(Fs().List(restored)->empty());
}

TEST(ManifestTest, ReadsWhatItWrites) {
  Manifest manifest;
  manifest.data = DataName(3);
  manifest.version = "1";
  manifest.began_at_us = manifest.finished_at_us = 1'700'000'000'000'000;
  manifest.log = {{.partition = 0, .first = 4, .end = 9}};
  manifest.files = {
      {.path = "log/p0/x", .bytes = 5, .crc32c = 0xE3069283, .source = {}},
      {.path = "store/y", .bytes = 6, .crc32c = 1, .source = SourceFile{1, 2, -3, true}}};
  const auto read = ParseManifest(EncodeManifest(manifest));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(EncodeManifest(*read), EncodeManifest(manifest));
  EXPECT_EQ(read->bytes(), 11u);
  EXPECT_EQ(read->Find("store/y")->source->mtime_ns, -3);
  EXPECT_EQ(read->Find("store/z"), nullptr);
}

TEST(ManifestTest, PathsThatLeadElsewhereAreRefused) {
  Manifest manifest;
  manifest.data = DataName(1);
  for (const char* path : {"../x", "/etc/x", "a/../b", "a//b", "", "./a", "a/"}) {
    manifest.files = {{.path = path, .bytes = 0, .crc32c = 0, .source = {}}};
    EXPECT_EQ(ParseManifest(EncodeManifest(manifest)).error().code(), ErrorCode::kCorrupt) << path;
  }
  manifest.files.clear();
  ASSERT_TRUE(ParseManifest(EncodeManifest(manifest)));
  for (const char* data : {"../data-000001", "data-1", "data-", "x"}) {
    manifest.data = data;
    EXPECT_EQ(ParseManifest(EncodeManifest(manifest)).error().code(), ErrorCode::kCorrupt) << data;
  }
}

TEST(ManifestTest, AnUnknownVersionIsRefusedWithASentence) {
  const auto read = ParseManifest(R"({"tributary_backup":2})");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kUnsupported);
}

TEST(TreeTest, SymbolicLinksAreNotFollowed) {
  TempDir dir;
  Fs().CreateDir(dir / "tree").value();
  Fs().CreateDir(dir / "outside").value();
  Write(dir / "outside/file", "x");
  std::filesystem::create_directory_symlink(dir / "outside", dir / "tree/link");
  EXPECT_EQ(*TreeBytes(Fs(), dir / "tree"), 0u);
  ASSERT_TRUE(RemoveTree(Fs(), dir / "tree"));
  EXPECT_TRUE(Fs().Exists(dir / "outside/file"));
  EXPECT_TRUE(RemoveTree(Fs(), dir / "tree")) << "what is not there is fine";
}

TEST(TreeTest, NestedTooDeeplyIsRefused) {
  TempDir dir;
  std::string path = dir / "tree";
  const std::string root = path;
  Fs().CreateDir(path).value();
  for (int i = 0; i < kTreeDepthMax; ++i) Fs().CreateDir(path += "/d").value();
  EXPECT_TRUE(TreeBytes(Fs(), root));
  Fs().CreateDir(path += "/d").value();
  EXPECT_EQ(TreeBytes(Fs(), root).error().code(), ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace tributary::backup
