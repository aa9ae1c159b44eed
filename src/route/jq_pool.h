// Runs programs for everybody: a few processes, each with a thread that speaks to it.
//
// Nobody waits behind somebody else's slow program. Each program has a line of its own and the
// lines take turns; a program whose run took long is moved to a process that only such programs
// use, until it has been quick again for a while.
//
// Nothing runs before the first program does: threads are asked for then (`start_thread`, which
// only app/ can give), a process is started by its thread's first run and ended after a minute
// without one.
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/result.h"
#include "route/jq_process.h"

namespace tributary::route {

// What waits for a process at most; past either a run is refused with kUnavailable.
inline constexpr std::size_t kJqWaitingMax = 10'000;
inline constexpr std::size_t kJqWaitingBytesMax = 64 * 1024 * 1024;
// A run of so much processor time makes its program a slow one; so many quick ones undo it.
inline constexpr MonoNanos kJqSlowRun = 20 * kNanosPerMilli;
inline constexpr unsigned kJqQuickRunsToRecover = 100;

struct JqPoolOptions {
  JqProcessOptions process;
  std::size_t workers = 2;  // besides the one for slow programs
};

class JqPool {
 public:
  // Runs `body` on a new thread until it returns, which it does after Close().
  using StartThread = std::function<void(std::string name, std::function<void()> body)>;

  JqPool(JqPoolOptions options, StartThread start_thread);
  // After every body has returned.
  ~JqPool();

  // Whether the program compiles: kInvalid with jq's message. Blocks for some 50 ms, unless this
  // text is known to compile.
  Status Check(std::string_view program);
  // This text has compiled before, says somebody who kept it.
  void Trust(std::string_view program);

  // `done` exactly once, on a thread of the pool, or from inside this call when too much waits.
  // The number rule is applied first: an event with a number that jq would change is kInvalid.
  // Errors otherwise as JqProcess::Ask. After Close(): never.
  using Done = std::move_only_function<void(Result<std::string>)>;
  void Run(JqTask task, std::shared_ptr<const std::string> program, std::string input, Done done);

  // The same on the calling thread, in a process that is kept between such calls.
  Result<std::string> RunNow(JqTask task, const std::string& program, const std::string& input);

  // What waits is forgotten, and nobody is called once this has returned; not from inside a `done`.
  // Bodies return within some 200 ms.
  void Close();

 private:
  struct Job {
    JqTask task;
    std::string input;
    Done done;
  };
  // One program's jobs.
  struct Line {
    std::shared_ptr<const std::string> program;
    std::deque<Job> waiting;
    std::size_t running = 0;
    std::size_t together = 1;  // jobs given to a process at once; grows while they are quick
    unsigned quick_runs = 0;   // since it became slow
    bool slow = false;
    bool queued = false;
  };
  using LinePtr = std::shared_ptr<Line>;
  struct Crew {
    const char* name = "";
    std::size_t threads_max = 1;
    std::size_t threads = 0;
    std::size_t idle = 0;
    std::deque<LinePtr> lines;  // that have jobs
    std::condition_variable wake;
  };

  // Those marked (L) are called with mutex_ held.
  Crew& CrewOf(const Line& line) { return line.slow ? slow_ : quick_; }
  LinePtr LineOf(std::shared_ptr<const std::string> program);  // (L)
  void Queue(const LinePtr& line);                             // (L)
  void HireFor(Crew& crew);                                    // (L)
  std::deque<Job> TakeJobs(Line& line);                        // (L)
  void Work(Crew& crew);
  LinePtr NextLine(Crew& crew, std::unique_lock<std::mutex>& lock, JqProcess& process);
  std::deque<Job> RunJobs(Line& line, std::deque<Job> jobs, JqProcess& process);
  void Call(Done& done, Result<std::string> result);
  bool GoOn(Line& line, MonoNanos used_ns);

  const JqPoolOptions options_;
  const StartThread start_thread_;

  std::mutex check_mutex_;
  JqProcess checker_;                        // guarded by check_mutex_
  std::unordered_set<std::string> trusted_;  // hashes; guarded by check_mutex_

  std::mutex mutex_;  // everything below
  std::unordered_map<std::string_view, LinePtr> line_of_;
  Crew quick_;
  Crew slow_;
  std::size_t waiting_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t calling_ = 0;  // `done`s that run now
  std::condition_variable called_;
  bool closed_ = false;
};

}  // namespace tributary::route
