#include "cli/completion_script.h"

#include <vector>

namespace tributary::cli {
namespace {

// A command with the words that lead to it: "sources keys list"; empty for the program itself.
struct Place {
  std::string path;
  const CommandTree* command;
  std::vector<CommandTree::Option> options;  // its own and those of the commands above
};

void Collect(const CommandTree& command, const std::string& path,
             std::vector<CommandTree::Option> above, std::vector<Place>& out) {
  for (const CommandTree::Option& option : command.options) {
    const bool help = option.name == "--help" && !path.empty() && !above.empty();
    if (!help) above.push_back(option);
  }
  out.push_back({path, &command, above});
  // What the program itself takes stands before a command only, but for --help.
  if (path.empty()) std::erase_if(above, [](const auto& o) { return o.name != "--help"; });
  for (const CommandTree& below : command.commands) {
    Collect(below, path.empty() ? below.name : path + " " + below.name, above, out);
  }
}

std::vector<Place> PlacesOf(const CommandTree& tree) {
  std::vector<Place> places;
  Collect(tree, "", {}, places);
  return places;
}

// In single quotes, for all three shells.
std::string Quoted(std::string_view text, bool fish = false) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += fish ? "\\'" : "'\\''";
    } else if (c == '\\' && fish) {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// The walk from the first word to the cursor, which bash and zsh write in the same way. `words`
// is the array, `first` the index of the first word behind the program's, `last` one past the last.
std::string Walk(const std::vector<Place>& places, const std::string& words,
                 const std::string& first, const std::string& last) {
  std::string out = "  local place='' word i\n";
  out += "  for ((i = " + first + "; i < " + last + "; i++)); do\n";
  out += "    word=\"${" + words + "[i]}\"\n";
  out += "    case \"${place:+$place }$word\" in\n      ";
  bool any = false;
  for (const Place& place : places) {
    if (place.path.empty()) continue;
    out += (any ? "|" : "") + Quoted(place.path);
    any = true;
  }
  out += ") place=\"${place:+$place }$word\" ;;\n    esac\n  done\n";
  return out;
}

std::string BashScript(const std::vector<Place>& places) {
  std::string out =
      "# bash completion of tributary: source <(tributary completion bash)\n"
      "_tributary() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n";
  out += Walk(places, "COMP_WORDS", "1", "COMP_CWORD");
  out += "  local commands='' options='' values=''\n  case \"$place\" in\n";
  for (const Place& place : places) {
    std::string commands, options, values;
    for (const CommandTree& below : place.command->commands) commands += " " + below.name;
    for (const CommandTree::Option& option : place.options) {
      options += " " + option.name;
      if (option.takes_value) values += " " + option.name;
    }
    out += "    " + Quoted(place.path) + ")\n      commands='" + commands + "'\n      options='" +
           options + "'\n      values='" + values + " ' ;;\n";
  }
  out +=
      "  esac\n"
      "  COMPREPLY=()\n"
      "  [[ \"$before\" == -* && \"$values\" == *\" $before \"* ]] && return  # a file name\n"
      "  if [[ \"$current\" == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -W \"$commands\" -- \"$current\"))\n"
      "  fi\n"
      "}\n"
      "complete -o bashdefault -o default -F _tributary tributary\n";
  return out;
}

// "name:help", as zsh's _describe takes it.
std::string Described(const std::string& name, const std::string& help) {
  std::string text;
  for (const char c : name) text += c == ':' ? std::string("\\:") : std::string(1, c);
  return Quoted(text + ":" + help);
}

std::string ZshScript(const std::vector<Place>& places) {
  std::string out =
      "#compdef tributary\n"
      "# zsh completion of tributary: tributary completion zsh > \"${fpath[1]}/_tributary\"\n"
      "_tributary() {\n";
  out += Walk(places, "words", "2", "CURRENT");
  out += "  local -a commands options\n  local values=''\n  case \"$place\" in\n";
  for (const Place& place : places) {
    out += "    " + Quoted(place.path) + ")\n      commands=(";
    for (const CommandTree& below : place.command->commands) {
      out += "\n        " + Described(below.name, below.help);
    }
    out += ")\n      options=(";
    std::string values;
    for (const CommandTree::Option& option : place.options) {
      out += "\n        " + Described(option.name, option.help);
      if (option.takes_value) values += " " + option.name;
    }
    out += ")\n      values='" + values + " ' ;;\n";
  }
  out +=
      "  esac\n"
      "  if [[ \"$words[CURRENT-1]\" == -* && \"$values\" == *\" $words[CURRENT-1] \"* ]]; then\n"
      "    _files\n"
      "  elif [[ \"$words[CURRENT]\" == -* ]]; then\n"
      "    _describe -o option options\n"
      "  elif (( $#commands )); then\n"
      "    _describe command commands\n"
      "  else\n"
      "    _files\n"
      "  fi\n"
      "}\n"
      "if [ \"$funcstack[1]\" = _tributary ]; then _tributary \"$@\"; "
      "else compdef _tributary tributary; fi\n";
  return out;
}

std::string FishScript(const std::vector<Place>& places) {
  std::string out =
      "# fish completion of tributary: tributary completion fish | source\n"
      "function __tributary_place\n"
      "  set -l place ''\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    switch (string trim -- \"$place $word\")\n"
      "      case";
  for (const Place& place : places) {
    if (!place.path.empty()) out += " " + Quoted(place.path, true);
  }
  out +=
      "\n        set place (string trim -- \"$place $word\")\n"
      "    end\n"
      "  end\n"
      "  echo $place\n"
      "end\n"
      "function __tributary_at\n"
      "  test (__tributary_place) = \"$argv[1]\"\n"
      "end\n";
  for (const Place& place : places) {
    const std::string here =
        "complete -c tributary -n " + Quoted("__tributary_at \"" + place.path + "\"", true);
    for (const CommandTree& below : place.command->commands) {
      out += here + " -f -a " + below.name + " -d " + Quoted(below.help, true) + "\n";
    }
    for (const CommandTree::Option& option : place.options) {
      out += here + " -l " + option.name.substr(2) + (option.takes_value ? " -r" : "") + " -d " +
             Quoted(option.help, true) + "\n";
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> CompletionScript(std::string_view shell, const CommandTree& tree) {
  const std::vector<Place> places = PlacesOf(tree);
  if (shell == "bash") return BashScript(places);
  if (shell == "zsh") return ZshScript(places);
  if (shell == "fish") return FishScript(places);
  return std::nullopt;
}

}  // namespace tributary::cli
