#include "destinations/jq_programs.h"

#include <charconv>
#include <mutex>

#include "base/check.h"
#include "route/jq_child.h"
#include "route/jq_pool.h"

namespace tributary::destinations {
namespace {

using deliver::Program;
using deliver::ProgramUse;

constexpr std::string_view kCommand = "run-programs";

static_assert(deliver::kProgramBytesMax == route::kJqProgramBytesMax);

route::JqTask TaskOf(ProgramUse use) {
  return use == ProgramUse::kFilter ? route::JqTask::kFilter : route::JqTask::kMapping;
}

class JqProgram final : public Program {
 public:
  JqProgram(ProgramUse use, std::string_view text)
      : use_(use), text_(std::make_shared<const std::string>(text)) {}
  ProgramUse use() const override { return use_; }
  const std::string& text() const override { return *text_; }
  const std::shared_ptr<const std::string>& shared_text() const { return text_; }

 private:
  ProgramUse use_;
  std::shared_ptr<const std::string> text_;
};

route::JqProcessOptions ProcessOptions(const JqProgramsOptions& options) {
  return {.command = options.command,
          .limits = {.time_ns = options.time_limit_ns, .memory_bytes = options.memory_bytes},
          .clock = options.clock};
}

class JqProgramsImpl final : public JqPrograms {
 public:
  JqProgramsImpl(const JqProgramsOptions& options, StartThread start_thread)
      : pool_({.process = ProcessOptions(options), .workers = options.workers},
              std::move(start_thread)) {}

  Result<std::shared_ptr<const Program>> Compile(ProgramUse use, std::string_view text) override {
    TRY(pool_.Check(text));
    return std::make_shared<const JqProgram>(use, text);
  }

  std::shared_ptr<const Program> Stored(ProgramUse use, std::string_view text) override {
    pool_.Trust(text);
    return std::make_shared<const JqProgram>(use, text);
  }

  void Run(std::shared_ptr<const Program> program, std::string event_json, os::Executor& loop,
           Done done) override {
    const auto& jq = static_cast<const JqProgram&>(*program);
    pool_.Run(TaskOf(jq.use()), jq.shared_text(), std::move(event_json),
              [gate = gate_, &loop, done = std::move(done)](Result<std::string> result) mutable {
                Answer(*gate, loop, std::move(done), std::move(result));
              });
  }

  Result<std::string> RunNow(const Program& program, const std::string& event_json) override {
    return pool_.RunNow(TaskOf(program.use()), program.text(), event_json);
  }

  void Close() override {
    pool_.Close();
    const std::lock_guard lock(gate_->mutex);
    gate_->closed = true;
  }

 private:
  // Outlives us: an answer may be posted that comes too late.
  struct Gate {
    std::mutex mutex;
    bool closed = false;
  };

  static void Answer(Gate& gate, os::Executor& loop, Done done, Result<std::string> result) {
    const std::lock_guard lock(gate.mutex);
    if (gate.closed) return;
    loop.Post([done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  route::JqPool pool_;
};

}  // namespace

std::vector<std::string> JqCommand(const JqProgramsOptions& options,
                                   const std::string& executable) {
  return {executable, std::string(kCommand), std::to_string(options.time_limit_ns),
          std::to_string(options.memory_bytes)};
}

std::optional<int> RunAsJqProcess(int argc, char** argv) {
  if (argc != 4 || argv[1] != kCommand) return std::nullopt;
  route::JqChildLimits limits;
  const auto read = [](std::string_view text, auto& value) {
    std::from_chars(text.data(), text.data() + text.size(), value);
  };
  read(argv[2], limits.time_ns);
  read(argv[3], limits.memory_bytes);
  return route::RunJqChild(limits);
}

std::unique_ptr<JqPrograms> ProgramsWithoutThreads(const std::string& executable,
                                                   const os::Clock& clock) {
  JqProgramsOptions options;
  options.clock = &clock;
  options.command = JqCommand(options, executable);
  return JqPrograms::Make(options, [](const std::string&, const auto&) {
    CHECK(!"programs of a command run one by one");
  });
}

std::unique_ptr<JqPrograms> JqPrograms::Make(const JqProgramsOptions& options,
                                             StartThread start_thread) {
  return std::make_unique<JqProgramsImpl>(options, std::move(start_thread));
}

}  // namespace tributary::destinations
