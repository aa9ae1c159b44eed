// What concerns the process as a whole: signals, limits, memory, environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/asio_loop.h"

namespace tributary::os {

// SIGPIPE and SIGXFSZ become errors of the call that met them. Call before threads start.
void IgnoreFatalSignals();

// Raises the soft limit of open descriptors to the hard one; returns what holds now.
std::uint64_t RaiseDescriptorLimit();

// Calls `handler` on the loop's thread for every SIGTERM and SIGINT, and `reload` for SIGHUP, until
// destroyed. One at a time in a process.
class SignalWatch {
 public:
  SignalWatch(AsioLoop& loop, std::function<void()> handler, std::function<void()> reload);
  ~SignalWatch();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One variable of the environment, or all "NAME=value" that begin with `prefix`. Read once at
// start, before threads: the environment is not safe to change later.
std::optional<std::string> Environment(const std::string& name);
std::vector<std::pair<std::string, std::string>> EnvironmentWithPrefix(const std::string& prefix);

// Whether somebody watches standard error, so that progress is worth drawing there.
bool StandardErrorIsTerminal();

std::uint64_t ResidentBytes();
std::uint64_t OpenDescriptors();
// Numeric addresses of all interfaces that are up, IPv6 ones perhaps with a zone ("fe80::1%eth0").
std::vector<std::string> InterfaceAddresses();
unsigned Cores();  // that this process may run on
std::string ProcessId();

// The calling thread's name in ps, perf and gdb; cut to 15 characters.
void NameThread(const std::string& name);

// Of how many heaps threads allocate (0: as many as cores, and one). glibc would take eight for
// each core, and what one thread's heap has freed is of no use to the others: under a flood half of
// our memory would be such holes. Call before threads start.
void LimitHeaps(unsigned heaps_max = 0);

// Gives freed memory back to the system; called rarely, from a maintenance thread.
void TrimHeap();

// Takes the pages of program and library code out of the resident set; what runs comes back from
// the page cache at a fault each. Worth it once, when start-up is over: most of what ran will not
// run again.
void ReleaseCodePages();

// Ends the process at once with this code, without destructors (a poisoned log must not linger).
[[noreturn]] void ExitNow(int code);

}  // namespace tributary::os
