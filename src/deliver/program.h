// Programs that users write (jq): the condition of a `filter`, and a `mapping`. deliver/ says when
// one runs, route/ how; the two meet here, and are joined in destinations/ and app/.
//
// A program sees one event's JSON and nothing else: no clock, no environment, no files, so that a
// filter gives the same answer whenever it is asked about the same record (audit, trace, replay).
// An event with a number that jq would change (it keeps 17 digits) is an error that names it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/executor.h"

namespace tributary::deliver {

inline constexpr std::size_t kProgramBytesMax = 64 * 1024;

enum class ProgramUse : std::uint8_t {
  kFilter,   // the answer is "true" or "false": whether its first output is neither false nor null
  kMapping,  // the answer is its one output as JSON text
};

// A program that compiled. Immutable; any thread. What a runner knows of it is its own business.
class Program {
 public:
  virtual ~Program() = default;
  virtual ProgramUse use() const = 0;
  virtual const std::string& text() const = 0;
};

// Runs programs apart from everything else, because one may be slow, never end, or crash.
// Thread-safe. Outlives everything that has asked it, and calls no `done` after Close().
class Programs {
 public:
  virtual ~Programs() = default;

  // kInvalid with jq's own message, line included, or past kProgramBytesMax. Blocks for some 50 ms
  // unless this text is known to compile.
  virtual Result<std::shared_ptr<const Program>> Compile(ProgramUse use, std::string_view text) = 0;
  // Of a text that was compiled once and stored: never blocks. Should it not compile after all,
  // Run() says so.
  virtual std::shared_ptr<const Program> Stored(ProgramUse use, std::string_view text) = 0;

  // `done` exactly once, posted to `loop`, never from inside this call. Errors: kInvalid, the
  // program failed on this event (jq's own message; no output or several of a mapping; a number
  // that would change): final for the pair. kDeadline: it took longer than its limit: final too.
  // kUnavailable: too many programs wait, or Close(): the same question may be asked again.
  // Nothing is called once Close() has returned.
  using Done = std::move_only_function<void(Result<std::string>)>;
  virtual void Run(std::shared_ptr<const Program> program, std::string event_json,
                   os::Executor& loop, Done done) = 0;
};

}  // namespace tributary::deliver
