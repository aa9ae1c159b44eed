#include "cli/registry.h"

#include <algorithm>
#include <deque>
#include <ostream>

#include "cli/escape.h"

namespace tributary::cli {
namespace {

constexpr char kCommandLineField[] = "command line";  // no option of the API has such a name

// A function's static, so that it exists before the first registration of any file. It has copies:
// what Register() makes may be a temporary, of which the static object is the copy. Their addresses
// stay.
std::deque<CommandRegistration>& RegistrationTable() {
  static std::deque<CommandRegistration> table;
  return table;
}

}  // namespace

CommandRegistration::CommandRegistration(std::string_view command_name,
                                         std::string_view command_summary, Make make_command)
    : name(command_name), summary(command_summary), make(make_command) {
  RegistrationTable().push_back(*this);
}

std::vector<const CommandRegistration*> RegisteredCommands() {
  std::vector<const CommandRegistration*> sorted;
  for (const CommandRegistration& registration : RegistrationTable())
    sorted.push_back(&registration);
  std::ranges::sort(sorted, {}, [](const CommandRegistration* c) { return c->name; });
  return sorted;
}

int Complain(Context& context, std::string_view message) {
  context.err << "tributary: " << EscapeLine(message) << '\n' << std::flush;
  return kExitFailed;
}

int ComplainOfUsage(Context& context, std::string_view message) {
  Complain(context, message);
  return kExitUsage;
}

std::unexpected<Error> WrongUsage(std::string message) {
  return Fail(ErrorCode::kInvalid, kCommandLineField, std::move(message));
}

int ComplainOfError(Context& context, const Error& error) {
  Complain(context, error.message());
  return error.field() == kCommandLineField ? kExitUsage : kExitFailed;
}

}  // namespace tributary::cli
