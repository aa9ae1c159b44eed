// What a subcommand takes, declared by the subcommand and read by command_line.cc, so that the
// library that parses (CLI11) stands in one file.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tributary::cli {

struct Context;

// Declarations of one command or one verb of it. The places that values are written to outlive the
// parsing; they are written before the action runs, and keep what they hold when not given.
class Arguments {
 public:
  using Action = std::function<int(Context& context)>;  // answers with an exit code
  virtual ~Arguments() = default;

  virtual void Positional(const std::string& name, std::string& value, const std::string& help) = 0;
  // What is left of the command line, at least one; the last of the positionals.
  virtual void Positionals(const std::string& name, std::vector<std::string>& values,
                           const std::string& help) = 0;
  // `name` is "--listen", `placeholder` what stands for the value in the help.
  virtual void Option(const std::string& name, std::string& value, const std::string& placeholder,
                      const std::string& help) = 0;
  virtual void Option(const std::string& name, std::optional<std::string>& value,
                      const std::string& placeholder, const std::string& help) = 0;
  // May be given several times.
  virtual void Option(const std::string& name, std::vector<std::string>& values,
                      const std::string& placeholder, const std::string& help) = 0;
  // From `min` to `max`, both inclusive; anything else is a wrong command line.
  virtual void Number(const std::string& name, int& value, int min, int max,
                      const std::string& help) = 0;
  virtual void Flag(const std::string& name, bool& value, const std::string& help) = 0;

  // What runs when everything was read. A command has either an action or verbs.
  virtual void OnRun(Action action) = 0;
  // `tributary COMMAND VERB …`; options of the command may also stand behind the verb.
  virtual Arguments& Verb(const std::string& name, const std::string& help, Action action) = 0;
  // Verbs of a thing that belongs to the command: `tributary sources keys list …`.
  virtual Arguments& Group(const std::string& name, const std::string& help) = 0;
  // The verb has this name too.
  virtual void AlsoCalled(const std::string& name) = 0;
};

}  // namespace tributary::cli
