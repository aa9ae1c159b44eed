// Joins route/jq_pool.h (how programs run) to deliver/program.h (when one does).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deliver/program.h"
#include "os/clock.h"

namespace tributary::destinations {

inline const std::string kThisExecutable = "/proc/self/exe";

struct JqProgramsOptions {
  // Starts `tributary run-programs` with these limits; see JqCommand.
  std::vector<std::string> command;
  MonoNanos time_limit_ns = 100 * kNanosPerMilli;
  std::size_t memory_bytes = 256 * 1024 * 1024;
  std::size_t workers = 2;
  const os::Clock* clock = nullptr;  // the machine's; outlives the programs
};

// `executable` (by default this very one) as the process that runs programs, with the limits of
// `options`.
std::vector<std::string> JqCommand(const JqProgramsOptions& options,
                                   const std::string& executable = kThisExecutable);
// What such an executable does first of all: when its arguments are those of JqCommand, it runs
// programs until its input ends, and answers with the exit code.
std::optional<int> RunAsJqProcess(int argc, char** argv);

class JqPrograms : public deliver::Programs {
 public:
  // Asks app/ for a thread; its body returns after Close().
  using StartThread = std::function<void(std::string name, std::function<void()> body)>;
  // Nothing is started before the first program. Compile() works without threads.
  static std::unique_ptr<JqPrograms> Make(const JqProgramsOptions& options,
                                          StartThread start_thread);

  // One run on the calling thread, which waits for it: for commands without an engine.
  virtual Result<std::string> RunNow(const deliver::Program& program,
                                     const std::string& event_json) = 0;
  // No `done` is called after it has returned. Bodies end within some 200 ms.
  virtual void Close() = 0;
};

// For commands: Compile() and RunNow() with the limits by default; Run() is not called.
std::unique_ptr<JqPrograms> ProgramsWithoutThreads(const std::string& executable,
                                                   const os::Clock& clock);

}  // namespace tributary::destinations
