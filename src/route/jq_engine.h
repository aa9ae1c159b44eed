// libjq behind a wall: programs compiled once and run on one event after another. Used only inside
// a process that may die (jq_child.h): a one-line program can make jq 1.6 abort or overflow its
// stack, and one endless builtin cannot be stopped.
//
// What a program sees is its input and nothing else. Names that would let it see the clock, the
// environment, files or other inputs are refused when it is compiled, by name.
// One thread only.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "route/jq_message.h"

struct jq_state;

namespace tributary::route {

class JqEngine {
 public:
  // `kept_max`: programs kept compiled; the one used longest ago goes. `on_no_memory` is called
  // when jq cannot have the memory it asks for, and must not return.
  JqEngine(std::size_t kept_max, void (*on_no_memory)(void*));
  ~JqEngine();
  JqEngine(const JqEngine&) = delete;
  JqEngine& operator=(const JqEngine&) = delete;

  // kFine (text empty), or kInvalid with jq's own message, lines counted from the program's first.
  JqAnswer Compile(std::string_view program);
  // Compiles if need be. Runs until Halt() at the longest: kTooSlow then.
  JqAnswer Run(JqTask task, std::string_view program, std::string_view input);

  // Ends the run under way within milliseconds; may be called in a signal handler. A single builtin
  // that does not come back is not ended by it.
  void Halt();

 private:
  struct Kept {
    std::string text;
    jq_state* state = nullptr;
  };
  using List = std::list<Kept>;  // the last used in front

  jq_state* Find(std::string_view program, std::string& error);
  JqAnswer RunFilter(jq_state* state);
  JqAnswer RunMapping(jq_state* state);

  const std::size_t kept_max_;
  void (*const on_no_memory_)(void*);
  List kept_;
  std::unordered_map<std::string_view, List::iterator> by_text_;
  // Touched by Halt(), perhaps inside a signal handler of this very thread.
  jq_state* volatile running_ = nullptr;
  volatile int halted_ = 0;
};

// What a program may not name, for documents and messages: "now", "input", ….
std::string RefusedJqNames();

}  // namespace tributary::route
