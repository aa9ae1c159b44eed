// From a YAML file, environment variables and command line to Settings.
//
// Later ones win: defaults, file, `TRIBUTARY_…` variables, `overrides`. A variable's name is the
// option's path in capitals with '_' between the parts: `retention.age` is TRIBUTARY_RETENTION_AGE.
// Lists of texts are comma-separated there; other lists and groups are written as YAML.
//
// In the file `${NAME}` is replaced by that variable wherever a value stands, after parsing, so
// that a value can neither break nor extend the file; `$${` stands for "${".
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/settings.h"

namespace tributary::config {

inline constexpr std::size_t kConfigBytesMax = 1024 * 1024;
inline constexpr std::size_t kProblemsMax = 100;

using Environment = std::map<std::string, std::string, std::less<>>;

// One thing that is wrong. No message quotes a value that was declared secret or expanded.
struct Problem {
  std::string origin;  // "tributary.yaml", "environment variable TRIBUTARY_LISTEN", "--listen"
  int line = 0;        // from 1; 0 when it has no line
  int column = 0;
  std::string field;
  std::string message;
  // "tributary.yaml:3:5: lisen is not a known option; did you mean 'listen'?"
  std::string ToString() const;
};

struct LoadInput {
  std::string file_name;  // as shown in problems; empty: no file
  std::string text;
  bool read_once = false;  // the text came through a pipe: it cannot be read again by its name
  Environment environment;
  std::map<std::string, std::string> overrides;  // path to value: {"listen", "127.0.0.1:0"}
  // Which variables ${NAME} may stand for; empty: all. What is said of a text from outside must not
  // read out the environment.
  std::function<bool(std::string_view name)> may_expand;
  // Judges what is beyond the options' own rules, once those hold and before any destination is
  // judged; each error names the option, and its message reads on from there. May be empty.
  std::function<std::vector<Error>(const Settings&)> check_settings;
  // Judges one entry of `destinations:`; its error's field is below that entry. May be empty.
  std::function<Status(const std::string& json_text)> check_destination;
};

// Where an error's field stands, for what is found to be wrong when all has been read.
using PlaceProblem = std::function<Problem(const Error& error)>;

struct Loaded {
  Settings settings;
  std::vector<std::string> warnings;  // variables that look like a slip of the pen
  PlaceProblem place;                 // holds the place of every option: as large as the file
};

// Everything that is wrong, as far as it can be seen at once; at least one, at most kProblemsMax.
using Problems = std::vector<Problem>;

std::expected<Loaded, Problems> Load(const LoadInput& input);

// The NAMEs of every ${NAME} in a configuration's text.
std::set<std::string, std::less<>> VariablesIn(std::string_view text);

}  // namespace tributary::config
