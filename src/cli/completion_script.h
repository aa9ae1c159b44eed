// Completion scripts of the three shells, made from the commands that there are. Pure functions.
//
// Each script knows the words of every command and its options; what stands for a value is
// completed as a file name. Nothing is asked of a server.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/command_tree.h"

namespace tributary::cli {

// "bash", "zsh" or "fish"; nullopt for another shell.
std::optional<std::string> CompletionScript(std::string_view shell, const CommandTree& tree);

}  // namespace tributary::cli
