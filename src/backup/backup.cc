#include "backup/backup.h"

#include <algorithm>

#include "backup/log_files.h"
#include "backup/target.h"
#include "backup/tree.h"

namespace tributary::backup {
namespace {

constexpr MonoNanos kLogPollNs = 2 * kNanosPerMilli;
constexpr int kTreePassesMax = 8;
// What has a step of its own, or is not taken.
constexpr std::string_view kOwnSteps[] = {"LOCK",   "store",        "log",
                                          "dedupe", kSecretKeyName, kScratchName};

// The attempts of deliveries (docs/specs/delivery-log.md), and how the file that grows is called.
constexpr std::string_view kDeliveryLog = "delivery_log";
constexpr std::string_view kLiveSuffix = ".live";

// Keeps what the log has while its files are copied, as far as the log can afford it.
class Pin final : public log::Holder {
 public:
  explicit Pin(const log::Log& log) {
    for (log::Partition p = 0; p < log.partitions(); ++p) first_.push_back(log.first(p));
  }
  std::string name() const override { return "backup"; }
  log::Offset synced_cursor(log::Partition partition) const override {
    return released_.load() ? log::Offset{1} << 62 : first_[partition];
  }
  // A backup must not stand in the way of taking events.
  void ReleaseBelow(log::Partition, log::Offset) override { released_.store(true); }

 private:
  std::vector<log::Offset> first_;
  std::atomic<bool> released_{false};
};

class PinGuard {
 public:
  explicit PinGuard(log::Log* log) : log_(log) {
    if (log_ == nullptr) return;
    pin_ = std::make_shared<Pin>(*log_);
    log_->AddHolder(pin_);
  }
  ~PinGuard() {
    if (log_ != nullptr) log_->RemoveHolder(pin_.get());
  }
  PinGuard(const PinGuard&) = delete;
  PinGuard& operator=(const PinGuard&) = delete;

 private:
  log::Log* log_;
  std::shared_ptr<Pin> pin_;
};

bool Passing(std::string_view name) {
  return name.ends_with(".tmp") || name.ends_with(".deleted");
}

class Backup {
 public:
  Backup(const BackupWorld& world, Target& target, Progress& progress)
      : world_(world),
        fs_(*world.fs),
        target_(target),
        progress_(progress),
        pin_(world.log),
        copier_(fs_, *world.clock, EarlierOf(target), target.data(), progress) {}

  Result<Manifest> Run() {
    Manifest manifest;
    manifest.began_at_us = world_.clock->Now();
    manifest.version = world_.version;
    manifest.data = target_.data_name();
    manifest.secret_key_left_out = fs_.Exists(Path(kSecretKeyName));
    TRY(Estimate());
    TRY(TakeStore());
    TRY(AwaitLog());
    TRY(TakeOthers());
    TRY(TakeTree("dedupe"));
    TRY_ASSIGN(manifest.log, TakeLog(fs_, world_.log, world_.data_dir, copier_));
    TRY_ASSIGN(manifest.files, copier_.Finish());
    manifest.finished_at_us = world_.clock->Now();
    progress_.bytes_total.store(progress_.bytes_done.load());
    TRY(target_.Commit(manifest));
    return manifest;
  }

 private:
  static Earlier EarlierOf(const Target& target) {
    if (!target.earlier()) return {};
    return {&*target.earlier(), target.EarlierData()};
  }
  std::string Path(std::string_view name) const {
    return world_.data_dir + "/" + std::string(name);
  }

  Status Estimate() {
    TRY_ASSIGN(const std::uint64_t bytes, TreeBytes(fs_, world_.data_dir));
    progress_.bytes_total.store(bytes);
    return {};
  }

  // The checkpoint is made inside the data directory, where it costs names and no bytes; from
  // there its tables are files like others.
  Status TakeStore() {
    TRY(RemoveScratch(fs_, world_.data_dir));
    const std::string scratch = Path(kScratchName);
    TRY(fs_.CreateDir(scratch));
    Status taken = world_.store->Checkpoint(scratch + "/store");
    if (taken) taken = TakeCheckpoint(scratch + "/store");
    const Status removed = RemoveScratch(fs_, world_.data_dir);
    return taken ? removed : taken;
  }

  Status TakeCheckpoint(const std::string& dir) {
    return WalkFiles(fs_, dir, [&](const std::string& path, const os::FileInfo&) -> Status {
      const bool table = path.ends_with(".sst");
      TRY(copier_.Take(dir + "/" + path, "store/" + path,
                       table ? Copier::Kind::kImmutable : Copier::Kind::kMutable));
      return {};
    });
  }

