#include "app/backup_runner.h"

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/logging.h"
#include "config/json_text.h"

namespace tributary::app {
namespace {

using nlohmann::json;

json TimeOrNull(UnixMicros at_us) {
  return at_us == 0 ? json() : json(FormatIso8601(at_us));
}

std::string NewId(os::Random& random) {
  const std::uint64_t bits[2] = {random.Next(), random.Next()};
  return "bkp_" + Hash128{.high = bits[0], .low = bits[1]}.ToHex();
}

}  // namespace

BackupRunner::BackupRunner(backup::BackupWorld world, os::Random& random)
    : world_(std::move(world)), random_(random) {
  world_.wait = [this](MonoNanos span) { return Wait(span); };
}

void BackupRunner::Run() {
  while (const auto job = Next()) {
    LogInfo("backup_began", {{"id", job->id}, {"dir", job->dir}});
    Finish(*job, backup::MakeBackup(world_, job->dir, job->progress));
  }
}

std::shared_ptr<BackupRunner::Job> BackupRunner::Next() {
  std::unique_lock lock(mutex_);
  const auto waiting = [this] { return !jobs_.empty() && jobs_.front()->state == State::kRunning; };
  changed_.wait(lock, [&] { return stopped_ || waiting(); });
  return stopped_ ? nullptr : jobs_.front();
}

void BackupRunner::Finish(Job& job, const Result<backup::Manifest>& made) {
  const std::lock_guard lock(mutex_);
  job.finished_at_us = world_.clock->Now();
  job.state = made ? State::kDone : State::kFailed;
  if (made) {
    job.log = made->log;
    job.secret_key_left_out = made->secret_key_left_out;
    LogInfo("backup_finished", {{"id", job.id},
                                {"files", job.progress.files.load()},
                                {"bytes", job.progress.bytes_done.load()}});
  } else {
    job.error = made.error().message();
    LogWarn("backup_failed", {{"id", job.id}, {"reason", job.error}});
  }
}

bool BackupRunner::Wait(MonoNanos span) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, std::chrono::nanoseconds(span), [this] { return stopped_; });
}

void BackupRunner::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& job : jobs_) job->progress.cancel.store(true);
  changed_.notify_all();
}

Result<std::string> BackupRunner::Start(const std::string& dir) {
  TRY(backup::CheckTarget(*world_.fs, dir, world_.data_dir));
  const std::lock_guard lock(mutex_);
  if (stopped_) return Fail(ErrorCode::kUnavailable, "the server is shutting down");
  if (!jobs_.empty() && jobs_.front()->state == State::kRunning) {
    return Fail(ErrorCode::kConflict, "a backup is running already: " + jobs_.front()->id);
  }
  auto job = std::make_shared<Job>();
  job->id = NewId(random_);
  job->dir = dir;
  job->started_at_us = world_.clock->Now();
  jobs_.push_front(job);
  if (jobs_.size() > control::kBackupsRemembered) jobs_.pop_back();
  changed_.notify_all();
  return TextOf(*job);
}

Result<std::string> BackupRunner::Get(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& job : jobs_) {
    if (job->id == id) return TextOf(*job);
  }
  return Fail(ErrorCode::kNotFound, "there is no backup of that id");
}

std::vector<std::string> BackupRunner::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> texts;
  texts.reserve(jobs_.size());
  for (const auto& job : jobs_) texts.push_back(TextOf(*job));
  return texts;
}

std::string BackupRunner::TextOf(const Job& job) {
  constexpr const char* kStates[] = {"running", "done", "failed"};
  json log = json::array();
  for (const backup::LogRange& range : job.log) {
    log.push_back({{"partition", range.partition}, {"first", range.first}, {"end", range.end}});
  }
  const backup::Progress& p = job.progress;
  // What is written while it is copied may be more than was there at the beginning.
  const std::uint64_t done = p.bytes_done.load();
  const json object = {{"id", job.id},
                       {"dir", job.dir},
                       {"state", kStates[static_cast<int>(job.state)]},
                       {"error", job.error.empty() ? json() : json(job.error)},
                       {"started_at", TimeOrNull(job.started_at_us)},
                       {"finished_at", TimeOrNull(job.finished_at_us)},
                       {"files", p.files.load()},
                       {"bytes_total", std::max(done, p.bytes_total.load())},
                       {"bytes_done", done},
                       {"bytes_copied", p.bytes_copied.load()},
                       {"bytes_linked", p.bytes_linked.load()},
                       {"bytes_kept", p.bytes_kept.load()},
                       {"log", std::move(log)},
                       {"secret_key_left_out", job.secret_key_left_out}};
  return config::DumpText(object);
}

}  // namespace tributary::app
