// tributary verify: reads everything in a data directory that no server uses; changes nothing.
#include <ostream>

#include "cli/registry.h"
#include "cli/verify_report.h"
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
    auto log = log::VerifyLog(context.fs, dir->path + "/log");
    if (!log) return Complain(context, log.error().message());
    auto attempts = deliver::VerifyDeliveryLog(context.fs, dir->path + "/delivery_log");
    if (!attempts) return Complain(context, attempts.error().message());
    auto dedupe = dedupe::VerifyDedupe(context.fs, dir->path);
    if (!dedupe) return Complain(context, dedupe.error().message());
    DirectoryReport report{
        .log = *std::move(log), .attempts = *std::move(attempts), .dedupe = *std::move(dedupe)};
    const Status store = AddStore(context, dir->path + "/store", report);
    if (!store) return Complain(context, store.error().message());
    context.out << (json_ ? VerifyJson(report) : VerifyText(report));
    return report.ok() ? kExitFine : kExitFailed;
  }

  // RocksDB has its file CURRENT as long as it is there; it is made before the log is.
  static Status AddStore(Context& context, const std::string& dir, DirectoryReport& report) {
    if (!context.fs.Exists(dir + "/CURRENT")) {
      report.store_missing = report.log.segments > 0;
      return {};
    }
    TRY_ASSIGN(report.store, store::VerifyRocksStore(dir, {}));
    return {};
  }

  std::string dir_;
  bool json_ = false;
};

const CommandRegistration kVerify =
    Register<Verify>("verify", "Reads everything in a data directory and names what is damaged.");

}  // namespace
}  // namespace tributary::cli
