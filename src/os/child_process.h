// A program of ours that runs in a process of its own, because what it does may never end or may
// crash: it is spoken to over one socket, its standard input and output, and can be killed.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tributary::os {

// The parent's side. One thread at a time.
//
// The child has an empty environment, no descriptor of ours but the socket, a process group of its
// own (so that Ctrl-C in a terminal ends us first), and dies with the thread that started it.
class ChildProcess {
 public:
  // `command`: the file to execute and its arguments; "/proc/self/exe" is this very program.
  static Result<ChildProcess> Start(const std::vector<std::string>& command);
  // Kills it, if it still runs, and waits until it is gone.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  // Writes of `out` what it takes and appends to `in` what it says, until something was done or
  // `deadline` (monotonic) has come: kDeadline. kIo: it has ended. Both directions at once, so that
  // neither side can wait for the other for ever.
  Status Exchange(std::string& out, std::string& in, MonoNanos deadline);

  // After kIo: the signal that ended it; nullopt when it exited by itself. Waits for its end, at
  // most until `deadline`, then kills it.
  std::optional<int> EndedBySignal(MonoNanos deadline);

 private:
  ChildProcess(int pid, int socket) : pid_(pid), socket_(socket) {}
  void Kill();

  int pid_ = -1;
  int socket_ = -1;
  int status_ = 0;  // as waitpid gave it; once pid_ is -1
};

// The signals that tell what a child died of.
inline constexpr int kSignalKilled = 9;    // by somebody from outside
inline constexpr int kSignalCpuTime = 27;  // by LimitCpuTime
inline constexpr int kSignalAborted = 6;

// ---- The child's side; single-threaded. ----

struct OwnLimits {
  std::size_t memory_bytes = 0;  // of all private memory; past it an allocation fails
  std::size_t stack_bytes = 0;
};
// Lets this process do little more than compute: bounded memory, no files written, no processes or
// descriptors made, no core dump, SIGTERM and SIGINT ignored (it ends when its input ends).
void LimitOwnProcess(const OwnLimits& limits);

// When this process has computed for `span` from now, `handler` is called inside a signal handler;
// after half as much again the process dies of kSignalCpuTime. 0 ends the watch. Counts processor
// time, so that a busy machine takes nothing from the span.
void LimitCpuTime(MonoNanos span, void (*handler)());
MonoNanos CpuTimeUsed();  // by this process, since its start

// Of standard input and output, whole. False: the other side has ended.
bool ReadInput(char* bytes, std::size_t size);
// At least one byte; 0: the other side has ended.
std::size_t ReadSomeInput(char* bytes, std::size_t size);
bool WriteOutput(const char* bytes, std::size_t size);

}  // namespace tributary::os
