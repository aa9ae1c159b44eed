// The thread that makes outcomes durable: gathers the changes of all lanes, writes them as one
// batch with one sync, and tells the lanes.
//
// Durability: a submission's `done` is called after its batch is synced (or failed, which is final
// for the store). Submissions of one caller are written in the order submitted.
// The gate: a submission is held back until the dedupe verdicts below its `high` marks are synced,
// because a verdict that was only in memory may come out the other way after a crash, and an
// outcome must not stand on it. Waiting for the gate holds back later submissions of the same
// caller only as far as that caller waits itself: a lane has one submission under way.
//
// Threads: Submit and Post from any thread. Step() and WaitForWork() by the one committer thread,
// started by app/ (or called in turn by a test). `done` is called on it and must not block.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "log/verdicts.h"
#include "os/executor.h"
#include "store/store.h"

namespace tributary::deliver {

class Committer {
 public:
  // `verdicts` may be nullptr: no gate.
  Committer(store::Store& store, log::Verdicts* verdicts) : store_(store), verdicts_(verdicts) {}

  struct Submission {
    store::Batch batch;
    // Per partition: one past the newest offset that the batch speaks of.
    std::vector<log::Offset> high;
    std::move_only_function<void(const Status&)> done;
  };
  void Submit(Submission submission);
  // Runs `task` on the committer thread, between two commits: for reads that may block.
  void Post(os::Task task);

  // Runs what is posted and writes what may be written. False when there was nothing to do.
  bool Step();
  // Blocks until there is something to do or Close(). Returns false once closed and empty.
  bool WaitForWork();
  // Takes no more; what was taken is still written by Step(). Thread-safe.
  void Close();
  // Wakes the thread: verdicts moved. Thread-safe, cheap.
  void Wake();

 private:
  bool GateOpen(const Submission& submission) const;
  std::vector<Submission> TakeReady();
  void WriteAll(std::vector<Submission> ready);

  store::Store& store_;
  log::Verdicts* verdicts_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Submission> waiting_;
  std::vector<os::Task> tasks_;
  bool moved_ = false;  // something may have changed since the last Step()
  bool closed_ = false;
};

}  // namespace tributary::deliver
