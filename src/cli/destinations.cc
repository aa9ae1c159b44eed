// tributary destinations: list, make, show and steer the destinations of a running server.
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/escape.h"
#include "cli/input.h"
#include "cli/pretty_json.h"
#include "cli/registry.h"
#include "cli/table.h"
#include "config/option_list.h"

namespace tributary::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kPath = "/api/v1/destinations";

std::string Cell(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string StatusCell(const ordered_json& destination) {
  std::string status = Cell(destination, "status");
  if (Cell(destination, "enabled") == "false") status = "off";
  const std::string reason = Cell(destination, "status_reason");
  return reason.empty() ? status : status + " (" + reason + ")";
}

std::string ListText(const std::vector<std::string>& destinations) {
  Table table({"NAME", "TYPE", "STATUS", "URL"});
  for (const std::string& text : destinations) {
    const auto one = ordered_json::parse(text);
    table.Add({Cell(one, "name"), Cell(one, "type"), StatusCell(one), Cell(one, "url")});
  }
  return table.ToString();
}

std::string ListJson(const std::vector<std::string>& destinations) {
  ordered_json all = ordered_json::array();
  for (const std::string& text : destinations) all.push_back(ordered_json::parse(text));
  return all.dump(2) + "\n";
}

std::string StatsText(const std::string& body) {
  const auto stats = ordered_json::parse(body, nullptr, false);
  std::string out;
  for (const auto& [name, value] : stats.items()) {
    constexpr std::size_t kNameColumns = 14;
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    out += EscapeLine(name) + std::string(kNameColumns - std::min(name.size(), kNameColumns), ' ') +
           "  " + EscapeLine(text) + "\n";
  }
  return out;
}

class Destinations final : public Command {
 public:
  void Describe(Arguments& a) override {
    options_.Describe(a);
    a.Verb("list", "Lists them.", Calls(&Destinations::List));
    Named(a, "get", "Shows one.", &Destinations::Get);
    a.Verb("add", "Makes one.", Calls(&Destinations::Add))
        .Positional("FILE", file_, "Its JSON; - reads standard input.");
    Named(a, "delete", "Removes one and what waits for it.", &Destinations::Delete);
    Named(a, "pause", "Stops sending; the backlog stays.", &Destinations::Pause);
    Named(a, "resume", "Sends again.", &Destinations::Resume);
    Named(a, "stats", "Counts deliveries and what waits.", &Destinations::Stats);
  }

 private:
  using Method = Result<std::string> (Destinations::*)(Context&, Api&);

  // Connects, calls, prints what the method answers.
  Arguments::Action Calls(Method method) {
    return [this, method](Context& context) {
      const auto api = context.connect(options_.Target(context.environment));
      if (!api) return ComplainOfUsage(context, api.error().message());
      const auto text = (this->*method)(context, **api);
      if (!text) return Complain(context, text.error().message());
      context.out << *text;
      return kExitFine;
    };
  }

  void Named(Arguments& a, const std::string& verb, const std::string& help, Method method) {
    a.Verb(verb, help, Calls(method)).Positional("NAME", name_, "The destination.");
  }

  std::string PathOf(std::string_view rest = {}) const {
    return std::string(kPath) + "/" + EncodePathPart(name_) + std::string(rest);
  }

  // JSON as it came, with line breaks.
  static std::string Pretty(const std::string& body) {
    return EscapeBlock(PrettyJson(body, kAnswerBytesMax).value_or(body)) + "\n";
  }
  std::string Said(const std::string& body, const std::string& sentence) const {
    return options_.json ? Pretty(body) : EscapeLine(sentence) + "\n";
  }

  Result<std::string> List(Context&, Api& api) {
    TRY_ASSIGN(const auto all, ListAll(api, std::string(kPath)));
    return options_.json ? ListJson(all) : ListText(all);
  }
  Result<std::string> Get(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, CallForBody(api, {.path = PathOf()}));
    return Pretty(body);
  }
  Result<std::string> Add(Context& context, Api& api) {
    TRY_ASSIGN(std::string object, ReadWhole(context, file_, config::kOptionsBytesMax));
    if (object.empty()) return Fail(ErrorCode::kInvalid, file_ + " is empty");
    TRY_ASSIGN(const std::string body,
               CallForBody(api, {.method = "POST", .path = std::string(kPath), .body = object}));
    const auto made = ordered_json::parse(body, nullptr, false);
    return Said(body, "made '" + (made.is_object() ? Cell(made, "name") : "") + "'");
  }
  Result<std::string> Delete(Context&, Api& api) {
    TRY(CallForBody(api, {.method = "DELETE", .path = PathOf()}));
    return Said("{}", "deleted '" + name_ + "'");
  }
  Result<std::string> Pause(Context&, Api& api) {
    TRY_ASSIGN(const std::string body,
               CallForBody(api, {.method = "POST", .path = PathOf("/pause")}));
    return Said(body, "paused '" + name_ + "'");
  }
  Result<std::string> Resume(Context&, Api& api) {
    TRY_ASSIGN(const std::string body,
               CallForBody(api, {.method = "POST", .path = PathOf("/resume")}));
    return Said(body, "resumed '" + name_ + "'");
  }
  Result<std::string> Stats(Context&, Api& api) {
    TRY_ASSIGN(const std::string body, CallForBody(api, {.path = PathOf("/stats")}));
    return options_.json ? Pretty(body) : StatsText(body);
  }

  ApiOptions options_;
  std::string name_;
  std::string file_;
};

const CommandRegistration kDestinations =
    Register<Destinations>("destinations", "Lists, makes and steers a server's destinations.");

}  // namespace
}  // namespace tributary::cli
