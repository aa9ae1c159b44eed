#include "route/jq_child.h"

#include "base/bytes.h"
#include "os/child_process.h"
#include "os/process.h"
#include "route/jq_engine.h"

namespace tributary::route {
namespace {

constexpr std::size_t kProgramsKept = 256;
// jq reads its own library anew for every program: about 35 ms.
constexpr MonoNanos kCompileTimeMax = 2 * kNanosPerSecond;
// jq walks nested values by recursion, when it frees and prints them.
constexpr std::size_t kStackBytes = 64 * 1024 * 1024;
constexpr std::size_t kQuestionBytesMax = 64 * 1024 * 1024;

JqEngine* running = nullptr;
std::string no_memory_answer;  // made ahead: when it is wanted nothing can be allocated

void OnTimeOver() {
  running->Halt();
}

// jq cannot go on from here: it would abort.
void OnNoMemory(void* /*data*/) {
  os::WriteOutput(no_memory_answer.data(), no_memory_answer.size());
  os::ExitNow(0);
}

JqAnswer Answer(JqEngine& engine, const JqAsked& asked, MonoNanos time_ns) {
  os::LimitCpuTime(kCompileTimeMax, OnTimeOver);
  JqAnswer answer = engine.Compile(asked.program);
  if (asked.task != JqTask::kCompile && answer.verdict == JqVerdict::kFine) {
    os::LimitCpuTime(time_ns, OnTimeOver);
    const MonoNanos before = os::CpuTimeUsed();
    answer = engine.Run(asked.task, asked.program, asked.input);
    answer.used_us = static_cast<std::uint32_t>((os::CpuTimeUsed() - before) / 1000);
  }
  os::LimitCpuTime(0, OnTimeOver);
  return answer;
}

}  // namespace

int RunJqChild(const JqChildLimits& limits) {
  os::LimitOwnProcess({.memory_bytes = limits.memory_bytes, .stack_bytes = kStackBytes});
  no_memory_answer = JqAnswerBytes({.verdict = JqVerdict::kNoMemory, .text = {}});
  JqEngine engine(kProgramsKept, OnNoMemory);
  running = &engine;
  std::string question;
  char head[sizeof(std::uint32_t)];
  while (os::ReadInput(head, sizeof head)) {
    const auto size = LoadLe<std::uint32_t>(head);
    if (size > kQuestionBytesMax) return 1;
    question.resize(size);
    if (!os::ReadInput(question.data(), size)) return 1;
    const auto asked = ReadJqQuestion(question);
    if (!asked) return 1;
    const JqAnswer answer = Answer(engine, *asked, limits.time_ns);
    const std::string bytes = JqAnswerBytes(answer);
    if (!os::WriteOutput(bytes.data(), bytes.size())) return 1;
  }
  return 0;
}

}  // namespace tributary::route
