// The one file that knows CLI11.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>
#include <sstream>

#include "cli/command_tree.h"
#include "cli/registry.h"
#include "config/option.h"
#include "os/process.h"

namespace tributary::cli {
namespace {

class Cli11Arguments final : public Arguments {
 public:
  Cli11Arguments(CLI::App& app, Action& chosen) : app_(app), chosen_(chosen) {}

  void Positional(const std::string& name, std::string& value, const std::string& help) override {
    app_.add_option(name, value, help)->required()->type_name("");
  }
  void Positionals(const std::string& name, std::vector<std::string>& values,
                   const std::string& help) override {
    app_.add_option(name, values, help)->required()->type_name("")->take_all();
  }
  void Option(const std::string& name, std::string& value, const std::string& placeholder,
              const std::string& help) override {
    app_.add_option(name, value, help)->type_name(placeholder);
  }
  void Option(const std::string& name, std::optional<std::string>& value,
              const std::string& placeholder, const std::string& help) override {
    const auto take = [&value](const std::string& text) { value = text; };
    app_.add_option_function<std::string>(name, take, help)->type_name(placeholder);
  }
  void Option(const std::string& name, std::vector<std::string>& values,
              const std::string& placeholder, const std::string& help) override {
    // One value each time, so that what follows is not swallowed.
    app_.add_option(name, values, help)
        ->type_name(placeholder)
        ->take_all()
        ->allow_extra_args(false);
  }
  void Number(const std::string& name, int& value, int min, int max,
              const std::string& help) override {
    auto range = CLI::Range(min, max);
    range.description("");  // the placeholder says it shorter
    const std::string placeholder = std::to_string(min) + ".." + std::to_string(max);
    app_.add_option(name, value, help)->type_name(placeholder)->check(range);
  }
  void Flag(const std::string& name, bool& value, const std::string& help) override {
    app_.add_flag(name, value, help);
  }
  void OnRun(Action action) override {
    app_.callback([this, action = std::move(action)] { chosen_ = action; });
  }
  Arguments& Verb(const std::string& name, const std::string& help, Action action) override {
    Cli11Arguments& verb = Below(name, help);
    verb.OnRun(std::move(action));
    return verb;
  }
  Arguments& Group(const std::string& name, const std::string& help) override {
    return Below(name, help);
  }
  void AlsoCalled(const std::string& name) override { app_.alias(name); }

 private:
  Cli11Arguments& Below(const std::string& name, const std::string& help) {
    app_.require_subcommand(1);
    CLI::App* below = app_.add_subcommand(name, help);
    below->fallthrough();
    below->footer("Options of '" + app_.get_name() + "' may stand here too.");
    verbs_.push_back(std::make_unique<Cli11Arguments>(*below, chosen_));
    return *verbs_.back();
  }

  CLI::App& app_;
  Action& chosen_;
  std::vector<std::unique_ptr<Cli11Arguments>> verbs_;
};

// The command line's whole tree, and the action that parsing it chose.
struct Parser {
  CLI::App app{"Tributary: collects events, keeps them, delivers them.", "tributary"};
  Arguments::Action chosen;
  std::vector<std::unique_ptr<Command>> commands;
  std::vector<std::unique_ptr<Cli11Arguments>> arguments;

  Parser() {
    app.set_version_flag("--version", "tributary " + std::string(Version()));
    app.require_subcommand(1);
    for (const CommandRegistration* entry : RegisteredCommands()) {
      CLI::App* sub = app.add_subcommand(std::string(entry->name), std::string(entry->summary));
      commands.push_back(entry->make());
      arguments.push_back(std::make_unique<Cli11Arguments>(*sub, chosen));
      commands.back()->Describe(*arguments.back());
    }
  }

  // The command or verb that was reached before parsing failed.
  const CLI::App& reached() const {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return *at;
  }
};

std::string FullName(const CLI::App& app) {
  const std::string outer = app.get_parent() == nullptr ? "" : FullName(*app.get_parent()) + " ";
  return outer + app.get_name();
}

std::vector<std::string> KnownOptions(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) names.push_back(option->get_name());
  }
  return names;
}

std::vector<std::string> KnownWords(const CLI::App& app) {
  std::vector<std::string> names;
  const auto any = [](const CLI::App*) { return true; };
  for (const CLI::App* sub : app.get_subcommands(any)) names.push_back(sub->get_name());
  return names;
}

// What was given and nobody takes.
std::string UnknownWord(const CLI::App& reached, const std::string& given) {
  std::string word = given.substr(0, given.find('='));
  if (word.starts_with("whsec_")) word = "whsec_" + std::string(config::kRedacted);
  const bool option = word.starts_with('-');
  const auto known = option ? KnownOptions(reached) : KnownWords(reached);
  std::string message = "'" + word + "' is not a" +
                        (option          ? "n option"
                         : known.empty() ? "n argument"
                                         : " command") +
                        " of '" + FullName(reached) + "'";
  const std::string guess = config::Suggestion(word, known);
  if (!guess.empty()) message += "; did you mean '" + guess + "'?";
  return message;
}

std::string Lowered(std::string text) {
  if (text.starts_with("A ")) text[0] = 'a';
  return text;
}

int AnswerParseError(const Parser& parser, const CLI::ParseError& error, bool empty,
                     Context& context) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {  // --help, --version
    parser.app.exit(error, context.out, context.err);
    return kExitFine;
  }
  if (empty) {
    context.err << parser.app.help();
    return kExitUsage;
  }
  const CLI::App& reached = parser.reached();
  const std::vector<std::string> unknown = parser.app.remaining(true);
  ComplainOfUsage(context,
                  unknown.empty() ? Lowered(error.what()) : UnknownWord(reached, unknown.front()));
  context.err << "See '" << FullName(reached) << " --help'." << '\n' << std::flush;
  return kExitUsage;
}

config::Environment WholeEnvironment() {
  config::Environment all;
  for (auto& [name, value] : os::EnvironmentWithPrefix("")) all.emplace(name, value);
  return all;
}

CommandTree TreeOf(const CLI::App& app) {
  CommandTree tree{.name = app.get_name(), .help = app.get_description()};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) continue;
    for (const std::string& name : option->get_lnames()) {
      tree.options.push_back(
          {.name = "--" + name,
           .help = option->get_description(),
           .takes_value = option->get_expected_max() > 0 && option->get_type_size_max() > 0});
    }
  }
  for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
    tree.commands.push_back(TreeOf(*below));
  }
  return tree;
}

}  // namespace

CommandTree WholeCommandTree() {
  return TreeOf(Parser().app);
}

std::string_view Version() {
  return TRIBUTARY_VERSION;
}

int RunArguments(std::vector<std::string> arguments, Context& context) {
  Parser parser;
  const bool empty = arguments.empty();
  try {
    std::ranges::reverse(arguments);  // as CLI11 takes them
    parser.app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return AnswerParseError(parser, error, empty, context);
  }
  return parser.chosen(context);
}

int RunCommandLine(int argc, char** argv, const Hooks& hooks) {
  os::IgnoreFatalSignals();  // a reader that goes away is a failed write, not the end
  Context context{.out = std::cout,
                  .err = std::cerr,
                  .in = std::cin,
                  .fs = os::PosixFileSystem(),
                  .environment = WholeEnvironment(),
                  .err_is_terminal = os::StandardErrorIsTerminal(),
                  .hooks = hooks,
                  .connect = ConnectOverHttp};
  const int code = RunArguments({argv + std::min(argc, 1), argv + argc}, context);
  std::cout.flush();
  return code == kExitFine && !std::cout ? kExitFailed : code;
}

}  // namespace tributary::cli
