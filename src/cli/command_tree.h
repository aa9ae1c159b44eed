// Every command that there is, with its verbs and options, as completion scripts need them. Made
// from the registered commands, so that none can be left out.
#pragma once

#include <string>
#include <vector>

namespace tributary::cli {

struct CommandTree {
  struct Option {
    std::string name;  // "--json"
    std::string help;
    bool takes_value = false;
  };
  std::string name;
  std::string help;
  std::vector<Option> options;  // its own; those of the command above hold as well
  std::vector<CommandTree> commands;
};

CommandTree WholeCommandTree();

}  // namespace tributary::cli
