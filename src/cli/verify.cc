// tributary verify: reads every record of a data directory that no server uses; changes nothing.
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
    const auto report = log::VerifyLog(context.fs, dir->path + "/log");
    if (!report) return Complain(context, report.error().message());
    context.out << (json_ ? VerifyJson(*report) : VerifyText(*report));
    return report->damage.empty() ? kExitFine : kExitFailed;
  }

  std::string dir_;
  bool json_ = false;
};

const CommandRegistration kVerify =
    Register<Verify>("verify", "Reads everything in a data directory and names what is damaged.");

}  // namespace
}  // namespace tributary::cli
