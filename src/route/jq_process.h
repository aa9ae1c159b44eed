// The parent's side of one process that runs jq programs: starts it when it is first needed, and
// anew after a program has ended it.
//
// What ends a program, in this order: its processor time is over (jq is halted and the process goes
// on), a builtin does not come back (the process dies and is replaced), memory or stack run out
// (the same). Each is that program's error; nobody else's run is lost.
//
// Blocks the calling thread. One thread at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/child_process.h"
#include "os/clock.h"
#include "route/jq_child.h"
#include "route/jq_message.h"

namespace tributary::route {

struct JqProcessOptions {
  // A program that calls RunJqChild with the same limits: {"/proc/self/exe", "run-programs", …}.
  std::vector<std::string> command;
  JqChildLimits limits;
  const os::Clock* clock = nullptr;  // the machine's: the process lives by it; outlives us
};

class JqProcess {
 public:
  struct Question {
    JqTask task = JqTask::kCompile;
    std::string_view program;
    std::string_view input;
  };
  explicit JqProcess(JqProcessOptions options);

  // Errors: kInvalid, the program does not compile, failed on this input, or ended its process;
  // kDeadline, it took too long; kUnavailable, the process could not be had, or was killed from
  // outside: ask again.
  Result<std::string> Ask(const Question& question);
  struct Answer {
    Result<std::string> result;
    MonoNanos used_ns = 0;  // of processor time; the limit when the process ended over it
  };
  // Several of them, which costs fewer switches between the processes. `answered` is called in
  // their order, from inside, as the answers come. False: the rest is not wanted; the process is
  // ended, because it has the questions already.
  using Answered = std::function<bool(std::size_t index, Answer answer)>;
  void AskAll(const std::vector<Question>& questions, const Answered& answered);

  bool running() const { return child_.has_value(); }
  void Stop() { child_.reset(); }

 private:
  std::size_t AskSome(const std::vector<Question>& questions, std::size_t first,
                      const Answered& answered);
  std::size_t Converse(const std::vector<Question>& questions, std::size_t first,
                       const Answered& answered);
  Error WhyEnded(const Error& seen);
  Answer AnswerOf(JqAnswer said) const;
  std::string TooSlow() const;

  const JqProcessOptions options_;
  std::optional<os::ChildProcess> child_;
};

}  // namespace tributary::route
