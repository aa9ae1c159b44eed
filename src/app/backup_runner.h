// The backups of a running server, one at a time, on a thread of their own.
//
// Threads: Run() is the body of that thread and returns after Stop(); everything else from any.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "backup/backup.h"
#include "control/backup.h"
#include "os/random.h"

namespace tributary::app {

class BackupRunner final : public control::Backups {
 public:
  // `world` without `wait`, which is this one's.
  BackupRunner(backup::BackupWorld world, os::Random& random);

  void Run();
  void Stop();  // a backup that runs ends as failed

  Result<std::string> Start(const std::string& dir) override;
  Result<std::string> Get(const std::string& id) const override;
  std::vector<std::string> List() const override;

 private:
  enum class State { kRunning, kDone, kFailed };
  struct Job {
    std::string id;
    std::string dir;
    UnixMicros started_at_us = 0;
    backup::Progress progress;
    // Guarded by the runner's mutex:
    State state = State::kRunning;
    UnixMicros finished_at_us = 0;
    std::string error;
    std::vector<backup::LogRange> log;
    bool secret_key_left_out = false;
  };
  std::shared_ptr<Job> Next();
  void Finish(Job& job, const Result<backup::Manifest>& made);
  bool Wait(MonoNanos span);
  static std::string TextOf(const Job& job);

  backup::BackupWorld world_;
  os::Random& random_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::deque<std::shared_ptr<Job>> jobs_;  // newest first; only the first one may be running
};

}  // namespace tributary::app