  // A destination that was made just before the checkpoint begins behind every offset given out
  // by then, durable or not.
  Status AwaitLog() {
    if (world_.log == nullptr) return {};
    const MonoNanos deadline = world_.clock->Monotonic() + kLogWaitMax;
    for (log::Partition p = 0; p < world_.log->partitions(); ++p) {
      const log::Offset assigned = world_.log->assigned(p);
      while (world_.log->committed(p) < assigned) {
        if (const log::Health health = world_.log->health(); health.poisoned) {
          return Fail(ErrorCode::kUnavailable, "the log takes no writes (" + health.reason +
                                                   "); stop the server and back up its directory");
        }
        if (world_.clock->Monotonic() > deadline) {
          return Fail(ErrorCode::kDeadline, "the log did not become durable in time");
        }
        if (progress_.cancel.load() || !world_.wait(kLogPollNs)) {
          return Fail(ErrorCode::kUnavailable, "cancelled");
        }
      }
    }
    return {};
  }

  Status TakeOthers() {
    TRY_ASSIGN(const auto names, fs_.List(world_.data_dir));
    for (const std::string& name : names) {
      if (std::ranges::find(kOwnSteps, name) != std::end(kOwnSteps) || Passing(name)) continue;
      const auto info = fs_.Info(Path(name));
      if (!info) continue;
      const bool dir = info->kind == os::FileInfo::Kind::kDir || LeadsToDir(name);
      // Attempts move from the file that grows into others, never back: in this order none is
      // missed, and one that is in both is told once.
      if (name == kDeliveryLog) TRY(TakeTree(name, kLiveSuffix));
      if (dir) TRY(TakeTree(name));
      if (!dir) TRY(copier_.Take(Path(name), name, Copier::Kind::kMutable));
    }
    return {};
  }

  // A directory of ours that was moved to another disk, and a link left where it was.
  bool LeadsToDir(const std::string& name) {
    const auto there = fs_.Info(Path(name) + "/.");
    return there && there->kind == os::FileInfo::Kind::kDir;
  }

  // Through a link a walk could come to what it writes, and never end.
  Status CheckNotAround(const std::string& name) {
    TRY_ASSIGN(const std::string real, fs_.RealPath(Path(name)));
    TRY_ASSIGN(const std::string target, fs_.RealPath(target_.data()));
    if (!target.starts_with(real.ends_with('/') ? real : real + "/")) return {};
    return Fail(ErrorCode::kInvalid, "dir",
                Path(name) + " leads to a directory that the backup itself is in");
  }

  // A file that got its final name while the directory was read is found in the next pass.
  Status TakeTree(const std::string& name, std::string_view suffix = {}) {
    if (!fs_.Exists(Path(name))) return {};
    TRY(CheckNotAround(name));
    for (int pass = 0; pass < kTreePassesMax; ++pass) {
      bool more = false;
      TRY(WalkFiles(fs_, Path(name), [&](const std::string& below, const os::FileInfo&) -> Status {
        const std::string path = name + "/" + below;
        if (Passing(path) || copier_.Has(path) || !path.ends_with(suffix)) return {};
        const bool index = path.ends_with(".ids");  // the dedupe stage's: written once, whole
        TRY_ASSIGN(const bool there,
                   copier_.Take(Path(path), path,
                                index ? Copier::Kind::kImmutable : Copier::Kind::kMutable));
        more = more || there;
        return {};
      }));
      if (!more) return {};
    }
    return {};
  }

  const BackupWorld& world_;
  os::FileSystem& fs_;
  Target& target_;
  Progress& progress_;
  PinGuard pin_;
  Copier copier_;
};

}  // namespace

Status RemoveScratch(os::FileSystem& fs, const std::string& data_dir) {
  return RemoveTree(fs, data_dir + "/" + std::string(kScratchName));
}

Result<Manifest> MakeBackup(const BackupWorld& world, const std::string& dir, Progress& progress) {
  TRY(CheckTarget(*world.fs, dir, world.data_dir));
  TRY_ASSIGN(Target target, Target::Open(*world.fs, dir));
  auto manifest = Backup(world, target, progress).Run();
  if (!manifest) IgnoreError(RemoveTree(*world.fs, target.data()), "the next backup removes it");
  return manifest;
}

}  // namespace tributary::backup
