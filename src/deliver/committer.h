// The thread that makes outcomes durable: gathers the changes of all lanes, writes them as one
// batch with one sync, and tells the lanes.
//
// Durability: a submission's `done` is called after its batch is synced (or failed, which is final
// for the store).
// The gate: a submission is held back until the dedupe verdicts below its `high` marks are synced,
// because a verdict that was only in memory may come out the other way after a crash, and an
// outcome must not stand on it. Submissions that the gate holds back are overtaken by others;
// whoever needs an order has one submission under way at a time, as a lane does.
//
// Threads: Submit and Post from any thread. Step() and WaitForWork() by the one committer thread,
// started by app/ (or called in turn by a test). `done` is called on it and must not block.
#pragma once

#include <atomic>
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
  // False when closed: it will not run.
  bool Post(os::Task task);

  // Runs what is posted and writes what may be written. False when there was nothing to do.
  bool Step();
  // Blocks until there is something to do or Close(). Returns false once closed and empty.
  bool WaitForWork();
  // Takes no more; what was taken is still written by Step(), except what the gate holds back: that
  // fails with kUnavailable. Thread-safe.
  void Close();
  // Verdicts moved: wakes the thread if that may have opened the gate for anything it holds.
  // Thread-safe, cheap.
  void Wake();

 private:
  bool GateOpen(const Submission& submission) const;
  std::vector<Submission> TakeReady();
  void WriteAll(std::vector<Submission> ready);
  std::uint64_t SyncedInAll() const;

  store::Store& store_;
  log::Verdicts* verdicts_;
  std::vector<Submission> held_;  // committer thread only: the gate is shut for them
  std::atomic<bool> any_held_{false};
  std::atomic<log::Partition> partitions_{0};  // that submissions spoke of
  std::atomic<std::uint64_t> woken_for_{0};    // SyncedInAll() at the last Wake()

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Submission> incoming_;
  std::vector<os::Task> tasks_;
  bool moved_ = false;  // something may have changed since the last Step()
  bool closed_ = false;
};

}  // namespace tributary::deliver
