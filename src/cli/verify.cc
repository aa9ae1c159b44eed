// tributary verify: reads everything in a data directory that no server uses; changes nothing.
#include <ostream>

#include "backup/tree.h"
#include "cli/progress_bar.h"
#include "cli/registry.h"
#include "cli/verify_report.h"
#include "cli/watched_files.h"
#include "store/data_dir.h"

namespace tributary::cli {
namespace {

class Verify final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Positional("DIR", dir_, "The data directory.");
    a.Flag("--json", json_, "Answers with JSON.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    const auto dir = store::InspectDataDir(context.fs, dir_);  // the lock is held until the end
    if (!dir) return Complain(context, dir.error().message());
    const auto report = ReadAll(context, dir->path);
    if (!report) return Complain(context, report.error().message());
    context.out << (json_ ? VerifyJson(*report) : VerifyText(*report));
    return report->ok() ? kExitFine : kExitFailed;
  }

  static Result<std::uint64_t> BytesOf(os::FileSystem& fs, const std::string& dir) {
    std::uint64_t bytes = 0;
    for (const char* name : {"log", "delivery_log", "dedupe", "store"}) {
      TRY_ASSIGN(const std::uint64_t more, backup::TreeBytes(fs, dir + "/" + name));
      bytes += more;
    }
    return bytes;
  }

  static Result<DirectoryReport> ReadAll(Context& context, const std::string& dir) {
    TRY_ASSIGN(const std::uint64_t total, BytesOf(context.fs, dir));
    ProgressBar bar(context, "verifying", ProgressBar::Unit::kBytes);
    std::uint64_t done = 0;
    const auto read = [&](std::uint64_t bytes) { bar.Show(done += bytes, total); };
    WatchedFiles files(context.fs, read);
    DirectoryReport report;
    TRY_ASSIGN(report.log, log::VerifyLog(files, dir + "/log"));
    TRY_ASSIGN(report.attempts, deliver::VerifyDeliveryLog(files, dir + "/delivery_log"));
    TRY_ASSIGN(report.dedupe, dedupe::VerifyDedupe(files, dir));
    // RocksDB has its file CURRENT as long as it is there; it is made before the log is.
    if (context.fs.Exists(dir + "/store/CURRENT")) {
      TRY_ASSIGN(report.store, store::VerifyRocksStore(dir + "/store", read));
    } else {
      report.store_missing = report.log.segments > 0;
    }
    bar.Show(total, total);  // room made ahead, and the store's own notes, are not read
    return report;
  }

  std::string dir_;
  bool json_ = false;
};

const CommandRegistration kVerify =
    Register<Verify>("verify", "Reads everything in a data directory and names what is damaged.");

}  // namespace
}  // namespace tributary::cli
