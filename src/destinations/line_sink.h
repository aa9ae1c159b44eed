// Where lines go: one file (line_file.h), or files that are replaced (rotating_file.h).
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace tributary::destinations {

// Shared by the instances of a destination; any thread, calls block.
class LineSink {
 public:
  virtual ~LineSink() = default;
  // `lines` ends with '\n'. Success: they are synced.
  virtual Status Append(std::string_view lines) = 0;
  // Does what time or earlier failures ask for, a bounded piece of it. Answers how long from now it
  // wants to be called again, whatever else is called meanwhile; nullopt: not before an Append.
  virtual std::optional<MonoNanos> Tick() { return std::nullopt; }
  // Nobody will append any more (for now): what is open may be ended.
  virtual void End() {}
  // Nothing of what was ended is left to Tick().
  virtual bool ended() { return true; }
};

}  // namespace tributary::destinations
