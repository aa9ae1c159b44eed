// tributary restore: makes a data directory of a backup, comparing every byte with its manifest.
#include <nlohmann/json.hpp>
#include <ostream>

#include "backup/backup.h"
#include "cli/escape.h"
#include "cli/progress_bar.h"
#include "cli/registry.h"
#include "cli/watched_files.h"

namespace tributary::cli {
namespace {

using nlohmann::json;

constexpr const char* kSecretsSentence =
    "Secrets that were given at run time are sealed with the file secret.key, which backups leave "
    "out. Put your copy of it into the restored directory before the server starts; without it "
    "those secrets cannot be read and must be given anew.";

class Restore final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Positional("BACKUP_DIR", from_, "A directory that 'tributary backup' made.");
    a.Option("--data-dir", to_, "DATA", "Where to; an empty or a new directory (./data).");
    a.Flag("--json", json_, "Answers with JSON.");
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    const auto manifest = Bring(context);
    if (!manifest) return Complain(context, manifest.error().message());
    if (json_) {
      const json report = {{"data_dir", to_},
                           {"files", manifest->files.size()},
                           {"bytes", manifest->bytes()},
                           {"backed_up_at", FormatIso8601(manifest->began_at_us)},
                           {"secret_key_left_out", manifest->secret_key_left_out}};
      context.out << EscapeBlock(report.dump(2, ' ', false, json::error_handler_t::replace))
                  << '\n';
    } else {
      context.out << "restored " << BytesText(manifest->bytes()) << " in " << manifest->files.size()
                  << " files to " << EscapeLine(to_) << ", as of "
                  << FormatIso8601(manifest->began_at_us) << '\n';
    }
    if (manifest->secret_key_left_out) context.err << kSecretsSentence << '\n';
    return kExitFine;
  }

  Result<backup::Manifest> Bring(Context& context) const {
    backup::Progress progress;
    ProgressBar bar(context, "restoring", ProgressBar::Unit::kBytes);
    const auto show = [&](std::uint64_t) {
      if (progress.bytes_total > 0) bar.Show(progress.bytes_done, progress.bytes_total);
    };
    WatchedFiles files(context.fs, show);
    TRY_ASSIGN(backup::Manifest manifest, backup::Restore(files, from_, to_, progress));
    show(0);
    return manifest;
  }

  std::string from_;
  std::string to_ = "./data";
  bool json_ = false;
};

const CommandRegistration kRestore =
    Register<Restore>("restore", "Makes a data directory from a backup.");

}  // namespace
}  // namespace tributary::cli
