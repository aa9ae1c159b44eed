// tributary backup: copies the data of a running server, or of a directory that none uses.
#include <nlohmann/json.hpp>
#include <ostream>

#include "backup/backup.h"
#include "cli/escape.h"
#include "cli/pretty_json.h"
#include "cli/progress_bar.h"
#include "cli/registry.h"
#include "cli/watched_files.h"
#include "config/json_text.h"
#include "os/clock.h"
#include "store/data_dir.h"

namespace tributary::cli {
namespace {

using nlohmann::json;

constexpr MonoNanos kJobPollNs = 100 * kNanosPerMilli;
constexpr const char* kPath = "/api/v1/backups";

std::uint64_t Number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<std::uint64_t>() : 0;
}

std::string Text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

json ReportOf(const std::string& dir, const backup::Manifest& manifest,
              const backup::Progress& progress) {
  return {{"dir", dir},
          {"state", "done"},
          {"files", progress.files.load()},
          {"bytes_done", progress.bytes_done.load()},
          {"bytes_copied", progress.bytes_copied.load()},
          {"bytes_linked", progress.bytes_linked.load()},
          {"bytes_kept", progress.bytes_kept.load()},
          {"secret_key_left_out", manifest.secret_key_left_out}};
}

class Backup final : public Command {
 public:
  void Describe(Arguments& a) override {
    a.Positional("DIR", dir_, "Where to; an earlier backup there is brought up to date.");
    a.Option("--data-dir", data_dir_, "DATA",
             "Backs up this directory, which no server uses, without asking a server.");
    options_.Describe(a);
    a.OnRun([this](Context& context) { return Run(context); });
  }

 private:
  int Run(Context& context) {
    const auto report = data_dir_ ? Offline(context) : Online(context);
    if (!report) return Complain(context, report.error().message());
    if (options_.json) {
      context.out << EscapeBlock(report->dump(2)) << '\n';
    } else {
      Summarize(context, *report);
    }
    return kExitFine;
  }

  static void Summarize(Context& context, const json& report) {
    context.out << "backed up " << BytesText(Number(report, "bytes_done")) << " in "
                << Number(report, "files") << " files to " << EscapeLine(Text(report, "dir"))
                << " (" << BytesText(Number(report, "bytes_copied")) << " copied, "
                << BytesText(Number(report, "bytes_linked")) << " linked, "
                << BytesText(Number(report, "bytes_kept")) << " unchanged)\n";
    const auto left_out = report.find("secret_key_left_out");
    if (left_out != report.end() && *left_out == true) {
      context.err << "secret.key is not part of it: keep a copy of that file somewhere else\n";
    }
  }

  // A relative path means the directory that the command runs in, which is the server's machine
  // wherever the server's address is this one's.
  Result<std::string> Absolute(Context& context) const {
    if (dir_.starts_with('/')) return dir_;
    TRY_ASSIGN(const std::string here, context.fs.RealPath("."));
    std::string rest = dir_;
    while (rest.starts_with("./")) rest.erase(0, 2);
    return here + "/" + rest;
  }

  Result<json> Online(Context& context) {
    TRY_ASSIGN(const auto api, context.connect(options_.Target(context.environment)));
    TRY_ASSIGN(const std::string dir, Absolute(context));
    const json body = {{"dir", dir}};
    TRY_ASSIGN(
        std::string text,
        CallForBody(*api, {.method = "POST", .path = kPath, .body = config::DumpText(body)}));
    ProgressBar bar(context, "backing up", ProgressBar::Unit::kBytes);
    for (;;) {
      json job = json::parse(text, nullptr, false);
      const std::string state = job.is_object() ? Text(job, "state") : "";
      if (state == "done") return job;
      if (state == "failed")
        return Fail(ErrorCode::kIo, "the backup failed: " + Text(job, "error"));
      if (state != "running") {
        return Fail(ErrorCode::kInternal, "the server's answer is not as it should be");
      }
      bar.Show(Number(job, "bytes_done"), Number(job, "bytes_total"));
      api->Wait(kJobPollNs);
      TRY_ASSIGN(text, CallForBody(*api, {.path = std::string(kPath) + "/" +
                                                  EncodePathPart(Text(job, "id"))}));
    }
  }

  Result<json> Offline(Context& context) {
    TRY_ASSIGN(const auto held, store::InspectDataDir(context.fs, *data_dir_));
    TRY(backup::RemoveScratch(context.fs, *data_dir_));
    TRY_ASSIGN(const auto opened, store::OpenRocksStore({.dir = *data_dir_ + "/store"}));
    TRY_ASSIGN(const std::string dir, Absolute(context));
    backup::Progress progress;
    ProgressBar bar(context, "backing up", ProgressBar::Unit::kBytes);
    const auto show = [&](std::uint64_t) {
      if (progress.bytes_total > 0) bar.Show(progress.bytes_done, progress.bytes_total);
    };
    WatchedFiles files(context.fs, show);
    TRY_ASSIGN(const backup::Manifest manifest,
               backup::MakeBackup({.fs = &files,
                                   .clock = &os::SystemClock(),
                                   .store = opened.get(),
                                   .log = nullptr,
                                   .data_dir = *data_dir_,
                                   .version = std::string(Version()),
                                   .wait = [](MonoNanos) { return false; }},
                                  dir, progress));
    show(0);
    return ReportOf(dir, manifest, progress);
  }

  std::string dir_;
  std::optional<std::string> data_dir_;
  ApiOptions options_;
};

const CommandRegistration kBackup =
    Register<Backup>("backup", "Copies a server's data while it works, or a stopped one's.");

}  // namespace
}  // namespace tributary::cli
